"""Deliveries: whatever comes, in whatever order and however often, the tables are those of what the source holds now."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

from outfitter.lake.deliveries import content_hash, place
from outfitter.lake.snapshot import Snapshot, live_deliveries, take_snapshot
from outfitter.lake.tables import Lake
from tests.outfitter.lake.frames import NOW, arrival, at, bought, contents, filled, founded, ingest, listed, people

SALES = arrival("a1", "sales.csv", 1, bought(("u1", "i1", -9), ("u8", "i9", -8), ("u1", "i2", -7)), set_aside=2)
SALES_AGAIN = arrival("a2", "sales.csv", 2, bought(("u1", "i1", -9), ("u3", "i3", -6)), set_aside=1)
SALES_BROKEN = arrival("a3", "sales.csv", 3, bought(("u9", "i1", -5)), set_aside=1, stopped="too many bad rows")
MORE = arrival("b1", "more.csv", 1, bought(("u2", "i1", -4), ("u4", "i9", -3)))
CATALOGUE = arrival("c1", "items.csv", 1, items=listed("i1", "i2", "i7", title="old"))
CATALOGUE_AGAIN = arrival("c2", "items.csv", 2, items=listed("i1", "i2", "i9", title="new"))
CUSTOMERS = arrival("d1", "users.csv", 1, users=people("u1", "u5", birth_year=1980))
EVERYTHING = [SALES, SALES_AGAIN, SALES_BROKEN, MORE, CATALOGUE, CATALOGUE_AGAIN, CUSTOMERS]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return founded(tmp_path / "lake")


def rows(lake: Lake, table: str = "interactions") -> list[str]:
    """The delivery of each row of a table."""
    return sorted(lake.read(table)["delivery_id"].drop_nulls())


def ledger(lake: Lake) -> list[tuple[str, int, str, int, int, int]]:
    columns = ["delivery_id", "generation", "status", "rows_in", "rows_accepted", "rows_quarantined"]
    return [tuple(row) for row in lake.read("deliveries").sort("generation").select(columns).rows()]  # type: ignore[misc]


def test_an_accepted_delivery_is_written_everywhere(lake: Lake) -> None:
    assert ingest(lake, SALES) == [True]
    assert rows(lake) == ["a1"] * 3
    assert rows(lake, "quarantine") == ["a1"] * 2
    assert ledger(lake) == [("a1", 0, "accepted", 5, 3, 2)]
    row = lake.read("deliveries").row(0, named=True)
    assert (row["first_event"], row["last_event"], row["ingested_at"], row["reason"]) == (at(-9), at(-7), NOW, None)


def test_rows_lie_by_bucket_user_and_time(lake: Lake) -> None:
    ingest(lake, arrival("x", "x.csv", interactions=bought(("u1", "i1", -1), ("u2", "i1", -2), ("u1", "i2", -3))))
    told = lake.read("interactions").select("bucket", "user_key", "timestamp", "sequence")
    assert told.rows() == told.sort("bucket", "user_key", "timestamp", "sequence").rows()
    assert told["sequence"].sort().to_list() == [1, 2, 3]


def test_a_stopped_delivery_leaves_its_quarantine_and_nothing_else(lake: Lake) -> None:
    assert ingest(lake, SALES_BROKEN) == [True]
    assert lake.read("users").is_empty()
    assert lake.read("items").is_empty()
    assert lake.read("interactions").is_empty()
    assert lake.read("quarantine")["reasons"].to_list() == [["price is negative"]]
    assert ledger(lake) == [("a3", 0, "rejected", 2, 0, 2)]
    told = lake.read("deliveries").select("last_event", "reason").row(0)
    assert told == (None, "too many bad rows")


def test_the_same_content_is_no_news_under_any_name(lake: Lake) -> None:
    assert ingest(lake, SALES, SALES, arrival("a1", "copy.csv", 9, SALES.rows["interactions"])) == [True, False, False]
    assert rows(lake) == ["a1"] * 3


def test_newer_content_replaces_every_row_of_the_older(lake: Lake) -> None:
    assert ingest(lake, SALES, MORE, SALES_AGAIN) == [True, True, True]
    assert rows(lake) == ["a2", "a2", "b1", "b1"]
    assert rows(lake, "quarantine") == ["a2"]
    assert [row[:3] for row in ledger(lake) if row[0] != "b1"] == [("a1", 0, "accepted"), ("a2", 1, "accepted")]


def test_an_older_version_that_comes_late_loses(lake: Lake) -> None:
    assert ingest(lake, SALES_AGAIN, SALES) == [True, False]
    assert rows(lake) == ["a2", "a2"]


def test_of_two_versions_of_one_moment_the_hash_decides(tmp_path: Path) -> None:
    one, other = arrival("aa", "s.csv", 1, bought(("u1", "i1", -1))), arrival("bb", "s.csv", 1, bought(("u1", "i2", -1)))
    for number, order in enumerate(([one, other], [other, one])):
        lake = founded(tmp_path / str(number))
        ingest(lake, *order)
        assert rows(lake) == ["bb"]


def test_a_stopped_new_version_keeps_the_old_rows(lake: Lake) -> None:
    assert ingest(lake, SALES, SALES_BROKEN) == [True, True]
    assert rows(lake) == ["a1"] * 3
    assert rows(lake, "quarantine") == ["a1", "a1", "a3"]
    assert live_deliveries(lake).select("delivery_id", "status").rows() == [("a1", "accepted")]


def test_a_mended_version_replaces_what_was_accepted_before_the_broken_one(lake: Lake) -> None:
    mended = arrival("a4", "sales.csv", 4, bought(("u1", "i1", -9)))
    ingest(lake, SALES, SALES_BROKEN, mended)
    assert rows(lake) == ["a4"]
    assert ledger(lake)[-1][:3] == ("a4", 2, "accepted")


def test_a_rejected_content_is_judged_again_only_under_new_rules(lake: Lake) -> None:
    stricter = arrival("a3", "sales.csv", 3, SALES_BROKEN.rows["interactions"], set_aside=3, stopped="still", rules="stricter")
    looser = arrival("a3", "sales.csv", 3, SALES_BROKEN.rows["interactions"], rules="looser", set_aside=1)
    assert ingest(lake, SALES_BROKEN, SALES_BROKEN, stricter) == [True, False, True]
    assert lake.read("quarantine").height == 3
    assert ingest(lake, looser) == [True]
    assert rows(lake) == ["a3"]
    assert lake.read("quarantine")["reasons"].to_list() == [["price is negative"]]
    assert ingest(lake, looser, SALES_BROKEN, stricter) == [False, False, False]


def test_going_back_to_an_earlier_content_brings_its_rows_back_once(lake: Lake) -> None:
    back = arrival("a1", "sales.csv", 5, SALES.rows["interactions"], set_aside=2)
    assert ingest(lake, SALES, SALES_AGAIN, back, back) == [True, True, True, False]
    assert rows(lake) == ["a1"] * 3
    assert rows(lake, "quarantine") == ["a1"] * 2


def test_an_empty_but_accepted_version_takes_the_rows_away(lake: Lake) -> None:
    ingest(lake, SALES, arrival("a5", "sales.csv", 5, bought()))
    assert rows(lake) == []
    assert live_deliveries(lake)["delivery_id"].to_list() == ["a5"]


def test_a_delivery_with_users_and_items_of_its_own_is_taken_whole(tmp_path: Path) -> None:
    together = arrival("z", "all.csv", 0, bought(("u1", "i1", -1)), people("u1", region="north"), listed("i1", title="coat"))
    snapshot = filled(tmp_path, together)
    assert snapshot.items().select("item_id", "title", "catalogued").collect().rows() == [("i1", "coat", True)]
    assert contents(snapshot)["described"][0][-2:] == ("u1", together.rows["users"]["valid_from"][0])


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_arrival_does_not_matter(tmp_path: Path, seed: int) -> None:
    """Keys follow arrival, so tables are compared by ids; a broken file counts as never having come."""
    expected = filled(tmp_path / "expected", SALES_AGAIN, MORE, CATALOGUE_AGAIN, CUSTOMERS)
    order = random.Random(seed).sample(EVERYTHING * 2, 2 * len(EVERYTHING))
    found = filled(tmp_path / "found", *order)
    assert contents(found) == contents(expected)
    assert (found.id, found.as_of) == (expected.id, expected.as_of)


def test_an_item_bought_before_it_is_catalogued_keeps_its_key(lake: Lake) -> None:
    ingest(lake, SALES)
    before = take_snapshot(lake, NOW)
    ingest(lake, CATALOGUE_AGAIN)
    after = take_snapshot(lake, at(1))
    assert _item(before, "i9")[1:] == (False, None)
    assert _item(after, "i9") == (_item(before, "i9")[0], True, "new")
    assert _item(before, "i9")[1:] == (False, None)


def _item(snapshot: Snapshot, item_id: str) -> tuple[int, bool, str | None]:
    found = snapshot.items().filter(pl.col("item_id") == item_id).select("item_key", "catalogued", "title").collect()
    return found.row(0)  # type: ignore[return-value]


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    one.write_text("a,b\n1,2\n")
    other.write_text("a,b\n1,2\n")
    assert content_hash(one) == content_hash(other) == "492d5ea496056f1a6a6592241032fab7"
    other.write_text("a,b\n1,3\n")
    assert content_hash(other) != content_hash(one)


def test_a_big_file_is_hashed_whole(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * ((1 << 20) + 1) + b"a")
    first = content_hash(path)
    path.write_bytes(b"x" * ((1 << 20) + 1) + b"b")
    assert content_hash(path) != first


def test_place_counts_the_versions_of_this_object_alone(lake: Lake) -> None:
    ingest(lake, SALES, MORE)
    placed = place(lake.read("deliveries"), SALES_AGAIN.delivery, "rules")
    assert placed is not None
    assert placed.generation == 1
    first = place(lake.read("deliveries"), CUSTOMERS.delivery, "rules")
    assert first is not None
    assert first.generation == 0
