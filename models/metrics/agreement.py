"""How alike two models' lists are: one figure a user, and for each of them the rows of int32[n, k] and int32[n, l], padded with -1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.data import Positions
from models.metrics.ranking import PerUser, divided

MATCHED = 1 << 22
"""Pairs of places that are compared at a time."""


def overlap(one: Positions, other: Positions) -> PerUser:
    """The share of a user's list that stands in their other list as well; NaN for an empty one."""
    shared = [np.empty(0), *(same.any(axis=2).sum(axis=1) for same in _matches(one, other))]
    return divided(np.concatenate(shared), (one >= 0).sum(axis=1))


def kendall(one: Positions, other: Positions) -> PerUser:
    """Kendall's tau (1938) of the items that stand in both lists: 1 in the same order, -1 in the opposite; NaN below two of them."""
    return np.concatenate([np.empty(0), *(_tau(same) for same in _matches(one, other))])


def _matches(one: Positions, other: Positions) -> Iterator[NDArray[np.bool_]]:
    """bool[block, k, l] at a time: whether a place of one list holds what a place of the other does."""
    block = max(1, MATCHED // (one.shape[1] * other.shape[1] or 1))
    for start in range(0, len(one), block):
        left, right = one[start : start + block, :, None], other[start : start + block, None, :]
        yield np.logical_and(left == right, left >= 0)


def _tau(same: NDArray[np.bool_]) -> PerUser:
    """float64[block], of what ``_matches`` gives: pairs in the same order less pairs in the opposite, by pairs."""
    shared, place = np.asarray(same.any(axis=2)), same.argmax(axis=2)
    both = shared[:, :, None] & shared[:, None, :] & np.triu(np.ones((same.shape[1],) * 2, dtype=bool), 1)
    agreed = (np.sign(place[:, None, :] - place[:, :, None]) * both).sum(axis=(1, 2))
    return divided(agreed, both.sum(axis=(1, 2)))
