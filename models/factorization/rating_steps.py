"""The loss of biased matrix factorisation, its gradient, and the step that minimises it over one side while the other stands still."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import require
from models.data import Histories, Positions

Double = NDArray[np.float64]
BLOCK = 4096  # ratings, or rows, at once: their outer products (33 x 33 doubles for 32 factors) stay under 40 MB


@dataclass(frozen=True)
class Ratings:
    """Ratings as CSR rows, users by items or, ``transposed``, items by users.

    indptr int64[n+1]; columns int32[nnz]; values float64[nnz] stars.
    """

    indptr: NDArray[np.int64]
    columns: Positions
    values: Double

    @classmethod
    def of(cls, histories: Histories) -> Self:
        """Every event that has a value, one row a user; none when values are not known at all. Raises ModelError for an infinite one."""
        values = np.full(len(histories.items), np.nan) if histories.values is None else histories.values.astype(np.float64)
        rated = ~np.isnan(values)
        require(not np.isinf(values).any(), f"{int(np.isinf(values).sum())} ratings are infinite; they belong into quarantine")
        before = np.concatenate([[0], np.cumsum(rated)])
        return cls(before[histories.indptr], histories.items[rated], values[rated])

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64[n]: how many ratings each row has."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> NDArray[np.int64]:
        """int64[nnz]: the row of each rating."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.counts)

    def transposed(self, n_columns: int) -> Self:
        """The same ratings with rows and columns exchanged."""
        order = np.argsort(self.columns, kind="stable")
        counts = np.bincount(self.columns, minlength=n_columns)
        return type(self)(np.concatenate([[0], np.cumsum(counts)]), self.rows[order].astype(np.int32), self.values[order])

    def blocks(self) -> Iterator[tuple[slice, Self]]:
        """All rows in runs of at most ``BLOCK`` rows and, unless a single row has more, ``BLOCK`` ratings."""
        start, n_rows = 0, len(self.indptr) - 1
        while start < n_rows:
            fitting = int(np.searchsorted(self.indptr, self.indptr[start] + BLOCK, side="right")) - 1
            stop = min(max(fitting, start + 1), start + BLOCK, n_rows)
            first, last = self.indptr[start], self.indptr[stop]
            yield slice(start, stop), type(self)(self.indptr[start : stop + 1] - first, self.columns[first:last], self.values[first:last])
            start = stop

    def sums(self, each: Double) -> Double:
        """float64[n, ...]: what float64[nnz, ...] comes to in each row."""
        shape = (len(self.counts), len(self.values))
        owners = sparse.csr_matrix((np.ones(len(self.values)), np.arange(len(self.values)), self.indptr), shape=shape)
        return np.asarray(owners @ each.reshape(len(each), math.prod(each.shape[1:]))).reshape(-1, *each.shape[1:])


# A side is float64[n, d + 1]: the vectors, and the biases in the last column. ``penalty`` float64[d + 1] has one entry a column.


def loss(ratings: Ratings, rows: Double, columns: Double, mean: float, penalty: Double) -> float:
    """Half of the squared errors plus half of the penalised squares: equation 5 of Koren, Bell and Volinsky (2009), over two.

    A rating is predicted as mean + row bias + column bias + row vector . column vector.
    """
    squares = sum(float(np.square(_errors(part, rows[block], columns, mean)).sum()) for block, part in ratings.blocks())
    return 0.5 * (squares + float((np.square(rows) @ penalty).sum() + (np.square(columns) @ penalty).sum()))


def gradient(ratings: Ratings, rows: Double, columns: Double, mean: float, penalty: Double) -> Double:
    """float64[n, d + 1]: the derivative of ``loss`` by ``rows``."""
    errors = _errors(ratings, rows, columns, mean)
    return ratings.sums(errors[:, None] * _design(ratings, columns)) + penalty * rows


def minimised(ratings: Ratings, rows: Double, columns: Double, mean: float, penalty: Double) -> Double:
    """The rows that minimise ``loss``, the columns standing still.

    In one side the loss is quadratic, so a single Newton step from anywhere ends in the minimum; from zero it is ridge regression.
    """
    out = np.empty_like(rows)
    for block, part in ratings.blocks():
        design = _design(part, columns)
        curvature = part.sums(design[:, :, None] * design[:, None, :]) + np.diag(penalty)
        slope = gradient(part, rows[block], columns, mean, penalty)
        out[block] = rows[block] - np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
    return out


def _design(ratings: Ratings, columns: Double) -> Double:
    """float64[nnz, d + 1]: what each rating's row is multiplied with, 1 where the row has its bias."""
    design = columns[ratings.columns]
    design[:, -1] = 1.0
    return design


def _errors(ratings: Ratings, rows: Double, columns: Double, mean: float) -> Double:
    """float64[nnz]: predicted minus given."""
    products = (rows[ratings.rows] * _design(ratings, columns)).sum(axis=1)
    return np.asarray(mean + columns[ratings.columns, -1] + products - ratings.values)
