"""Tables: one commit a write, versions that stay readable, and failures a person can act on."""

from __future__ import annotations

import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest
from deltalake import DeltaTable

from outfitter.errors import HomeError, LakeError, OvertakenError
from outfitter.lake.failures import is_disk_full, readable_failures
from outfitter.lake.tables import Lake
from outfitter.schema import INTERACTIONS, TABLES, USERS, conform

FILL = """
import resource, sys
import polars as pl
from outfitter.errors import HomeError
from outfitter.lake.tables import Lake
lake = Lake(sys.argv[1])
lake.create("stages")
lake.append("stages", pl.DataFrame({"stage": ["small"]}))
noise = pl.select(pl.int_range(200_000).hash(seed=1).cast(pl.String).alias("stage")).to_series()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    lake.append("stages", noise.to_frame())
except HomeError as error:
    print(lake.read("stages")["stage"].to_list(), error)
"""


@pytest.fixture
def lake(empty_lake: Lake) -> Lake:
    for table in ("users", "stages", "interactions"):
        empty_lake.create(table)
    return empty_lake


def reopened(lake: Lake) -> Lake:
    return Lake(lake.root, lake.schemas, lake.options, lake.lease)


def users(*ids: str, delivery: str | None = None) -> pl.DataFrame:
    return pl.DataFrame({"user_key": range(len(ids)), "user_id": ids, "delivery_id": delivery}, schema_overrides={"delivery_id": pl.String})


def stage(name: str) -> pl.DataFrame:
    return pl.DataFrame({"stage": [name]})


def test_a_transaction_is_appended_once(lake: Lake) -> None:
    assert not lake.committed("stages", "t1")
    assert lake.append("stages", stage("a"), transaction="t1")
    assert not lake.append("stages", stage("b"), transaction="t1")
    assert lake.committed("stages", "t1")
    assert not lake.committed("users", "t1")
    assert lake.append("stages", stage("c"), transaction="t2")
    assert sorted(lake.read("stages")["stage"]) == ["a", "c"]


def test_without_a_transaction_every_append_counts(lake: Lake) -> None:
    assert lake.append("stages", stage("a"))
    assert lake.append("stages", stage("a"))
    assert lake.read("stages").height == 2


def test_of_many_appends_that_rest_on_the_same_rows_one_is_done(lake: Lake) -> None:
    start, written = Barrier(6), set[str]()

    def append(number: int) -> bool:
        start.wait(30)
        try:
            return reopened(lake).append("stages", stage(str(number)), transaction=f"t{number}", rows=rows)
        except OvertakenError:
            return False

    for rows in range(3):
        with ThreadPoolExecutor(6) as pool:
            done = list(pool.map(append, range(10 * rows, 10 * rows + 6)))
        assert sum(done) == 1
        written.add(str(10 * rows + done.index(True)))
        assert set(lake.read("stages")["stage"]) == written
    with pytest.raises(OvertakenError, match="holds other rows than it did"):
        lake.append("stages", stage("late"), rows=2)


def test_a_transaction_is_remembered_by_whoever_opens_the_lake_next(lake: Lake) -> None:
    lake.append("stages", stage("a"), transaction="t1")
    assert not reopened(lake).append("stages", stage("a"), transaction="t1")


def test_each_write_is_a_version_and_old_ones_stay_readable(lake: Lake) -> None:
    lake.append("stages", stage("a"))
    before = lake.version("stages")
    lake.append("stages", stage("b"))
    assert lake.version("stages") == before + 1
    assert lake.scan("stages", before).collect()["stage"].to_list() == ["a"]
    assert lake.scan("stages").collect().height == 2


def test_delete_takes_the_rows_of_that_value_alone(lake: Lake) -> None:
    lake.append("users", pl.concat([users("a"), users("b", delivery="x"), users("c", delivery="it's")]))
    kept = lake.version("users")
    lake.delete_rows("users", "delivery_id", ["it's"])
    assert sorted(lake.read("users")["user_id"]) == ["a", "b"]
    lake.delete_rows("users", "delivery_id", ["x"])
    assert lake.read("users")["user_id"].to_list() == ["a"]
    assert lake.scan("users", kept).collect().height == 3


