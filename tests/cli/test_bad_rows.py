"""Bad rows are set aside with their reasons, the rest goes on, and every count tells the same story."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outfitter.datasets.synthetic import Shop, write_shop
from outfitter.lake.tables import Lake
from tests.cli.commands import Call
from tests.conftest import TINY, Outcome

MARCH, APRIL, MAY = (f"interactions-2025-0{month}.csv" for month in (3, 4, 5))
GOOD = "2025-03-10 10:00:00,{user},{item},purchase,1,20.0,web,north"
SPOILT = Shop(users=120, items=80, interactions=4_000, days=150, seed=3, bad_rows=0.06)
KINDS = {
    "price is negative",
    "cannot be read",
    "timestamp lies in the future",
    "user id is missing",
    "item id is missing",
    "identical to an earlier row",
}
STOPPED_SHARE = 4  # every fourth price is made negative: more than max_bad_share = .2


def read(file: Path) -> list[str]:
    return file.read_text().splitlines()


def write(file: Path, lines: list[str]) -> None:
    file.write_text("\n".join(lines) + "\n")


def ids(shop: Path, count: int) -> tuple[list[str], list[str]]:
    users, items = (read(shop / f"{name}.csv")[1 : count + 1] for name in ("users", "items"))
    return [line.split(",")[0] for line in users], [line.split(",")[0] for line in items]


def bad_rows(user: str, item: str) -> list[tuple[str, list[str]]]:
    """Lines of a month's file, each with the reasons that it must be set aside for; an empty list is a good line."""
    good = GOOD.format(user=user, item=item)
    return [
        (good, []),
        (good, ["identical to an earlier row"]),
        (good.replace(",20.0,", ",-20.0,"), ["price is negative"]),
        (good.replace("2025-03-10", "2025-13-10"), ["cannot be read: timestamp '2025-13-10 10:00:00'", "timestamp is missing"]),
        (good.replace("2025-03-10", "2196-03-10"), ["timestamp lies in the future"]),
        (good.replace(user, ""), ["user id is missing"]),
        (good.replace(item, ""), ["item id is missing"]),
        (good.replace("purchase", "borrowed"), ["event is not one of this source's: borrowed"]),
        (good.replace(",1,20.0,", ",0,many,"), ["cannot be read: price 'many'", "quantity is less than one"]),
    ]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory, tiny_shop: Path) -> Path:
    """The tiny shop with bad rows in March, too many in April, and some in the catalogue and among the users."""
    shop = shutil.copytree(tiny_shop, tmp_path_factory.mktemp("spoilt") / "shop")
    (user, *_), (item, other) = ids(shop, 2)
    write(shop / MARCH, read(shop / MARCH) + [line for line, _ in bad_rows(user, item)])
    header, *rows = read(shop / APRIL)
    broken = [row.replace(",purchase,1,", ",purchase,1,-") if n % STOPPED_SHARE == 0 else row for n, row in enumerate(_purchases(rows))]
    write(shop / APRIL, [header, *broken])
    catalogue = read(shop / "items.csv")
    write(shop / "items.csv", [*catalogue, next(line for line in catalogue if line.startswith(other))])
    people = read(shop / "users.csv")
    write(shop / "users.csv", [*people, "u-old,1700,female,north,none"])
    return shop


def _purchases(rows: list[str]) -> list[str]:
    """Rows of one unit bought, so that every one has a price."""
    return [row for row in rows if ",purchase,1," in row]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory, spoilt: Path, tiny_shop: Path, together: Callable[..., list[Outcome]]) -> Any:
    """The home and three results: the spoilt shop, the same again, and with April mended; besides, a shop drawn with bad rows."""
    root = tmp_path_factory.mktemp("bad-rows")
    mended = shutil.copytree(spoilt, root / "mended")
    shutil.copy(tiny_shop / APRIL, mended / APRIL)
    write_shop(SPOILT, root / "drawn")
    homes = [root / "home", root / "home", root / "mended-home", root / "drawn-home"]
    calls = [
        Call(home, ("ingest", "--json", "--path", shop)) for home, shop in zip(homes, (spoilt, spoilt, mended, root / "drawn"), strict=True)
    ]
    first = together(calls[:2])
    shutil.copytree(homes[0], homes[2])
    outcomes = first + together(calls[2:])
    for outcome in outcomes:
        assert outcome.code == 0, outcome.stderr
    return homes, [outcome.result for outcome in outcomes]


def table(home: Path, name: str) -> pl.DataFrame:
    return Lake(str(home / "lake")).read(name)


