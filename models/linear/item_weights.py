"""Scoring by item-item weights: what stands in a history, fading with every later event, times its weight for each item."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse

from models.base import Recommender
from models.data import Float, Histories, Positions
from models.held import Held, Layout
from models.kernels import reordered

FORGOTTEN = 24  # half-lives after which an event, added to the newest in float32, changes nothing


class ItemWeights(Recommender):
    """A linear model: ``arrays["weights"]`` float32[n_items, n_items], a row for each item of a history.

    A history is halved every ``half_life`` events back, and taken as it is where that is None.
    """

    layout: ClassVar[Layout] = {"weights": Held(("items", "items"))}

    half_life: float | None

    def encode(self, histories: Histories) -> sparse.csr_matrix:
        """float32[n_users, n_items], sparse: the faded histories."""
        return faded(histories, len(self.item_ids), self.half_life)

    def score(self, query: sparse.csr_matrix, items: slice) -> Float:
        """float32[n_users, len(items)]: the faded histories times the weights of the items."""
        scores = np.zeros((query.shape[0], items.stop - items.start), dtype=np.float32)
        add_rows(query.indptr, query.indices, query.data, self.arrays["weights"], items.start, scores)
        return scores


def faded(histories: Histories, n_items: int, half_life: float | None) -> sparse.csr_matrix:
    """float32[n_users, n_items], sparse: summed weights, halved with every ``half_life`` later events of the user."""
    if half_life is None:
        return histories.matrix(n_items)
    later = np.repeat(histories.indptr[1:], np.diff(histories.indptr)) - 1 - np.arange(len(histories.items))
    kept = later < FORGOTTEN * half_life
    before = np.concatenate([[0], np.cumsum(kept)])[histories.indptr]
    values = histories.decayed(half_life)[kept]
    matrix = sparse.csr_matrix((values, histories.items[kept], before), shape=(histories.n_users, n_items))
    matrix.sum_duplicates()
    return matrix


@reordered
def add_rows(indptr: Positions, items: Positions, values: Float, weights: Float, first: int, scores: Float) -> None:
    """Add to each user's ``scores`` the rows of ``weights`` that its items name, from column ``first`` on, times their values."""
    width = scores.shape[1]
    for user in range(len(indptr) - 1):
        for entry in range(indptr[user], indptr[user + 1]):
            row, value = weights[items[entry]], values[entry]
            for column in range(width):
                scores[user, column] += value * row[first + column]
