"""What is bought before the catalogue names it: kept, told, never recommended, and catalogued later."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import polars as pl

from outfitter.lake.snapshot import open_snapshot
from outfitter.lake.tables import Lake


def best_seller(shop: Path) -> str:
    months = pl.concat([pl.read_csv(path, infer_schema=False) for path in sorted(shop.glob("interactions-*.csv"))[-2:]])
    bought = months.filter(pl.col("event") == "purchase").group_by("item_id").len().sort("len", "item_id", descending=True)
    return str(bought["item_id"][0])


def test_stub_items_are_kept_with_a_warning_and_catalogued_later(outfitter: Any, home: Path, tiny_shop: Path, tmp_path: Path) -> None:
    shop = shutil.copytree(tiny_shop, tmp_path / "shop")
    stub = best_seller(shop)
    catalogue = (shop / "items.csv").read_text()
    (shop / "items.csv").write_text("".join(line for line in catalogue.splitlines(keepends=True) if not line.startswith(f"{stub},")))

    ran = outfitter("run", "--path", shop, COLUMNS="160")
    assert ran.code == 0, ran.stderr
    said = " ".join(ran.stdout.replace("│", " ").split())
    assert "warning 1 item not in the catalogue: kept as stubs, never recommended until catalogued" in said
    assert "4,199 in, 4,199 accepted, 0 quarantined" in said
    key = _item(home, stub)["item_key"]
    assert not _item(home, stub)["catalogued"]
    lake = Lake(str(home / "lake"))
    assert lake.read("interactions").filter(pl.col("item_key") == key).height > 10
    shown = lake.read("recommendations").explode("items", "scores")["items"]
    assert shown.n_unique() > 12
    assert key not in shown.to_list()

    (shop / "items.csv").write_text(catalogue)
    os.utime(shop / "items.csv", (time.time() + 60,) * 2)  # later than what it replaces, whatever the clock's grain
    later = outfitter("ingest", "--path", shop, "--json")
    assert later.code == 0, later.stderr
    assert later.result["stub_items"] == 0
    assert later.result["new_deliveries"] == 1
    assert _item(home, stub)["catalogued"]
    assert _item(home, stub)["item_key"] == key
    assert _item(home, stub)["title"]


def _item(home: Path, item_id: str) -> dict[str, Any]:
    """The item as the newest snapshot has it."""
    (row,) = open_snapshot(Lake(str(home / "lake"))).items().filter(pl.col("item_id") == item_id).collect().rows(named=True)
    return row
