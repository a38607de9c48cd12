"""Popularity: the same list for everybody, and the baseline that every other model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.base import Recommender, recent_popularity, require
from models.data import Float, Histories, TrainingData


class _SameForAll(Recommender):
    """Scores that depend on the item alone, kept as ``arrays["scores"]`` float32[n_items]."""

    def encode(self, histories: Histories) -> int:
        """The number of users: nothing else about them matters."""
        return histories.n_users

    def score(self, query: int, items: slice) -> Float:
        """float32[n_users, len(items)], every row the same."""
        scores = self.arrays["scores"][items]
        return np.broadcast_to(scores, (query, len(scores)))


@dataclass
class Popularity(_SameForAll):
    """The weight that an item gathered over all of time."""

    name: ClassVar[str] = "popularity"

    def _fit(self, data: TrainingData) -> None:
        histories = data.histories
        total = np.bincount(histories.items, weights=histories.weights, minlength=data.n_items)
        self.arrays = {"scores": total.astype(np.float32)}


@dataclass
class RecentPopularity(_SameForAll):
    """The weight that an item gathered, halved every ``half_life`` days of age."""

    name: ClassVar[str] = "recent_popularity"

    half_life: float = 14.0

    def __post_init__(self) -> None:
        require(self.half_life > 0, f"half_life must be positive, not {self.half_life}")

    def _fit(self, data: TrainingData) -> None:
        self.arrays = {"scores": recent_popularity(data.histories, data.n_items, self.half_life)}
