"""Compaction and vacuum: fewer files, the same rows, and every version that somebody still names."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from outfitter.lake.tables import Lake

MOST = 4
BUCKETS = 3


def day(number: int, rows: int = 30, buckets: int = BUCKETS) -> pl.DataFrame:
    keys = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {"user_key": keys, "sequence": keys + number * rows, "bucket": keys % buckets, "delivery_id": [f"d{number}"] * rows}
    )


def files(lake: Lake, table: str = "interactions") -> dict[int, int]:
    """Live files by bucket."""
    told = pl.DataFrame(DeltaTable(lake.uri(table), storage_options=lake.options).get_add_actions(flatten=True))
    return dict(told.group_by("partition.bucket").len().sort("partition.bucket").rows())


def rows(lake: Lake, version: int | None = None) -> list[tuple[object, ...]]:
    return lake.scan("interactions", version).select("user_key", "sequence", "bucket", "delivery_id").collect().sort("sequence").rows()


@pytest.fixture
def lake(empty_lake: Lake) -> Lake:
    empty_lake.create("interactions")
    return empty_lake


def test_many_small_appends_stay_in_few_files(lake: Lake) -> None:
    expected = []
    for number in range(3 * MOST):
        lake.append("interactions", day(number), transaction=f"t{number}")
        expected += day(number).select("user_key", "sequence", "bucket", "delivery_id").rows()
        lake.compact("interactions", MOST)
        assert max(files(lake).values()) <= MOST
    assert rows(lake) == sorted(expected, key=lambda row: row[1])
    assert all(lake.committed("interactions", f"t{number}") for number in range(3 * MOST))


def test_only_crowded_buckets_are_rewritten(lake: Lake) -> None:
    for number in range(MOST):
        lake.append("interactions", day(number))
    lake.append("interactions", day(MOST).filter(pl.col("bucket") == 1))
    assert files(lake) == {0: MOST, 1: MOST + 1, 2: MOST}
    assert lake.compact("interactions", MOST) == MOST + 1
    assert files(lake) == {0: MOST, 1: 1, 2: MOST}


def test_where_there_is_nothing_to_merge_there_is_no_commit(lake: Lake) -> None:
    assert lake.compact("interactions", MOST) == 0
    assert lake.version("interactions") == 0
    lake.append("interactions", day(0))
    before = lake.version("interactions")
    assert lake.compact("interactions", MOST) == 0
    assert lake.vacuum("interactions", [], retention_hours=0) == 0
    assert lake.version("interactions") == before


def test_a_table_without_buckets_is_merged_as_a_whole(lake: Lake) -> None:
    lake.create("stages")
    for number in range(MOST + 1):
        lake.append("stages", pl.DataFrame({"stage": [str(number)]}))
    assert lake.compact("stages", MOST) == MOST + 1
    assert sorted(lake.read("stages")["stage"]) == [str(number) for number in range(MOST + 1)]


def test_merged_rows_can_be_deleted_by_delivery(lake: Lake) -> None:
    for number in range(MOST + 1):
        lake.append("interactions", day(number))
    lake.compact("interactions", MOST)
    lake.delete_rows("interactions", "delivery_id", ["d1", "d3"])
    assert {row[3] for row in rows(lake)} == {"d0", "d2", "d4"}


def test_old_versions_outlive_merging_and_cleaning_when_they_are_named(lake: Lake) -> None:
    lake.append("interactions", day(0))
    lake.append("interactions", day(1))
    named, then = lake.version("interactions"), rows(lake)
    for number in range(2, MOST + 2):
        lake.append("interactions", day(number))
    unnamed, now = lake.version("interactions"), rows(lake)
    lake.compact("interactions", MOST)
    assert (rows(lake, named), rows(lake, unnamed), rows(lake)) == (then, now, now)
    removed = lake.vacuum("interactions", [named], retention_hours=0)
    assert removed == MOST * BUCKETS
    assert (rows(lake, named), rows(lake)) == (then, now)
    with pytest.raises((FileNotFoundError, OSError)):
        rows(lake, unnamed)


def test_nothing_goes_within_a_week(lake: Lake) -> None:
    for number in range(MOST + 1):
        lake.append("interactions", day(number))
    before, expected = lake.version("interactions"), rows(lake)
    lake.compact("interactions", MOST)
    version = lake.version("interactions")
    assert lake.vacuum("interactions", []) == 0
    assert lake.version("interactions") == version
    assert rows(lake, before) == expected


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.create("interactions")
    lake.append("interactions", day(0))
    orphan = tmp_path / "interactions" / "bucket=1" / "part-of-nothing.parquet"
    orphan.write_bytes(b"half a file")
    assert lake.vacuum("interactions", [], retention_hours=0) == 1
    assert not orphan.exists()
    assert len(rows(lake)) == 30


def test_no_version_is_forgotten_however_many_follow(tmp_path: Path) -> None:
    """Every hundredth commit Delta would drop the log of versions older than a month; here, of all."""
    lake = Lake(str(tmp_path))
    lake.create("interactions")
    DeltaTable(lake.uri("interactions")).alter.set_table_properties({"delta.logRetentionDuration": "interval 0 days"})
    lake.append("interactions", day(0, rows=3))
    first = lake.version("interactions")
    for number in range(1, 105):
        lake.append("interactions", day(number, rows=3, buckets=1), transaction=f"t{number}")
    assert list((tmp_path / "interactions" / "_delta_log").glob("*.checkpoint.parquet"))
    assert len(rows(lake, first)) == 3
    assert lake.committed("interactions", "t1")
