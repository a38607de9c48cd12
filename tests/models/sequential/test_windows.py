"""Windows hold every event that can be learnt from exactly once, and their batches hardly any padding."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from models.data import Histories
from models.sequential.windows import GAP_BUCKETS, Batch, Windows, gap_buckets, newest, windows
from tests.models.worlds import histories

LENGTHS = (0, 1, 2, 3, 4, 5, 9, 0, 13)


def numbered(lengths: tuple[int, ...] = LENGTHS) -> Histories:
    """Users whose every event is of another item, in ascending order."""
    starts = np.cumsum((0, *lengths))
    return histories([list(range(start, start + length)) for start, length in zip(starts, lengths, strict=False)])


def contents(batches: list[Batch]) -> list[list[int]]:
    """The items of each window, without the padding."""
    return [row[: int(length)].tolist() for batch in batches for row, length in zip(batch.items, batch.lengths, strict=True)]


def whole(found: Windows) -> list[list[int]]:
    return contents(list(found.batches(10)))


@pytest.mark.parametrize("width", [2, 3, 4, 7, 50])
def test_every_transition_is_in_one_window(width: int) -> None:
    known = numbered()
    found = whole(windows(known, known.indptr[1:], width, overlap=1))
    pairs = sorted((a, b) for window in found for a, b in pairwise(window))
    rows = [known.rows(user, user + 1).items.tolist() for user in range(known.n_users)]
    assert pairs == sorted((a, b) for row in rows for a, b in pairwise(row))
    assert all(2 <= len(window) <= width for window in found)


@pytest.mark.parametrize("width", [1, 3, 4, 50])
def test_every_event_is_in_one_window_when_none_overlap(width: int) -> None:
    known = numbered()
    found = whole(windows(known, known.indptr[1:], width, overlap=0))
    assert sorted(item for window in found for item in window) == known.items.tolist()
    assert all(window == list(range(window[0], window[-1] + 1)) and len(window) <= width for window in found)


def test_the_newest_window_is_full_and_the_oldest_takes_what_is_left() -> None:
    known = numbered((8,))
    assert sorted(whole(windows(known, known.indptr[1:], 4, overlap=1))) == [[0, 1], [1, 2, 3, 4], [4, 5, 6, 7]]


def test_events_behind_the_stop_are_in_no_window() -> None:
    known = numbered()
    stops = known.indptr[1:] - (np.diff(known.indptr) > 0)
    last = set((known.indptr[1:][np.diff(known.indptr) > 0] - 1).tolist())
    found = whole(windows(known, stops, 4, overlap=0))
    assert {item for window in found for item in window} == set(range(sum(LENGTHS))) - last


def test_the_newest_events_of_each_user() -> None:
    known = numbered()
    asked = newest(known, known.indptr[1:], 3)
    rows = torch.cat([batch.rows for batch in asked.batches(10)])
    found = dict(zip(rows.tolist(), whole(asked), strict=True))
    assert found == {user: known.rows(user, user + 1).items.tolist()[-3:] for user in range(known.n_users)}


def test_batches_hold_every_window_once_and_are_drawn_by_the_generator() -> None:
    rng = np.random.default_rng(0)
    known = numbered(tuple(rng.geometric(0.15, size=400).tolist()))
    found = windows(known, known.indptr[1:], 20, overlap=1)
    first = list(found.batches(64, torch.Generator().manual_seed(1)))
    again = list(found.batches(64, torch.Generator().manual_seed(1)))
    other = list(found.batches(64, torch.Generator().manual_seed(2)))
    assert contents(first) == contents(again)
    assert contents(first) != contents(other)
    assert sorted(contents(first)) == sorted(contents(other)) == sorted(whole(found))
    assert sum(len(batch) for batch in first) == len(found)
    assert max(len(batch) for batch in first) < 64 + 20
    assert abs(len(first) - len(found) / 64) < 1


def test_hardly_any_padding_is_computed() -> None:
    rng = np.random.default_rng(0)
    known = numbered(tuple(rng.geometric(0.1, size=3000).tolist()))
    found = windows(known, known.indptr[1:], 50, overlap=1)
    batches = list(found.batches(256, torch.Generator().manual_seed(1)))
    assert len(found) > 0.85 * sum(batch.items.numel() for batch in batches)


def test_padding_is_empty() -> None:
    known = numbered()
    for batch in windows(known, known.indptr[1:], 50, overlap=1).batches(100):
        assert not batch.items[~batch.real].any()
        assert not batch.weights[~batch.real].any()
        assert batch.real.sum() == len(batch)


def test_workers_share_a_batch() -> None:
    known = numbered()
    batch = next(windows(known, known.indptr[1:], 50, overlap=1).batches(100))
    parts = [batch.pick(slice(rank, None, 2)) for rank in range(2)]
    assert sorted(contents(parts)) == sorted(contents([batch]))
    assert sum(len(part) for part in parts) == len(batch)


def test_nobody_and_nothing() -> None:
    for known in (histories([]), histories([[], []])):
        assert list(windows(known, known.indptr[1:], 5, overlap=1).batches(4)) == []
        assert len(newest(known, known.indptr[1:], 5)) == 0


def test_gaps_double_from_bucket_to_bucket() -> None:
    """Ninety minutes apart, a day, together, 99 days, ten years; a user's first event has none."""
    days = [100.0, 99.9375, 98.9375, 98.9375, 0.0, 4000.0, 0.5]
    known = Histories(np.array([0, 5, 5, 7]), np.zeros(7, dtype=np.int32), np.ones(7, dtype=np.float32), np.array(days, dtype=np.float32))
    assert gap_buckets(known).tolist() == [0, 2, 5, 1, 12, 0, GAP_BUCKETS - 1]  # 2^4 <= 1 + 24 and 2^11 <= 1 + 24 * 98.9
