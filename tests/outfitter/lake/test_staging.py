"""Staged deliveries: parts in order, slices of a bearable size, parked and dropped."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from outfitter.lake.staging import Staged, count_users, slices


def test_parts_keep_the_order_of_the_rows(tmp_path: Path) -> None:
    staged = Staged.fresh(tmp_path / "d")
    for number in range(12):
        staged.add("interactions", pl.DataFrame({"sequence": [2 * number, 2 * number + 1]}))
    rows = staged.read("interactions")
    assert rows is not None
    assert rows["sequence"].to_list() == list(range(24))


def test_nothing_is_written_for_nothing(tmp_path: Path) -> None:
    staged = Staged.fresh(tmp_path / "d")
    staged.add("users", None)
    staged.add("users", pl.DataFrame({"user_id": []}))
    assert staged.scan("users") is None
    assert staged.read("users") is None
    assert slices(staged, "users", 10) == []


def test_slices_hold_whole_parts_and_all_of_them(tmp_path: Path) -> None:
    staged = Staged.fresh(tmp_path / "d")
    for height in (3, 3, 5, 1, 1):
        staged.add("interactions", pl.DataFrame({"sequence": [0] * height}))
    groups = slices(staged, "interactions", 5)
    assert [len(group) for group in groups] == [2, 1, 2]
    assert [part for group in groups for part in group] == staged.parts("interactions")


def test_a_fresh_one_forgets_what_lay_there(tmp_path: Path) -> None:
    Staged.fresh(tmp_path / "d").add("users", pl.DataFrame({"user_id": ["a"]}))
    assert Staged.fresh(tmp_path / "d").parts("users") == []


def test_parking_moves_it_whole_and_replaces_what_was_parked(tmp_path: Path) -> None:
    for text in ("old", "new"):
        staged = Staged.fresh(tmp_path / "d")
        staged.add("users", pl.DataFrame({"user_id": [text]}))
        staged.park(tmp_path / "aside" / "d")
    assert not (tmp_path / "d").exists()
    parked = Staged(tmp_path / "aside" / "d").read("users")
    assert parked is not None
    assert parked["user_id"].to_list() == ["new"]


def test_users_are_counted_over_all_deliveries(tmp_path: Path) -> None:
    one, other = Staged.fresh(tmp_path / "one"), Staged.fresh(tmp_path / "other")
    one.add("users", pl.DataFrame({"user_id": [f"u{n}" for n in range(50)]}))
    other.add("interactions", pl.DataFrame({"user_id": [f"u{n}" for n in range(25, 75)]}))
    assert abs(count_users([one, other]) - 75) <= 3
    assert count_users([]) == 0
