"""Files get renamed and rotated: a content counts as long as it lies in the source under some name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outfitter.lake.deliveries import Delivery, outdated, place_all, sweep
from outfitter.lake.renames import record, renames
from outfitter.lake.snapshot import live_deliveries, take_snapshot
from outfitter.lake.tables import Lake
from outfitter.schema import DELIVERIES, conform, empty
from tests.outfitter.lake.frames import NOW, arrival, bought, founded, ingest

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def offered(name: str, content: str, day: int = 1) -> Delivery:
    return Delivery(content, "synthetic", name, DAY.replace(day=day))


def ledger(*rows: dict[str, Any]) -> pl.DataFrame:
    told = [{"generation": 0, "status": "accepted", "rules": "r", "modified": DAY, **row} for row in rows]
    return conform(pl.DataFrame(told), DELIVERIES) if told else empty(DELIVERIES)


def places(known: pl.DataFrame, *files: Delivery) -> list[tuple[str, str, int]]:
    return [(new.object, new.id, new.generation) for new in place_all(known, files, "r")]


def test_a_rotated_file_keeps_its_rows_under_its_new_name() -> None:
    known = ledger({"object": "01.csv", "delivery_id": "a"})
    assert places(known, offered("01.csv", "b", 2), offered("02.csv", "a")) == [("01.csv", "b", 1), ("02.csv", "a", 0)]


def test_a_copy_beside_its_original_is_not_new() -> None:
    known = ledger({"object": "01.csv", "delivery_id": "a"})
    assert places(known, offered("01.csv", "a"), offered("02.csv", "a", 2)) == []


def test_of_two_names_for_one_content_one_is_taken() -> None:
    assert places(ledger(), offered("01.csv", "a"), offered("02.csv", "a")) == [("01.csv", "a", 0)]


def test_two_files_that_change_places_both_count() -> None:
    known = ledger({"object": "01.csv", "delivery_id": "a"}, {"object": "02.csv", "delivery_id": "b"})
    swapped = places(known, offered("01.csv", "b", 2), offered("02.csv", "a", 2))
    assert swapped == []  # both contents count already, under whatever name


def test_an_older_version_is_outdated_and_a_known_one_is_not() -> None:
    known = ledger({"object": "01.csv", "delivery_id": "b", "modified": DAY.replace(day=5)})
    assert outdated(known, offered("01.csv", "a", 4))
    assert not outdated(known, offered("01.csv", "a", 6))
    assert not outdated(known, offered("01.csv", "b", 4))
    assert not outdated(known, offered("02.csv", "a", 4))


RENAMED = arrival("a", "old.csv", 1, bought(("u1", "i1", -3), ("u2", "i2", -2)), set_aside=1)
UNDER_ITS_NEW_NAME = Delivery("a", "test", "new.csv", NOW, tag="t")
CORRECTED = arrival("b", "new.csv", 2, bought(("u1", "i1", -3)))


@pytest.fixture
def moved(tmp_path: Path) -> Lake:
    """A lake whose one delivery has been renamed."""
    lake = founded(tmp_path / "lake")
    ingest(lake, RENAMED)
    record(lake, renames(lake.read("deliveries"), [UNDER_ITS_NEW_NAME], {"new.csv"}), NOW)
    return lake


def test_a_renamed_delivery_counts_once_and_no_row_is_written(moved: Lake) -> None:
    before = moved.version("interactions")
    told = live_deliveries(moved).select("object", "delivery_id", "status", "reason", "tag", "rows_accepted")
    assert told.rows() == [("new.csv", "a", "accepted", "renamed from old.csv", "t", 2)]
    sweep(moved)
    assert moved.version("interactions") == before
    assert moved.read("quarantine").height == 1
    assert take_snapshot(moved, NOW).scan("interactions").collect().height == 2


def test_a_correction_under_the_new_name_replaces_what_came_under_the_old(moved: Lake) -> None:
    assert ingest(moved, CORRECTED) == [True]
    assert moved.read("interactions")["delivery_id"].to_list() == ["b"]
    assert moved.read("quarantine").is_empty()
    assert live_deliveries(moved).select("object", "delivery_id").rows() == [("new.csv", "b")]


def test_a_renamed_content_is_no_news_and_may_come_back(moved: Lake) -> None:
    assert ingest(moved, RENAMED) == [False]
    ingest(moved, CORRECTED)
    assert ingest(moved, RENAMED) == [True]
    assert sorted(moved.read("interactions")["delivery_id"]) == ["a", "a", "b"]


def test_a_copy_beside_its_original_is_no_rename(tmp_path: Path) -> None:
    lake = founded(tmp_path / "lake")
    ingest(lake, RENAMED)
    assert renames(lake.read("deliveries"), [UNDER_ITS_NEW_NAME], {"new.csv", "old.csv"}) == []


def test_a_file_that_is_moved_over_another_takes_its_place(tmp_path: Path) -> None:
    lake = founded(tmp_path / "lake")
    ingest(lake, RENAMED, arrival("x", "new.csv", 0, bought(("u9", "i9", -1))))
    record(lake, renames(lake.read("deliveries"), [UNDER_ITS_NEW_NAME], {"new.csv"}), NOW)
    sweep(lake)
    assert lake.read("interactions")["delivery_id"].to_list() == ["a", "a"]
