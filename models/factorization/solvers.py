"""The compiled solvers of matrix factorisation: for each user a small system of equations, or a few gradient steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.data import Float, Positions
from models.kernels import reordered


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


@reordered
def dot(left: Float, right: Float) -> np.float32:
    """The product of two vectors."""
    total = np.float32(0)
    for place in range(len(left)):
        total += left[place] * right[place]
    return total


@reordered
def rank_in(
    indptr: NDArray[np.int64],
    items: Positions,
    weights: Float,
    factors: Float,
    negatives: Positions,
    passes: int,
    rate: float,
    penalty: float,
    out: Float,
) -> None:
    """The user's steps of BPR with the items held still: ``passes`` times through each history, oldest first, from a vector of zeros.

    Each event of weight w takes the next of ``negatives`` that the user does not have and moves the user's vector u by
    rate (w sigmoid(-u.(y - z)) (y - z) - penalty u). The last column of ``factors`` is the items' bias, which ``out`` meets with 1.
    """
    size = factors.shape[1] - 1
    for user in range(len(indptr) - 1):
        first, last = indptr[user], indptr[user + 1]
        own, vector, step = np.sort(items[first:last]), out[user], 0
        vector[:size], vector[size] = 0, 1
        for _ in range(passes):
            for entry in range(first, last):
                negative = negatives[step % len(negatives)]
                step += 1
                place = np.searchsorted(own, negative)
                if place < len(own) and own[place] == negative:
                    continue
                liked, other = factors[items[entry]], factors[negative]
                lead = dot(vector, liked) - dot(vector, other)
                pull = rate * weights[entry] / (1 + np.exp(lead))
                for i in range(size):
                    vector[i] += pull * (liked[i] - other[i]) - rate * penalty * vector[i]
