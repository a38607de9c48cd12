"""Ranking metrics, one figure a user, so that any two models can be paired and every mean gets an interval.

All take ``items`` int32[n, k], best first and padded with -1 (a ``TopK``'s items), and ``truth``, and give float64[n]. Relevance is
binary. Every position up to k counts as shown, so a list shorter than k pays for its padding. They raise ModelError when lists and
truth are of different users, or when a user has no truth: such a user has no metric, and leaving them out is the caller's decision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Positions
from outfitter.errors import ModelError

PerUser = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What n users went on to take, as CSR rows: indptr int64[n+1], items int32[nnz] positions, distinct within a row."""

    indptr: NDArray[np.int64]
    items: Positions

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64[n]: how many items each user took."""
        return np.diff(self.indptr)


def hits(items: Positions, truth: Truth) -> NDArray[np.bool_]:
    """bool[n, k]: which of the listed items the user took."""
    if len(items) != len(truth.counts):
        raise ModelError(f"lists of {len(items)} users and the truth of {len(truth.counts)} cannot be compared")
    if not truth.counts.all():
        raise ModelError(f"{int((truth.counts == 0).sum())} users have no truth", "Leave them out before measuring")
    width = 1 + max(int(items.max(initial=0)), int(truth.items.max(initial=0)))
    taken = np.repeat(np.arange(len(items)), truth.counts) * width + truth.items
    listed = np.arange(len(items))[:, None] * width + items
    return np.isin(listed, taken) & (items >= 0)


def precision(items: Positions, truth: Truth) -> PerUser:
    """The share of the k listed items that the user took."""
    return np.asarray(hits(items, truth).mean(axis=1), dtype=np.float64)


def recall(items: Positions, truth: Truth) -> PerUser:
    """The share of what the user took that is listed; it cannot reach 1 for a user who took more than k."""
    return np.asarray(hits(items, truth).sum(axis=1) / truth.counts, dtype=np.float64)


def hit_rate(items: Positions, truth: Truth) -> PerUser:
    """1 when at least one listed item was taken, else 0."""
    return np.asarray(hits(items, truth).any(axis=1), dtype=np.float64)


def mrr(items: Positions, truth: Truth) -> PerUser:
    """One over the rank of the first hit; 0 without one (Voorhees, TREC-8 question answering track, 1999)."""
    hit = hits(items, truth)
    return np.asarray(hit.any(axis=1) / (1.0 + hit.argmax(axis=1)), dtype=np.float64)


def ndcg(items: Positions, truth: Truth) -> PerUser:
    """Discounted cumulative gain over that of the best possible list of k (Järvelin and Kekäläinen, 2002).

    gain 2^rel - 1, which is rel for binary relevance; discount 1 / log2(rank + 1).
    """
    hit = hits(items, truth)
    discounts = 1.0 / np.log2(np.arange(2, hit.shape[1] + 2))
    best = np.cumsum(discounts)[np.minimum(truth.counts, hit.shape[1]) - 1]
    return np.asarray(hit @ discounts / best, dtype=np.float64)


def average_precision(items: Positions, truth: Truth) -> PerUser:
    """The mean of the precisions at the hits, over min(m, k) for a user who took m: its mean over users is Kaggle's MAP@k."""
    hit = hits(items, truth)
    at_rank = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    return np.asarray((at_rank * hit).sum(axis=1) / np.minimum(truth.counts, hit.shape[1]), dtype=np.float64)


def coverage(items: Positions, n_items: int) -> float:
    """The share of the ``n_items`` of the catalogue that at least one user is shown."""
    return len(np.unique(items[items >= 0])) / n_items
