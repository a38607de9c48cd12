"""One row in a hundred is bad: exactly those lie in quarantine with their reasons, and the ledger's counts add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outfitter.datasets.synthetic import Shop, bad_rows, write_hm_shop
from outfitter.lake.tables import Lake

SHOP = Shop(users=300, items=120, interactions=8_000, days=60, seed=2, bad_rows=0.01)
REASONS = {
    "no customer": "user id is missing",
    "no article": "item id is missing",
    "unreadable price": "cannot be read: price",
    "negative price": "price is negative",
    "unreadable date": "cannot be read: t_dat",
    "future date": "timestamp lies in the future",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_hm_shop(SHOP, tmp_path / "shop", daily_files=3)
    return tmp_path / "shop"


def test_exactly_the_bad_rows_are_set_aside(outfitter: Any, home: Path, shop: Path) -> None:
    done = outfitter("ingest", "--source", "hm", "--path", shop, "--json", OUTFITTER_BLOCK_MB="1")
    assert done.code == 0, done.stderr
    planted = bad_rows(shop)
    assert planted.height == SHOP.spoilt == 80
    lake = Lake(str(home / "lake"))
    aside = lake.read("quarantine")
    assert sorted(aside.select("object", "row").rows()) == sorted(planted.select("file", "row").rows())
    for file, row, kind in planted.select("file", "row", "kind").rows():
        (reasons,) = aside.filter((pl.col("object") == file) & (pl.col("row") == row))["reasons"].to_list()
        assert any(reason.startswith(REASONS[kind]) for reason in reasons), (file, row, kind, reasons)
    ledger = lake.read("deliveries")
    assert ledger.height == 6
    assert (ledger["rows_in"] == ledger["rows_accepted"] + ledger["rows_quarantined"]).all()
    sold = ledger.filter(pl.col("role") == "interactions")
    assert (sold["rows_accepted"].sum(), sold["rows_quarantined"].sum()) == (SHOP.interactions, SHOP.spoilt)
    assert lake.read("interactions").height == SHOP.interactions
    assert done.result["rows_quarantined"] == SHOP.spoilt
