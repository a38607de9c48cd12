"""The normal equations of the closed-form models, a block of items at a time: only the dense form ever holds all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.attributes import rarities
from models.data import Float, Histories, Positions, TrainingData
from models.kernels import compiled
from models.linear.item_weights import FORGOTTEN

COMMON = 10_000  # items with the same attribute: from there on it relates everything to everything, and each pair hardly at all


@dataclass(frozen=True)
class Mix:
    """What a weight is learnt from besides whole histories; see ``models.linear.closed_form``.

    closeness: the weight of predicting each event from the events before it; half_life: after how many events one of those counts
    half; attributes: the weight of the catalogue.
    """

    closeness: float
    half_life: float
    attributes: float


@dataclass(frozen=True)
class NormalEquations:
    """gram G and target C of the regression of each item on all items, symmetric G: G B = C before regularisation.

    by_item: int32[n_users, n_items] as CSC, the place of each event in ``histories``, by item and within an item by user; ahead
    float32[nnz]: what the later events of the user add to a pair of which this is the later one; fading float32: the power of the decay
    for each gap between two events; relations: sparse float32[n_items, n_attributes], whose products are what attributes say.
    """

    histories: Histories
    by_item: sparse.csc_matrix
    ahead: Float
    fading: Float
    relations: sparse.csr_matrix
    closeness: np.float32

    @classmethod
    def of(cls, data: TrainingData, mix: Mix) -> NormalEquations:
        h, places = data.histories, np.arange(len(data.histories.items), dtype=np.int32)
        by_user = sparse.csr_matrix((places, h.items, h.indptr), shape=(h.n_users, data.n_items))
        rate = 0.5 ** (1 / mix.half_life)
        gaps = np.arange(np.diff(h.indptr).max() + 1)
        fading = np.where(gaps < FORGOTTEN * mix.half_life, rate**gaps, 0).astype(np.float32)
        ahead = np.zeros(len(h.items), dtype=np.float32)
        look_ahead(h.indptr, h.weights, rate**2, ahead)
        relations = relating(rarities(data)) * np.float32(np.sqrt(mix.attributes))
        return cls(h, by_user.tocsc(), ahead, fading, relations, np.float32(mix.closeness))

    def diagonal(self) -> Float:
        """float32[n_items]: the diagonal of G, without the rest of it."""
        diagonal = np.asarray(self.relations.multiply(self.relations).sum(axis=1), dtype=np.float32).ravel()
        add_own_pairs(*self._by_item(), self.histories.weights, self.ahead, self.fading, self.closeness, diagonal)
        return diagonal

    def columns(self, start: int, gram: Float, target: Float) -> None:
        """Fill gram and target float32[m, n_items] with the columns of G and C that belong to the items from ``start`` on, as rows."""
        h = self.histories
        (self.relations[start : start + len(gram)] @ self.relations.T).toarray(out=gram)
        target[:] = gram
        by_user = h.indptr, h.items, h.weights
        add_pairs(*self._by_item(), *by_user, self.ahead, self.fading, self.closeness, start, gram, target)

    def _by_item(self) -> tuple[Positions, Positions, Positions]:
        return self.by_item.indptr, self.by_item.indices, self.by_item.data


def relating(attributes: sparse.csr_matrix) -> sparse.csr_matrix:
    """Without the attributes of more than ``COMMON`` items."""
    return attributes[:, attributes.getnnz(axis=0) <= COMMON]


@compiled
def look_ahead(indptr: NDArray[np.int64], weights: Float, rate: float, ahead: Float) -> None:
    """ahead[q] = sum over the later events t of the same user of weights[t] * rate ** (t - 1 - q)."""
    for user in range(len(indptr) - 1):
        total = 0.0
        for event in range(indptr[user + 1] - 1, indptr[user] - 1, -1):
            ahead[event] = total
            total = weights[event] + rate * total


@compiled
def add_pairs(
    starts: Positions,
    users: Positions,
    places: Positions,
    indptr: NDArray[np.int64],
    items: Positions,
    weights: Float,
    ahead: Float,
    fading: Float,
    closeness: np.float32,
    start: int,
    gram: Float,
    target: Float,
) -> None:
    """Add what each pair of events of one user says, for events on the items from ``start`` on and whatever the user did besides.

    starts, users, places: the events of each item (CSC); indptr, items, weights: those of each user.
    """
    for row in range(len(gram)):
        products, answers = gram[row], target[row]
        for entry in range(starts[start + row], starts[start + row + 1]):
            event, user = places[entry], users[entry]
            for other in range(indptr[user], event):
                both = weights[event] * weights[other]
                products[items[other]] += both * (1 + closeness * fading[event - other] * ahead[event])
                answers[items[other]] += both * (1 + closeness * fading[event - other - 1])
            for other in range(event, indptr[user + 1]):
                both = weights[event] * weights[other]
                products[items[other]] += both * (1 + closeness * fading[other - event] * ahead[other])
                answers[items[other]] += both


@compiled
def add_own_pairs(
    starts: Positions,
    users: Positions,
    places: Positions,
    weights: Float,
    ahead: Float,
    fading: Float,
    closeness: np.float32,
    diagonal: Float,
) -> None:
    """Add to ``diagonal`` what the pairs of a user's events on one item say, an event with itself among them."""
    for item in range(len(diagonal)):
        for entry in range(starts[item], starts[item + 1]):
            event = places[entry]
            before = entry
            while before >= starts[item] and users[before] == users[entry]:
                both = weights[event] * weights[places[before]]
                said = both * (1 + closeness * fading[event - places[before]] * ahead[event])
                diagonal[item] += said if before == entry else 2 * said
                before -= 1
