"""Snapshots: an id for what was accepted, and tables that stay as they were."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from outfitter.errors import LakeError, NotEnoughData
from outfitter.lake.snapshot import Snapshot, live_deliveries, open_snapshot, take_snapshot
from outfitter.lake.tables import Lake
from tests.outfitter.lake.frames import NOW, arrival, at, bought, contents, filled, founded, ingest, listed, people

A = arrival("a", "s.csv", 1, bought(("u1", "i1", -9)))
B = arrival("b", "s.csv", 2, bought(("u1", "i1", -9), ("u2", "i2", -3)))
A_AGAIN = arrival("a", "s.csv", 3, bought(("u1", "i1", -9)))
REJECTED = arrival("r", "r.csv", 1, bought(("u9", "i9", 0)), stopped="no")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return founded(tmp_path / "lake")


def rows(snapshot: Snapshot) -> int:
    return snapshot.scan("interactions").collect().height


def test_as_of_is_the_newest_accepted_event(lake: Lake) -> None:
    ingest(lake, B, REJECTED)
    assert take_snapshot(lake, NOW).as_of == at(-3)


def test_without_an_accepted_interaction_there_is_no_snapshot(lake: Lake) -> None:
    with pytest.raises(NotEnoughData, match="no interaction has been accepted"):
        take_snapshot(lake, NOW)
    ingest(lake, REJECTED, arrival("c", "items.csv", items=listed("i1")))
    with pytest.raises(NotEnoughData):
        take_snapshot(lake, NOW)
    with pytest.raises(LakeError, match="has no snapshot"):
        open_snapshot(lake)


def test_an_old_snapshot_reads_as_it_did(lake: Lake) -> None:
    ingest(lake, A)
    first = take_snapshot(lake, NOW)
    before = rows(first), first.users().collect().rows(), first.items().collect().rows()
    ingest(lake, B, arrival("c", "items.csv", items=listed("i1", title="coat")))
    second = take_snapshot(lake, at(1))
    assert (rows(first), first.users().collect().rows(), first.items().collect().rows()) == before
    assert rows(second) == 2
    again = open_snapshot(lake, first.id)
    assert (again.versions, again.as_of, rows(again)) == (first.versions, first.as_of, 1)


def test_the_id_depends_on_what_counts_alone(tmp_path: Path) -> None:
    plain = filled(tmp_path / "plain", B, taken_at=NOW)
    winding = filled(tmp_path / "winding", A, REJECTED, B, A, taken_at=at(5))
    assert winding.id == plain.id
    assert filled(tmp_path / "other", A).id != plain.id


def test_taking_it_twice_writes_it_once(lake: Lake) -> None:
    ingest(lake, A)
    assert take_snapshot(lake, NOW).id == take_snapshot(lake, at(1)).id
    assert lake.read("snapshots").height == 1


def test_there_and_back_again_is_the_newest_and_has_the_first_ones_id(lake: Lake) -> None:
    taken = []
    for day, version in enumerate([A, B, A_AGAIN]):
        ingest(lake, version)
        taken.append(take_snapshot(lake, at(day)))
    assert taken[0].id == taken[2].id != taken[1].id
    assert open_snapshot(lake).id == taken[0].id
    assert [rows(one) for one in taken] == [1, 2, 1]
    assert contents(taken[0])["interactions"] == contents(taken[2])["interactions"]


def test_the_newest_is_the_one_written_last_whatever_the_clock_said(lake: Lake) -> None:
    """A scheduled run that starts late carries the moment at which it was due."""
    ingest(lake, A)
    take_snapshot(lake, at(1))
    ingest(lake, B)
    late = take_snapshot(lake, at(-1))
    assert open_snapshot(lake).id == late.id
    assert rows(open_snapshot(lake)) == 2


def test_an_unknown_snapshot_is_named(lake: Lake) -> None:
    ingest(lake, A)
    take_snapshot(lake, NOW)
    with pytest.raises(LakeError, match="has no snapshot 'nope'"):
        open_snapshot(lake, "nope")


def test_users_are_those_that_something_which_counts_names(lake: Lake) -> None:
    """The losing version's user keeps the key but gets no list."""
    ingest(lake, B, A_AGAIN, arrival("d", "users.csv", users=people("u5")))
    snapshot = take_snapshot(lake, NOW)
    found = snapshot.users().collect()
    assert sorted(found["user_id"]) == ["u1", "u5"]
    assert found.columns == ["user_key", "user_id", "bucket"]
    assert "u2" in lake.read("users")["user_id"]


def test_a_users_attributes_do_not_make_them_two(lake: Lake) -> None:
    ingest(
        lake, B, arrival("d", "users.csv", users=people("u1", region="north")), arrival("e", "more.csv", users=people("u1", region="south"))
    )
    assert sorted(take_snapshot(lake, NOW).users().collect()["user_id"]) == ["u1", "u2"]


def test_items_have_the_attributes_of_their_time(lake: Lake) -> None:
    versions = [listed("i1", title="cheap", price=5.0, valid_from=at(-8)), listed("i1", title="dear", price=9.0, valid_from=at(-4))]
    ingest(lake, B, arrival("c", "one.csv", items=versions[1]), arrival("d", "two.csv", items=versions[0]))
    snapshot = take_snapshot(lake, NOW)

    def titles(day: float | None) -> list[tuple[str, str | None, bool]]:
        return snapshot.items(None if day is None else at(day)).select("item_id", "title", "catalogued").collect().rows()  # type: ignore[return-value]

    assert titles(-9) == [("i1", None, False), ("i2", None, False)]
    assert titles(-8) == [("i1", "cheap", True), ("i2", None, False)]
    assert titles(-4.1) == [("i1", "cheap", True), ("i2", None, False)]
    assert titles(-4) == titles(None) == [("i1", "dear", True), ("i2", None, False)]


def test_items_come_by_key_once_each(lake: Lake) -> None:
    ingest(lake, B, arrival("c", "one.csv", items=listed("i1", "i2")), arrival("d", "two.csv", items=listed("i2", "i0")))
    items = take_snapshot(lake, NOW).items().collect()
    assert items["item_key"].to_list() == [0, 1, 2]
    assert items["catalogued"].all()


def test_the_ledgers_last_word_on_each_object(lake: Lake) -> None:
    mended = arrival("m", "r.csv", 2, bought(("u1", "i1", -1)))
    ingest(lake, A, REJECTED)
    assert live_deliveries(lake).select("object", "delivery_id", "status").rows() == [
        ("r.csv", "r", "rejected"),
        ("s.csv", "a", "accepted"),
    ]
    ingest(lake, mended, arrival("x", "s.csv", 9, bought(("u1", "i1", 1)), stopped="no"))
    found = live_deliveries(lake).select("object", "delivery_id", "status")
    assert found.rows() == [("r.csv", "m", "accepted"), ("s.csv", "a", "accepted")]


def test_a_bucket_is_read_without_the_others(lake: Lake) -> None:
    ingest(lake, arrival("a", "s.csv", 1, bought(*[(f"u{number}", "i1", -1) for number in range(20)])))
    users = take_snapshot(lake, NOW).users()
    parts = [users.filter(pl.col("bucket") == bucket).collect()["user_id"].to_list() for bucket in (0, 1)]
    assert all(parts)
    assert sorted(parts[0] + parts[1]) == sorted(f"u{number}" for number in range(20))
