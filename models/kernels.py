"""The compiled loops. In one file because numba's cache notices a change of the caller's file, not of a callee's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from models.data import Float, Positions

F = TypeVar("F", bound=Callable[..., Any])
CHUNK = 64


def compiled(function: F) -> F:
    """``function`` as machine code that lets go of the GIL; compiled at the first call, then read from numba's cache."""
    return cast(F, numba.njit(nogil=True, cache=True)(function))


def reordered(function: F) -> F:
    """As ``compiled``, and sums may be taken in any order, which lets them be vectorised; of no use where a NaN has a meaning."""
    return cast(F, numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})(function))


@compiled
def push(items: Positions, scores: Float, item: int, score: np.float32) -> None:
    """Put an item into a list kept best first; an equal score goes behind those already there."""
    place = len(scores) - 1
    while place > 0 and score > scores[place - 1]:
        scores[place] = scores[place - 1]
        items[place] = items[place - 1]
        place -= 1
    scores[place] = score
    items[place] = item


@compiled
def contains(ordered: Positions, item: int) -> bool:
    """Whether the ascending array ``ordered`` holds ``item``."""
    place = np.searchsorted(ordered, item)
    return bool(place < len(ordered) and ordered[place] == item)


@compiled
def sort_rows(indptr: NDArray[np.int64], items: Positions) -> None:
    """Sort each CSR row in place."""
    for row in range(len(indptr) - 1):
        items[indptr[row] : indptr[row + 1]].sort()


@compiled
def merge_tile(
    block: Float,
    first: int,
    available: NDArray[np.bool_],
    seen_indptr: NDArray[np.int64],
    seen: Positions,
    items: Positions,
    scores: Float,
) -> bool:
    """Merge the scores of the items from position ``first`` on into each user's running k best; False when a score is NaN.

    A user's k-th best is the threshold: a chunk in which nothing passes it costs one vectorised comparison. The comparison is
    written as "not lower or equal" so that a NaN passes it too. Items come in ascending order, so a later tie never displaces.
    """
    n_users, width = block.shape
    for user in range(n_users):
        row, best_items, best = block[user], items[user], scores[user]
        hidden = seen[seen_indptr[user] : seen_indptr[user + 1]]
        for start in range(0, width, CHUNK):
            stop = min(start + CHUNK, width)
            threshold = best[-1]
            passing = 0
            for column in range(start, stop):
                passing += not (row[column] <= threshold)
            if passing == 0:
                continue
            for column in range(start, stop):
                value = row[column]
                if value <= best[-1]:
                    continue
                if np.isnan(value):
                    return False
                if available[first + column] and not contains(hidden, first + column):
                    push(best_items, best, first + column, value)
    return True


@compiled
def nearest(
    indptr: NDArray[np.int64],
    users: Positions,
    values: Float,
    row_indptr: NDArray[np.int64],
    row_items: Positions,
    row_values: Float,
    norms: Float,
    shrink: float,
    start: int,
    items: Positions,
    scores: Float,
) -> None:
    """The nearest items of ``start:start + len(items)``, by product over both norms times n / (n + shrink) for n common users.

    indptr, users, values: the users of each item (CSC); row_*: the items of each user (CSR). Both outputs are filled in place,
    best first; an item is no neighbour of itself.
    """
    n_items = len(norms)
    dots = np.zeros(n_items, np.float64)
    counts = np.zeros(n_items, np.int64)
    touched = np.empty(n_items, np.int64)
    for row in range(len(items)):
        item = start + row
        met = 0
        for entry in range(indptr[item], indptr[item + 1]):
            user = users[entry]
            for other in range(row_indptr[user], row_indptr[user + 1]):
                position = row_items[other]
                if counts[position] == 0:
                    touched[met] = position
                    met += 1
                counts[position] += 1
                dots[position] += values[entry] * row_values[other]
        for position in np.sort(touched[:met]):
            if position != item and dots[position] > 0:
                cosine = dots[position] / (norms[item] * norms[position])
                value = np.float32(cosine * counts[position] / (counts[position] + shrink))
                if value > scores[row, -1]:
                    push(items[row], scores[row], position, value)
            dots[position] = 0.0
            counts[position] = 0


@reordered
def fold_in(indptr: NDArray[np.int64], items: Positions, confidence: Float, factors: Float, gram: NDArray[np.float64], out: Float) -> None:
    """Solve (gram + sum (c - 1) y y') x = sum c y for each CSR row of items y with confidences c, by Cholesky; x goes to ``out``.

    The user's half-step of Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (2008), equation 4.
    """
    size = factors.shape[1]
    for user in range(len(indptr) - 1):
        matrix = gram.copy()
        target = np.zeros(size)
        for entry in range(indptr[user], indptr[user + 1]):
            vector = factors[items[entry]].astype(np.float64)
            for i in range(size):
                target[i] += confidence[entry] * vector[i]
                scaled = (confidence[entry] - 1.0) * vector[i]
                for j in range(i + 1):
                    matrix[i, j] += scaled * vector[j]
        solve_in_place(matrix, target)
        for i in range(size):
            out[user, i] = target[i]


@reordered
def solve_in_place(matrix: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    """Solve ``matrix`` x = ``target`` for a positive definite matrix of which the lower half is given; both are overwritten."""
    size = len(target)
    for i in range(size):
        for j in range(i + 1):
            rest = matrix[i, j]
            for m in range(j):
                rest -= matrix[i, m] * matrix[j, m]
            matrix[i, j] = np.sqrt(rest) if i == j else rest / matrix[j, j]
        rest = target[i]
        for m in range(i):
            rest -= matrix[i, m] * target[m]
        target[i] = rest / matrix[i, i]
    for i in range(size - 1, -1, -1):
        rest = target[i]
        for m in range(i + 1, size):
            rest -= matrix[m, i] * target[m]
        target[i] = rest / matrix[i, i]