@pytest.mark.parametrize("compacted", [False, True])
def test_the_distinct_texts_of_a_column(lake: Lake, compacted: bool) -> None:
    """Told by the log where files hold one text alone or none, read where they hold several."""
    assert lake.distinct("users", "delivery_id") == []
    for frame in (users("a", delivery="x"), users("b", delivery="y" * 50), users("c"), users("d", delivery="x")):
        lake.append("users", frame)
    lake.append("users", pl.concat([users("e", delivery="w"), users("f", delivery="z"), users("g")]))
    if compacted:
        assert lake.compact("users", 1)
    assert lake.distinct("users", "delivery_id") == ["w", "x", "y" * 50, "z"]
    assert lake.distinct("users", "user_id") == list("abcdefg")


def test_deleting_nothing_makes_no_version(lake: Lake) -> None:
    lake.append("users", users("a", delivery="a"))
    before = lake.version("users")
    lake.delete_rows("users", "delivery_id", ["never seen"])
    lake.delete_rows("users", "delivery_id", ["never", "b", "0"])
    lake.delete_rows("users", "delivery_id", [])
    assert lake.version("users") == before


def test_many_deliveries_are_deleted_in_one_commit(lake: Lake) -> None:
    ids = [f"{number:03}'" for number in range(120)]
    lake.append("users", pl.concat([users(id_, delivery=id_) for id_ in ids]))
    before = lake.version("users")
    lake.delete_rows("users", "delivery_id", [*ids[:100], "never seen"])
    assert lake.version("users") == before + 1
    assert sorted(lake.read("users")["user_id"]) == ids[100:]


def test_tables_by_user_are_laid_out_in_buckets(lake: Lake) -> None:
    rows = pl.DataFrame({"user_key": [1, 2, 3], "bucket": [0, 1, 1]})
    lake.append("interactions", rows)
    assert DeltaTable(lake.uri("interactions"), storage_options=lake.options).metadata().partition_columns == ["bucket"]
    assert DeltaTable(lake.uri("users"), storage_options=lake.options).metadata().partition_columns == []
    one = lake.scan("interactions").filter(pl.col("bucket") == 1).collect()
    assert sorted(one["user_key"]) == [2, 3]
    assert dict(one.schema) == dict(INTERACTIONS)


def test_creating_a_table_twice_keeps_its_rows(lake: Lake) -> None:
    lake.append("users", users("a"))
    lake.create("users")
    assert lake.read("users").height == 1


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_can_be_made_and_read_back_empty(tmp_path: Path, table: str) -> None:
    lake = Lake(str(tmp_path))
    assert not lake.exists(table)
    lake.create(table)
    assert lake.exists(table)
    assert dict(lake.read(table).schema) == dict(TABLES[table])


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "nothing") + "/")
    for attempt in (
        lake.read,
        lambda table: lake.append(table, pl.DataFrame({"batch_id": ["b"]})),
        lambda table: lake.compact(table, 2),
        lake.scan,
        lake.version,
        lambda table: lake.committed(table, "t"),
        lambda table: lake.delete_rows(table, "a", ["b"]),
    ):
        with pytest.raises(LakeError, match=r"has no table 'batches'.*outfitter ingest"):
            attempt("batches")
    assert not (tmp_path / "nothing").exists()


def test_conform_orders_casts_and_fills() -> None:
    frame = pl.DataFrame({"extra": [1], "user_id": ["a"], "user_key": pl.Series([7], dtype=pl.Int64)})
    given = conform(frame, USERS)
    assert dict(given.schema) == dict(USERS)
    assert given["user_key"].to_list() == [7]
    assert given["region"].to_list() == [None]
    with pytest.raises(pl.exceptions.InvalidOperationError):
        conform(pl.DataFrame({"user_key": [1 << 40]}), USERS)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_a_full_disk_is_told_as_one(number: int) -> None:
    with pytest.raises(HomeError, match=r"the disk is full: 'users' could not be written.*Free some space"), readable_failures("users"):
        raise OSError(number, "whatever the library says")


@pytest.mark.parametrize("text", ["No space left on device", "File too large (os error 27)", "Disk quota exceeded"])
def test_a_full_disk_is_recognised_by_a_librarys_words(text: str) -> None:
    assert is_disk_full(pl.exceptions.ComputeError(f"writing failed: {text}"))


def test_other_failures_pass_as_they_are() -> None:
    assert not is_disk_full(PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(PermissionError), readable_failures("users"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_write_cut_off_by_the_disk_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FILL, str(tmp_path / "lake")], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("['small'] the disk is full: 'stages' could not be written")