def test_every_bad_row_is_set_aside_with_its_place_reasons_and_content(ingested: Any, spoilt: Path, tiny_shop: Path) -> None:
    home = ingested[0][0]
    (user, *_), (item, *_) = ids(spoilt, 2)
    first = len(read(tiny_shop / MARCH))  # its header does not count, and rows count from 1
    expected = {first + n: why for n, (_, why) in enumerate(bad_rows(user, item)) if why}
    aside = table(home, "quarantine").filter(pl.col("object") == MARCH)
    assert dict(aside.select("row", "reasons").rows()) == expected
    assert set(aside["table"]) == {"interactions"}
    content = {row: json.loads(text) for row, text in aside.select("row", "content").rows()}
    assert content[first + 2]["price"] == -20.0
    assert content[first + 5]["user_id"] is None
    assert content[first + 4]["timestamp"].startswith("2196-03-10")
    assert all(cells["item_id"] == item for row, cells in content.items() if row != first + 6)


def test_the_rest_goes_on_and_the_summary_counts(ingested: Any, spoilt: Path) -> None:
    home, told = ingested[0][0], ingested[1][0]
    lines = {name: len(read(spoilt / name)) - 1 for name in sorted(path.name for path in spoilt.glob("*.csv"))}
    aside = Counter(table(home, "quarantine")["object"].to_list())
    broken = -(-sum(",purchase,1," in line for line in read(spoilt / APRIL)) // STOPPED_SHARE)
    assert aside == {MARCH: 8, "items.csv": 1, "users.csv": 1, APRIL: broken}
    assert told["rows_in"] == sum(lines.values())
    assert told["rows_quarantined"] == 10 + lines[APRIL]
    assert told["rows_accepted"] == sum(lines.values()) - 10 - lines[APRIL]
    months = sum(count for name, count in lines.items() if name.startswith("interactions"))
    assert told["interactions"] == table(home, "interactions").height == months - 8 - lines[APRIL]
    assert told["quarantine_reasons"]["identical to an earlier row"] == 1
    assert told["quarantine_reasons"]["user id is missing"] == 1
    assert told["quarantine_reasons"]["item id stands in an earlier row"] == 1
    assert sum(count for reason, count in told["quarantine_reasons"].items() if reason.startswith("birth year lies outside")) == 1


def test_too_many_bad_rows_stop_their_delivery_and_no_other(ingested: Any, spoilt: Path) -> None:
    home, told = ingested[0][0], ingested[1][0]
    rows = len(read(spoilt / APRIL)) - 1
    share = -(-rows // STOPPED_SHARE) / rows
    assert told["stopped"] == {APRIL: f"interactions: price is negative in {share:.1%} of {rows:,} rows with a price; at most 20% may be"}
    ledger = table(home, "deliveries").select("object", "status", "rows_accepted").rows()
    assert {(name, status) for name, status, _ in ledger if status != "accepted"} == {(APRIL, "rejected")}
    assert next(accepted for name, _, accepted in ledger if name == APRIL) == 0
    reasons = table(home, "quarantine").filter(pl.col("object") == APRIL).sort("row")["reasons"].to_list()
    assert set(map(tuple, reasons)) == {("price is negative",)}
    (parked,) = (home / "aside").iterdir()
    assert sum(pl.read_parquet(path).height for path in parked.iterdir() if "interactions-" in path.name) == rows - len(reasons)


def test_the_same_files_again_change_nothing(ingested: Any) -> None:
    first, again, *_ = ingested[1]
    assert again["new_deliveries"] == again["rows_quarantined"] == 0
    assert again["snapshot"] == first["snapshot"]


def test_a_stopped_delivery_that_was_mended_gets_in(ingested: Any, tiny_shop: Path) -> None:
    (home, _, mended, _), (first, _, told, _) = ingested
    assert told["new_deliveries"] == 1
    assert told["stopped"] == {}
    assert told["interactions"] == first["interactions"] + len(read(tiny_shop / APRIL)) - 1 == TINY.interactions + 1
    late = table(mended, "deliveries").filter(pl.col("object") == APRIL).sort("generation")
    assert late["status"].to_list() == ["rejected", "accepted"]
    assert table(home, "interactions").height < table(mended, "interactions").height


def test_the_bad_rows_of_a_drawn_shop_are_all_found_and_no_other(ingested: Any) -> None:
    home, told = ingested[0][3], ingested[1][3]
    assert told["rows_quarantined"] == SPOILT.spoilt == 240
    assert told["interactions"] == SPOILT.interactions
    kinds = Counter(reasons[0].split(":")[0] for reasons in table(home, "quarantine")["reasons"])
    assert kinds.keys() == KINDS
    assert max(kinds.values()) - min(kinds.values()) <= 6  # of every kind alike often, month by month
