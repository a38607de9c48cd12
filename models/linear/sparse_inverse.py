"""EASE and the closed-form sequential model for catalogues whose items times items fit into no memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import require
from models.data import Float, Positions, TrainingData
from models.held import Held, Layout
from models.kernels import reordered
from models.linear.closed_form import check
from models.linear.dense import require_in_range
from models.linear.item_weights import ItemWeights
from models.linear.local_regressions import Listed, solve_each, strongest
from models.linear.normal_equations import Mix, NormalEquations


class _SparseWeights(ItemWeights):
    """``arrays``: the rows of what stands in a history, as CSR, in place of a matrix of all items by all items."""

    layout: ClassVar[Layout] = {
        "starts": Held(("items+1",), starts_of="entries"),
        "items": Held(("entries",), places_in="items"),
        "weights": Held(("entries",)),
    }

    def _solve(self, data: TrainingData, mix: Mix, regularization: float, neighbours: int) -> None:
        equations = NormalEquations.of(data, mix)
        diagonal = equations.diagonal() + np.float32(regularization)
        require_in_range(diagonal)
        related, predictors = strongest(equations, diagonal, min(neighbours, data.n_items - 1))
        solve_each(related, diagonal, predictors)
        self.arrays = by_history(predictors)

    def score(self, query: sparse.csr_matrix, items: slice) -> Float:
        """float32[n_users, len(items)]: the faded histories times the weights of the items."""
        scores = np.zeros((query.shape[0], items.stop - items.start), dtype=np.float32)
        weights = self.arrays["starts"], self.arrays["items"], self.arrays["weights"]
        add_sparse_rows(query.indptr, query.indices, query.data, *weights, items.start, scores)
        return scores


@dataclass
class SparseClosedForm(_SparseWeights):
    """``ClosedForm`` where each item is told from its ``neighbours`` strongest items alone, by a regression of its own.

    The strongest are those that by themselves would lower the squared error most, by C_ij^2 / (G_ii + regularization); with as many
    neighbours as there are other items the weights are those of ``ClosedForm``. Of G each item keeps as many entries, chosen in the
    same way, so memory grows with n_items * neighbours, and time with n_items * neighbours^2.
    """

    name: ClassVar[str] = "closed_form_sparse"

    closeness: float = 3.0
    attributes: float = 0.1
    regularization: float = 200.0
    half_life: float = 1.75
    neighbours: int = 300

    def __post_init__(self) -> None:
        check(self.closeness, self.attributes, self.regularization, self.half_life)
        require(self.neighbours > 0, f"neighbours must be positive, not {self.neighbours}")

    def _fit(self, data: TrainingData) -> None:
        self._solve(data, Mix(self.closeness, self.half_life, self.attributes), self.regularization, self.neighbours)


@dataclass
class SparseEASE(_SparseWeights):
    """``EASE`` as ``SparseClosedForm`` approximates ``ClosedForm``; with as many neighbours as there are other items it is the same."""

    name: ClassVar[str] = "ease_sparse"
    asked_with: ClassVar[frozenset[str]] = frozenset({"half_life"})

    regularization: float = 200.0
    half_life: float = 2.0
    neighbours: int = 300

    def __post_init__(self) -> None:
        check(0, 0, self.regularization, self.half_life)
        require(self.neighbours > 0, f"neighbours must be positive, not {self.neighbours}")

    def _fit(self, data: TrainingData) -> None:
        self._solve(data, Mix(0, self.half_life, 0), self.regularization, self.neighbours)


def by_history(predictors: Listed) -> dict[str, NDArray[np.generic]]:
    """The same weights as CSR rows of what stands in a history: starts int64[n+1], items int32, ascending, and weights float32."""
    n_items, kept = predictors.items.shape
    columns = (predictors.values.ravel(), predictors.items.ravel(), np.arange(n_items + 1) * kept)
    rows = sparse.csc_matrix(columns, shape=(n_items, n_items)).tocsr()
    return {"starts": rows.indptr.astype(np.int64), "items": rows.indices.astype(np.int32), "weights": rows.data}


@reordered
def add_sparse_rows(
    indptr: Positions,
    items: Positions,
    values: Float,
    starts: NDArray[np.int64],
    columns: Positions,
    weights: Float,
    first: int,
    scores: Float,
) -> None:
    """As ``add_rows`` for weights in CSR rows."""
    stop = first + scores.shape[1]
    for user in range(len(indptr) - 1):
        for entry in range(indptr[user], indptr[user + 1]):
            begin, end = starts[items[entry]], starts[items[entry] + 1]
            begin += np.searchsorted(columns[begin:end], first)
            while begin < end and columns[begin] < stop:
                scores[user, columns[begin] - first] += values[entry] * weights[begin]
                begin += 1
