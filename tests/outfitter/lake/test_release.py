"""A person's word lets a parked delivery in, once, and only where it makes sense."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from outfitter.errors import LakeError
from outfitter.lake.deliveries import commit, place
from outfitter.lake.release import find, release
from outfitter.lake.snapshot import take_snapshot
from outfitter.lake.tables import Lake
from tests.outfitter.lake.frames import BUCKETS, NOW, Arrival, arrival, at, bought, founded, ingest, people

HELD = arrival(
    "abc123", "s.csv", 2, bought(("u1", "i1", -2), ("u2", "i2", -1)), people("u9"), set_aside=1, stopped="twice the volume", status="held"
)
NEWER = arrival("def456", "s.csv", 3, bought(("u1", "i1", -2)))
OTHER = arrival("abd789", "o.csv", 1, bought(("u3", "i1", -3)))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = founded(tmp_path / "lake")
    ingest(lake, OTHER)
    park(lake, HELD, tmp_path)
    return lake


def park(lake: Lake, one: Arrival, root: Path) -> None:
    """Commit a delivery that is not accepted, as an ingest does: its rows are moved aside first."""
    placed = place(lake.read("deliveries"), one.delivery, one.judgement.rules)
    assert placed is not None
    staged = one.staged(root / "staging")
    staged.park(root / "aside" / one.id)
    commit(lake, placed, one.judgement, type(staged)(root / "aside" / one.id), BUCKETS, NOW)


def test_a_held_delivery_waits(lake: Lake) -> None:
    assert lake.read("interactions").height == 1
    assert find(lake, "s.csv")["status"] == "held"
    assert place(lake.read("deliveries"), HELD.delivery, "rules") is None


def test_released_it_counts_with_its_reason_and_bad_rows_stay_out(lake: Lake, tmp_path: Path) -> None:
    row = release(lake, tmp_path / "aside", "abc", "the sale was planned", at(1))
    assert row["status"] == "accepted"
    assert row["reason"] == "released (the sale was planned); was held: twice the volume"
    assert (row["rows_in"], row["rows_accepted"], row["rows_quarantined"], row["generation"]) == (4, 3, 1, 1)
    assert (row["first_event"], row["last_event"]) == (at(-2), at(-1))
    assert take_snapshot(lake, at(1)).scan("interactions").collect().height == 3
    assert lake.read("quarantine").height == 1
    assert not (tmp_path / "aside" / "abc123").exists()
    assert ingest(lake, HELD) == [False]
    with pytest.raises(LakeError, match="accepted already"):
        release(lake, tmp_path / "aside", "abc", "again", at(1))


def test_what_a_newer_version_replaced_stays_out(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, NEWER)
    with pytest.raises(LakeError, match=r"a newer version of s\.csv"):
        release(lake, tmp_path / "aside", "abc123", "no", at(1))


def test_a_file_that_could_not_be_read_has_nothing_to_release(lake: Lake, tmp_path: Path) -> None:
    unread = arrival("fff", "f.csv", 1, stopped="f.csv is empty")
    park(lake, replace(unread, judgement=replace(unread.judgement, validation_id="")), tmp_path)
    with pytest.raises(LakeError, match=r"nothing of f\.csv \(fff\) was kept: f\.csv is empty"):
        release(lake, tmp_path / "aside", "f.csv", "no", at(1))


def test_a_parked_copy_that_is_gone_is_told(lake: Lake, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "aside")
    with pytest.raises(LakeError, match=r"are not in .* any more"):
        release(lake, tmp_path / "aside", "abc", "late", at(1))


def test_a_release_needs_a_reason(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="needs a reason"):
        release(lake, tmp_path / "aside", "abc", "  ", at(1))


def test_a_delivery_is_found_by_the_beginning_of_its_id_when_it_is_the_only_one(lake: Lake) -> None:
    assert find(lake, "abc")["object"] == "s.csv"
    with pytest.raises(LakeError, match=r"2 deliveries begin with 'ab': ab\w+ \(.\.csv\), ab\w+ \(.\.csv\)"):
        find(lake, "ab")
    with pytest.raises(LakeError, match="knows no delivery or object 'zzz'"):
        find(lake, "zzz")
