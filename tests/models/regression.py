"""What the closed-form models are said to solve, written out: one item, one event, one row at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import TrainingData

Matrix = NDArray[np.float64]


def one_by_one(gram: Matrix, target: Matrix, regularization: float) -> Matrix:
    """Each column's ridge regression on all other items."""
    weights = np.zeros_like(gram)
    for item in range(len(gram)):
        others = np.delete(np.arange(len(gram)), item)
        ridge = gram[np.ix_(others, others)] + regularization * np.eye(len(others))
        weights[others, item] = np.linalg.solve(ridge, target[others, item])
    return weights


@dataclass(frozen=True)
class Rows:
    """Rows of a regression: what is known, what is to be told from it, and how much the row counts."""

    inputs: Matrix
    outputs: Matrix
    weights: Matrix

    def equations(self) -> tuple[Matrix, Matrix]:
        weighted = self.inputs * self.weights[:, None]
        return weighted.T @ self.inputs, weighted.T @ self.outputs


def rows_of(data: TrainingData, closeness: float, half_life: float, attributes: float) -> Rows:
    """All rows of ``ClosedForm``."""
    told: list[tuple[Matrix, Matrix, float]] = []
    h, size = data.histories, data.n_items
    for user in range(h.n_users):
        mine = h.rows(user, user + 1)
        whole = mine.matrix(size).toarray()[0].astype(np.float64)
        told.append((whole, whole, 1.0))
        for step in range(1, len(mine.items)):
            before, after = np.zeros(size), np.zeros(size)
            for event in range(step):
                before[mine.items[event]] += mine.weights[event] * 0.5 ** ((step - 1 - event) / half_life)
            after[mine.items[step]] = 1
            told.append((before, after, closeness * float(mine.weights[step])))
    if data.attributes is not None:
        columns = data.attributes.toarray().T.astype(np.float64)
        told.extend((having, having, attributes * np.log(size / having.sum()) ** 2) for having in columns)
    inputs, outputs, weights = zip(*told, strict=True)
    return Rows(np.array(inputs), np.array(outputs), np.array(weights))
