"""What lists are like, whether or not anything in them was taken: coverage, diversity, novelty, popularity bias.

``items`` is int32[n, k], padded with -1. A figure of a user is NaN where the list is too short to have one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.data import Float, Positions
from models.metrics.ranking import PerUser, divided
from outfitter.errors import ModelError

USER_BLOCK = 4096
Counts = NDArray[np.int64]


def coverage(items: Positions, n_items: int) -> float:
    """The share of the ``n_items`` of the catalogue that at least one user is shown (Ge et al., Beyond Accuracy, RecSys 2010)."""
    return len(np.unique(items[items >= 0])) / n_items


def diversity(items: Positions, vectors: Float | sparse.csr_matrix) -> PerUser:
    """Intra-list diversity: 1 - the mean cosine similarity over all pairs of a list (Smyth and McClave, 2001; Ziegler et al., 2005).

    vectors: [n_items, d], what makes items alike: attributes or what a model learnt; an item without any is unlike all others.
    With unit vectors the pairs sum to (|sum of v|^2 - sum of |v|^2) / 2, so nothing of k x k is ever made.
    """
    unit, present = _unit(vectors)
    blocks = [_diverse(items[start : start + USER_BLOCK], unit, present) for start in range(0, len(items), USER_BLOCK)]
    return np.concatenate([np.empty(0), *blocks])


def _unit(vectors: Float | sparse.csr_matrix) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    """The vectors at length 1, and float64[n_items]: their squared lengths now, 1, or 0 where there is nothing."""
    rows = sparse.csr_matrix(vectors, dtype=np.float64)
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    shrink = np.nan_to_num(divided(np.ones(len(lengths)), lengths))
    return sparse.csr_matrix(sparse.diags(shrink) @ rows), (lengths > 0).astype(np.float64)


def _diverse(items: Positions, unit: sparse.csr_matrix, present: NDArray[np.float64]) -> PerUser:
    listed = items >= 0
    counts = listed.sum(axis=1)
    ends = np.concatenate([[0], np.cumsum(counts)])
    lists = sparse.csr_matrix((np.ones(ends[-1]), items[listed], ends), shape=(len(items), unit.shape[0]))
    total = lists @ unit
    similar = np.asarray(total.multiply(total).sum(axis=1)).ravel() - lists @ present
    return np.asarray(1.0 - divided(similar, counts * (counts - 1)), dtype=np.float64)


def novelty(items: Positions, takers: Counts, n_users: int) -> PerUser:
    """Mean self-information of what is listed: -log2 of the share of users who took it before (Zhou et al., PNAS 2010).

    takers: int64[n_items], how many of the ``n_users`` took each item; one that nobody took counts as taken once, else its novelty had
    no bound.
    """
    return _mean_listed(items, -np.log2(np.maximum(takers, 1) / n_users))


def popularity_percentile(items: Positions, takers: Counts) -> PerUser:
    """Where what is listed stands among all items ordered by popularity, on average: 0 the least, 1 the most popular.

    An item's percentile is the share of items that are less popular, and half of those that are as popular: .5 for lists drawn by chance
    (Celma and Herrera, RecSys 2008, place what is listed on the curve of popularity in this way).
    """
    _, group, sizes = np.unique(takers, return_inverse=True, return_counts=True)
    less_popular = np.cumsum(sizes) - sizes
    return _mean_listed(items, (less_popular + sizes / 2)[group] / len(takers))


def gini(items: Positions, n_items: int) -> float:
    """Inequality of exposure: 0 when all items are shown equally often, to 1 when one takes it all (Fleder and Hosanagar, 2009).

    Raises ModelError when nothing is shown.
    """
    exposure = np.sort(np.bincount(items[items >= 0], minlength=n_items))
    if not exposure.sum():
        raise ModelError("no list shows anything, so exposure cannot be compared")
    return float((2 * np.arange(1, n_items + 1) - n_items - 1) @ exposure / (n_items * exposure.sum()))


def _mean_listed(items: Positions, values: NDArray[np.float64]) -> PerUser:
    """float64[n]: the mean of the listed items' values."""
    listed = items >= 0
    counts = listed.sum(axis=1)
    sums = np.where(listed, values[items], 0.0).sum(axis=1)
    return divided(sums, counts)
