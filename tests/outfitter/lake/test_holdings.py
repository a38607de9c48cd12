"""Which deliveries a snapshot holds, from what was written down or from its rows, and whether they can still be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from outfitter.errors import LakeError
from outfitter.lake.holdings import held_by, holding, require_readable, snapshots
from outfitter.lake.snapshot import HELD, Snapshot, take_snapshot
from outfitter.lake.tables import Lake
from tests.outfitter.lake.frames import NOW, arrival, at, bought, founded, ingest, listed, people

FIRST = arrival("a1", "s.csv", 1, bought(("u1", "i1", -9)))
CORRECTED = arrival("a2", "s.csv", 2, bought(("u1", "i1", -9), ("u2", "i2", -3)))
CATALOGUE = arrival("c1", "items.csv", 1, items=listed("i1", title="coat"))
EMPTY = arrival("e1", "empty.csv", 1, users=people(), set_aside=1)


@pytest.fixture
def taken(tmp_path: Path) -> list[Snapshot]:
    """Three snapshots: a delivery, then its correction with a catalogue, then a delivery of which no row was accepted."""
    lake = founded(tmp_path / "lake")
    out = []
    for day, arrivals in enumerate([(FIRST,), (CORRECTED, CATALOGUE), (EMPTY,)]):
        ingest(lake, *arrivals, swept=False)
        out.append(take_snapshot(lake, at(day)))
    return out


def forget(lake: Lake) -> None:
    """As if the snapshots had been taken before their deliveries were written down."""
    shutil.rmtree(Path(lake.uri(HELD)))


def test_a_snapshot_holds_what_counted_when_it_was_taken(taken: list[Snapshot]) -> None:
    lake = taken[0].lake
    assert [held_by(lake, one.id) for one in taken] == [["a1"], ["a2", "c1"], ["a2", "c1", "e1"]]
    assert list(snapshots(lake)) == [one.id for one in taken]


def test_a_delivery_is_found_in_every_snapshot_that_holds_it(taken: list[Snapshot]) -> None:
    lake, (first, second, third) = taken[0].lake, taken
    assert holding(lake, "a1") == ({first.id: 1}, [])
    assert holding(lake, "c1") == ({second.id: 2, third.id: 3}, [])
    assert holding(lake, "e1") == ({third.id: 3}, [])
    assert holding(lake, "nothing") == ({}, [])


def test_it_is_written_once_and_an_older_lake_gets_it_with_its_next_snapshot(taken: list[Snapshot]) -> None:
    lake = taken[0].lake
    take_snapshot(lake, NOW)
    assert lake.read(HELD).height == 3
    forget(lake)
    take_snapshot(lake, NOW)
    assert lake.read(HELD).rows() == [(taken[2].id, ["a2", "c1", "e1"])]


def test_what_was_not_written_down_is_read_from_the_rows(taken: list[Snapshot]) -> None:
    """A delivery without an accepted row leaves none."""
    lake, (first, second, third) = taken[0].lake, taken
    forget(lake)
    assert [held_by(lake, one.id) for one in taken] == [["a1"], ["a2", "c1"], ["a2", "c1"]]
    assert holding(lake, "a2") == ({second.id: 2, third.id: 2}, [])
    assert holding(lake, "a1") == ({first.id: 1}, [])


def merged_and_vacuumed(kept: Snapshot) -> None:
    """Only what the newest versions and those of one snapshot need stays."""
    for table, version in kept.versions.items():
        kept.lake.compact(table, 1)
        kept.lake.vacuum(table, [version], retention_hours=0)


def test_rows_that_were_removed_are_told(taken: list[Snapshot]) -> None:
    lake, (first, _, third) = taken[0].lake, taken
    assert require_readable(first) is first
    merged_and_vacuumed(third)
    with pytest.raises(LakeError, match=rf"the rows of snapshot '{first.id}' are gone"):
        require_readable(first)
    assert held_by(lake, first.id) == ["a1"], "that needs no row"
    assert require_readable(third) is third


def test_an_unknown_snapshot_is_named(taken: list[Snapshot]) -> None:
    with pytest.raises(LakeError, match="has no snapshot 'nope'"):
        held_by(taken[0].lake, "nope")
