"""Examples to look at: the users whom the best model serves worst, and the items that everybody took and no model showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Positions
from models.metrics import Truth, hits, ndcg

MOST = 12
"""Examples of each kind: what a person reads through."""
LISTED = 5
"""Items of an example that are named."""


@dataclass(frozen=True)
class MissedUser:
    """A user whom the list served badly."""

    user: str
    taken_before: int
    ndcg: float
    taken: int
    took: Sequence[str]
    was_shown: Sequence[str]


@dataclass(frozen=True)
class MissedItem:
    """An item that was often taken and seldom shown to those who took it; ``found`` is by model."""

    item: str
    taken_before: int
    taken: int
    found: Mapping[str, int]


def missed_users(
    items: Positions, truth: Truth, taken_before: NDArray[np.int64], user_names: Sequence[str], item_names: Sequence[str]
) -> list[MissedUser]:
    """The lowest NDCG; among equals those who took most, for they gave the most chances."""
    scores = ndcg(items, truth)
    worst = np.lexsort((-truth.counts, scores))[:MOST]
    return [
        MissedUser(
            user_names[user],
            int(taken_before[user]),
            float(scores[user]),
            int(truth.counts[user]),
            _named(truth.items[truth.indptr[user] : truth.indptr[user + 1]], item_names),
            _named(items[user][items[user] >= 0], item_names),
        )
        for user in worst.tolist()
    ]


def missed_items(shown: Mapping[str, Positions], truth: Truth, takers: NDArray[np.int64], item_names: Sequence[str]) -> list[MissedItem]:
    """The most takings that the first model did not find; ``found`` counts each model's hits."""
    width = max(len(takers), 1 + int(truth.items.max(initial=0)))
    taken = np.bincount(truth.items, minlength=width)
    found = {model: np.bincount(items[hits(items, truth)], minlength=width) for model, items in shown.items()}
    missed = taken - next(iter(found.values()))
    worst = [item for item in np.argsort(-missed, kind="stable")[:MOST].tolist() if missed[item]]
    return [
        MissedItem(
            _name(item, item_names),
            int(takers[item]) if item < len(takers) else 0,
            int(taken[item]),
            {model: int(counts[item]) for model, counts in found.items()},
        )
        for item in worst
    ]


def _named(items: NDArray[np.int32], names: Sequence[str]) -> list[str]:
    return [_name(item, names) for item in items[:LISTED].tolist()]


def _name(item: int, names: Sequence[str]) -> str:
    return names[item] if item < len(names) else "an item that no model knows"
