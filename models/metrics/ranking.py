"""Ranking metrics, one figure a user.

All take ``items`` int32[n, k], best first and padded with -1 (a ``TopK``'s items), and ``truth``, and give float64[n]. Every position up
to k counts as shown, so a list shorter than k pays for its padding. They raise ModelError when lists and truth are of different users,
when a user has no truth (such a user has no metric, and leaving them out is the caller's decision), and when a list repeats a hit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Float, Positions
from outfitter.errors import ModelError

PerUser = NDArray[np.float64]
Metric = Callable[[Positions, "Truth"], PerUser]


@dataclass(frozen=True)
class Truth:
    """What n users went on to take, as CSR rows: indptr int64[n+1], items int32[nnz] positions, distinct within a row.

    relevance: float32[nnz] > 0, how much each was worth to its user, all 1 when None. Only NDCG grades; to the others a hit is a hit.
    Raises ModelError for a relevance that is not above 0.
    """

    indptr: NDArray[np.int64]
    items: Positions
    relevance: Float | None = None

    def __post_init__(self) -> None:
        if self.relevance is not None and not (np.isfinite(self.relevance) & (self.relevance > 0)).all():
            raise ModelError("a relevance is not a number above 0", "Leave out of the truth what is worth nothing to its user.")

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64[n]: how many items each user took."""
        return np.diff(self.indptr)

    @property
    def users(self) -> NDArray[np.int64]:
        """int64[nnz]: whose row each item stands in."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def gains(self) -> NDArray[np.float64]:
        """float64[nnz]: 2^relevance - 1, what a hit adds to the discounted cumulative gain."""
        return np.ones(len(self.items)) if self.relevance is None else np.exp2(self.relevance.astype(np.float64)) - 1


def hits(items: Positions, truth: Truth) -> NDArray[np.bool_]:
    """bool[n, k]: which of the listed items the user took."""
    return _places(items, truth) >= 0


def _places(items: Positions, truth: Truth) -> NDArray[np.int64]:
    """int64[n, k]: where in ``truth.items`` each listed item stands, -1 where the user did not take it."""
    if len(items) != len(truth.counts):
        raise ModelError(f"lists of {len(items)} users and the truth of {len(truth.counts)} cannot be compared")
    if not truth.counts.all():
        raise ModelError(f"{int((truth.counts == 0).sum())} users have no truth", "Leave them out before measuring")
    width = 1 + max(int(items.max(initial=0)), int(truth.items.max(initial=0)))
    taken = truth.users * width + truth.items
    order = np.argsort(taken)
    listed = np.arange(len(items))[:, None] * width + items
    nearest = order[np.searchsorted(taken, listed, sorter=order).clip(max=len(taken) - 1)]
    found = (taken[nearest] == listed) & (items >= 0)
    if np.bincount(nearest[found], minlength=1).max() > 1:
        raise ModelError("a list names an item twice, and one of those taken", "A list shows each item once.")
    return np.where(found, nearest, -1)


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

    gain 2^rel - 1 (Burges et al., 2005), which is rel for binary relevance; discount 1 / log2(rank + 1).
    """
    places = _places(items, truth)
    gains = np.append(truth.gains, 0.0)  # place -1 is the last: nothing
    return np.asarray(gains[places] @ _discounts(places.shape[1]) / _best(truth, places.shape[1]), dtype=np.float64)


def _discounts(k: int) -> NDArray[np.float64]:
    return np.asarray(1.0 / np.log2(np.arange(2, k + 2)), dtype=np.float64)


def _best(truth: Truth, k: int) -> PerUser:
    """float64[n]: the discounted cumulative gain of a list that begins with the k things that were worth most to the user."""
    order = np.lexsort((-truth.gains, truth.users))
    rank = np.arange(len(order)) - np.repeat(truth.indptr[:-1], truth.counts)
    listed = rank < k
    gained = truth.gains[order[listed]] * _discounts(k)[rank[listed]]
    return np.asarray(np.bincount(truth.users[listed], gained, len(truth.counts)), dtype=np.float64)


def average_precision(items: Positions, truth: Truth) -> PerUser:
    """The mean of the precisions at the hits, over min(m, k) for a user who took m: its mean over users is Kaggle's MAP@k."""
    hit = hits(items, truth)
    at_rank = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    return np.asarray((at_rank * hit).sum(axis=1) / np.minimum(truth.counts, hit.shape[1]), dtype=np.float64)


def divided(sums: NDArray[np.number], sizes: NDArray[np.number]) -> PerUser:
    """float64[n]: sums over sizes, NaN where the size is 0: a figure that does not exist is not 0."""
    return np.asarray(np.divide(sums, sizes, out=np.full(np.shape(sizes), np.nan), where=sizes > 0), dtype=np.float64)


RANKING: Mapping[str, Metric] = {
    "ndcg": ndcg,
    "recall": recall,
    "precision": precision,
    "map": average_precision,
    "mrr": mrr,
    "hit_rate": hit_rate,
}
"""By the names that reports and MLflow runs carry."""


def measure(items: Positions, truth: Truth, ks: Iterable[int], metrics: Mapping[str, Metric] = RANKING) -> dict[str, PerUser]:
    """Each metric at each k, by names as ``ndcg@10``: the first k of the lists are what is shown then.

    Raises ModelError for a k below 1 or above the length of the lists: what was not asked for cannot be measured.
    """
    out: dict[str, PerUser] = {}
    for k in ks:
        if not 1 <= k <= items.shape[1]:
            raise ModelError(f"lists of {items.shape[1]} cannot be measured at {k}", f"Recommend at least {max(k, 1)} items.")
        out |= {f"{name}@{k}": metric(items[:, :k], truth) for name, metric in metrics.items()}
    return out
