"""Who changes between two cut-offs: to compute only those and keep the others is to compute everybody."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from outfitter.features.asof import users_moved
from outfitter.features.compute import user_rows
from outfitter.features.spec import USER_FEATURES, USER_WINDOWS
from outfitter.lake.snapshot import Snapshot
from outfitter.schema import INTERACTIONS, conform
from tests.outfitter.features.brute import CUTOFF, TARGETS, TICK, random_items, random_rows
from tests.outfitter.features.shops import snapshot_of

STEPS = [timedelta(hours=6), timedelta(days=1), timedelta(days=7), timedelta(days=70)]


def everyone(snapshot: Snapshot, cutoff: datetime, users: pl.Series | None = None) -> pl.DataFrame:
    return pl.concat(user_rows(snapshot, cutoff, TARGETS, users)).sort("user_key")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("seed", range(3))
def test_the_moved_and_the_kept_are_everybody(tmp_path: Path, seed: int, step: timedelta) -> None:
    """To the last bit: rows that differ without a reason would be written again every night."""
    snapshot = snapshot_of(tmp_path, random_rows(seed, rows=400, users=60), random_items(seed))
    before, after = everyone(snapshot, CUTOFF - step), everyone(snapshot, CUTOFF)
    moved = users_moved(snapshot, CUTOFF - step, CUTOFF)
    kept = before.filter(~pl.col("user_key").is_in(moved.implode()))
    again = everyone(snapshot, CUTOFF, moved)
    assert again["user_key"].to_list() == moved.to_list()
    assert pl.concat([kept, again]).sort("user_key").equals(after)


def test_not_everybody_moves_in_a_day(tmp_path: Path) -> None:
    rows, items = random_rows(0, rows=400, users=60), random_items(0).filter(pl.col("valid_from") < CUTOFF - timedelta(days=300))
    moved = users_moved(snapshot_of(tmp_path, rows, items), CUTOFF - timedelta(days=1), CUTOFF)
    assert 0 < len(moved) < 60
    assert moved.is_sorted()
    assert moved.dtype == pl.Int32


@pytest.mark.parametrize("days", [0, *USER_WINDOWS])
def test_who_enters_or_leaves_a_window_moves(tmp_path: Path, days: int) -> None:
    """The edges: at the earlier cut-off it was there already, at the later one it is."""
    previous, span = CUTOFF - timedelta(days=1), timedelta(days=days)
    moments = [previous - span, previous - span + TICK, CUTOFF - span, CUTOFF - span + TICK]
    row = {"item_key": 1, "event": "purchase", "price": 1.0}
    rows = [row | {"user_key": user, "bucket": user % 3, "timestamp": moment} for user, moment in enumerate(moments)]
    snapshot = snapshot_of(tmp_path, conform(pl.DataFrame(rows), INTERACTIONS), random_items(0).head(14))
    assert users_moved(snapshot, previous, CUTOFF).to_list() == [1, 2]


def test_who_had_something_that_the_catalogue_now_describes_moves(tmp_path: Path) -> None:
    late = CUTOFF - timedelta(days=3)
    items = random_items(0).filter("catalogued").head(2).with_columns(pl.lit(late).alias("valid_from"))
    rows = random_rows(0, rows=400, users=60)
    moved = users_moved(snapshot_of(tmp_path, rows, items), CUTOFF - timedelta(days=9), CUTOFF)
    met = rows.filter((pl.col("timestamp") <= CUTOFF) & pl.col("item_key").is_in(items["item_key"].implode()))
    assert met.height
    assert set(met["user_key"]) <= set(moved)


def test_the_windows_are_those_of_the_list() -> None:
    assert USER_WINDOWS == (7, 30, 90, 365)
    for feature in USER_FEATURES:
        tail = feature.name.rpartition("_")[2]
        if tail.endswith("d") and tail[:-1].isdigit():
            assert feature.window == int(tail[:-1]), f"{feature.name} says another window than its name"
