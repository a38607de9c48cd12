"""Histories cut into windows, and batches of windows of nearly equal length, so that hardly any padding is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import Histories

GAP_BUCKETS = 18  # 0 for a user's first event, then 1 + floor(log2(1 + hours)), the last from seven years on
POOL = 16  # batches that are sorted by length together: enough to spare the padding, few enough to mix the users


@dataclass(frozen=True)
class Batch:
    """b windows of at most w events, oldest first and padded on the right; its length is the number of events.

    rows int64[b]: the windows' numbers; items int64[b, w], 0 in the padding; gaps int64[b, w]: buckets of the time since the event
    before; weights float32[b, w], 0 in the padding; lengths int64[b].
    """

    rows: Tensor
    items: Tensor
    gaps: Tensor
    weights: Tensor
    lengths: Tensor
    events: int

    def __len__(self) -> int:
        return self.events

    def pick(self, which: slice) -> Batch:
        """The windows that a slice names."""
        lengths = self.lengths[which]
        return Batch(self.rows[which], self.items[which], self.gaps[which], self.weights[which], lengths, int(lengths.sum()))

    @property
    def real(self) -> Tensor:
        """bool[b, w]: what is not padding."""
        return torch.arange(self.items.shape[1], device=self.items.device) < self.lengths[:, None]


@dataclass(frozen=True)
class Windows:
    """n windows into the events of all users; its length is the number of events in all windows.

    items int64[nnz], gaps int64[nnz] and weights float32[nnz] as in ``Batch``; starts and lengths int64[n].
    """

    items: Tensor
    gaps: Tensor
    weights: Tensor
    starts: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return int(self.lengths.sum())

    def to(self, device: torch.device) -> Windows:
        """The same events on ``device``. Where the windows are stays on the CPU, where the batches are drawn."""
        return replace(self, items=self.items.to(device), gaps=self.gaps.to(device), weights=self.weights.to(device))

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Every window once, in batches of about ``size`` events; shuffled by ``generator`` when given, else in order of length.

        Batches of equally many events rather than windows: so much is computed in each, and each event weighs the same.
        """
        order = self._order(size, generator)
        ends = self.lengths[order].cumsum(0)
        cuts = torch.searchsorted(ends, torch.arange(size, max(len(self), size), size)) + 1
        parts = [part for part in torch.tensor_split(order, cuts) if len(part)]
        for place in range(len(parts)) if generator is None else torch.randperm(len(parts), generator=generator).tolist():
            yield self._batch(parts[place])

    def _order(self, size: int, generator: torch.Generator | None) -> Tensor:
        """int64[n]: all windows, those of a pool sorted by length; there is one pool, or pools drawn by ``generator``."""
        if generator is None:
            return self.lengths.argsort(stable=True)
        drawn = torch.randperm(len(self.lengths), generator=generator)
        lengths = self.lengths[drawn]
        pool = lengths.cumsum(0) // (POOL * size)
        return drawn[(pool * (1 + lengths.max()) + lengths).argsort(stable=True)]

    def _batch(self, rows: Tensor) -> Batch:
        lengths, device = self.lengths[rows], self.items.device
        place = torch.arange(int(lengths.max()))
        real = (place < lengths[:, None]).to(device)
        source = (self.starts[rows][:, None] + place).clamp(max=len(self.items) - 1).to(device)
        items, gaps, weights = (torch.where(real, values[source], 0) for values in (self.items, self.gaps, self.weights))
        return Batch(rows.to(device), items, gaps, weights, lengths.to(device), int(lengths.sum()))


def windows(histories: Histories, stops: NDArray[np.int64], width: int, overlap: int) -> Windows:
    """Each user's events before ``stops`` int64[n_users], cut from the newest backwards into windows of at most ``width`` events.

    The ``overlap`` last events of a window come first in the next one; what would be no more than those is left out.
    """
    begins, step = histories.indptr[:-1], width - overlap
    counts = np.maximum(-(-(stops - begins - overlap) // step), 0)
    users = np.repeat(np.arange(histories.n_users), counts)
    newer = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    ends = stops[users] - newer * step
    starts = np.maximum(ends - width, begins[users])
    return _windows(histories, starts, ends - starts)


def newest(histories: Histories, stops: NDArray[np.int64], width: int) -> Windows:
    """One window a user: the last ``width`` events before ``stops`` int64[n_users], fewer or none where there are no more."""
    starts = np.maximum(stops - width, histories.indptr[:-1])
    return _windows(histories, starts, stops - starts)


def _windows(histories: Histories, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Windows:
    items, weights = histories.items.astype(np.int64), histories.weights.astype(np.float32)
    return Windows(*(torch.from_numpy(array) for array in (items, gap_buckets(histories), weights, starts, lengths)))


def gap_buckets(histories: Histories) -> NDArray[np.int64]:
    """int64[nnz]: how long each event came after the user's one before, in ``GAP_BUCKETS`` steps that double."""
    buckets = np.zeros(len(histories.items), dtype=np.int64)
    hours = 24 * np.maximum(histories.ages[:-1] - histories.ages[1:], 0)
    buckets[1:] = np.minimum(1 + np.log2(1 + hours), GAP_BUCKETS - 1)
    buckets[histories.indptr[:-1][np.diff(histories.indptr) > 0]] = 0
    return buckets
