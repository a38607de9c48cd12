"""Cut-offs, and who must have features at each: nobody who asks is missing, however the weeks fall."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from outfitter.features.asof import WEEK, Windows, rows_as_of, users_named
from outfitter.features.prices import price_tables
from tests.outfitter.features.brute import CUTOFF, TARGETS, random_items, random_rows
from tests.outfitter.features.shops import snapshot_of

TICK = timedelta(microseconds=1)


def test_windows_end_now_and_touch() -> None:
    windows = Windows.before(CUTOFF, 28)
    assert windows == Windows(CUTOFF - timedelta(days=56), CUTOFF - timedelta(days=28), CUTOFF)


@pytest.mark.parametrize("window_days", [7, 14, 28])
@pytest.mark.parametrize("weeks", [1, 6])
def test_cutoffs_are_every_week_that_a_fit_or_an_exam_reads(window_days: int, weeks: int) -> None:
    windows = Windows.before(CUTOFF, window_days)
    found = windows.cutoffs(weeks)
    assert found == sorted(set(found), reverse=True)
    assert found[0] == CUTOFF
    assert found[-1] == windows.validation_from - weeks * WEEK
    for until in (windows.validation_from, windows.test_from, windows.as_of):
        assert {until - week * WEEK for week in range(weeks + 1)} <= set(found)
    assert all((CUTOFF - one) % WEEK == timedelta(0) for one in found)


def test_the_newest_cutoff_names_everyone() -> None:
    rows = random_rows(0).lazy()
    assert users_named(rows, CUTOFF, Windows.before(CUTOFF, 14), TARGETS) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_cutoff_names_exactly_those_who_ask(seed: int) -> None:
    """In the week that follows, or in the whole window that begins there; a look is no question."""
    rows, windows = random_rows(seed, users=40), Windows.before(CUTOFF, 28)
    for cutoff in windows.cutoffs(6)[1:]:
        end = cutoff + (timedelta(days=28) if cutoff in (windows.validation_from, windows.test_from) else WEEK)
        wanted = {row["user_key"] for row in rows.iter_rows(named=True) if cutoff < row["timestamp"] <= end and row["event"] in TARGETS}
        found = users_named(rows.lazy(), cutoff, windows, TARGETS)
        assert found is not None
        assert sorted(found) == sorted(wanted)


def test_the_edges_of_a_week_belong_to_its_past() -> None:
    windows, cutoff = Windows.before(CUTOFF, 7), CUTOFF - 3 * WEEK
    for moment, named in ((cutoff, []), (cutoff + TICK, [1]), (cutoff + WEEK, [1]), (cutoff + WEEK + TICK, [])):
        row = pl.LazyFrame({"user_key": [1], "timestamp": [moment], "event": ["purchase"]})
        found = users_named(row, cutoff, windows, TARGETS)
        assert found is not None
        assert found.to_list() == named


def test_rows_carry_their_cutoff(tmp_path: Path) -> None:
    snapshot, windows = snapshot_of(tmp_path, random_rows(2, users=30), random_items(2)), Windows.before(CUTOFF, 28)
    cutoff = CUTOFF - 5 * WEEK
    users, goods = rows_as_of(snapshot, cutoff, windows, TARGETS)
    assert set(users["cutoff"]) == set(goods["cutoff"]) == {cutoff}
    named = users_named(snapshot.scan("interactions"), cutoff, windows, TARGETS)
    assert named is not None
    assert set(users["user_key"]) <= set(named)
    everyone, _ = rows_as_of(snapshot, CUTOFF, windows, TARGETS)
    assert everyone.height > users.height


def test_price_tables_serve_every_cutoff(tmp_path: Path) -> None:
    """Made once for all of them, they say what those made for one say."""
    snapshot, windows = snapshot_of(tmp_path, random_rows(3, rows=600), random_items(3)), Windows.before(CUTOFF, 28)
    first, last = CUTOFF - 8 * WEEK, CUTOFF
    shared = price_tables(snapshot, first, last, TARGETS)
    for cutoff in (first, CUTOFF - 3 * WEEK, last):
        for once, alone in zip(
            rows_as_of(snapshot, cutoff, windows, TARGETS, shared), rows_as_of(snapshot, cutoff, windows, TARGETS), strict=True
        ):
            assert once.equals(alone)
