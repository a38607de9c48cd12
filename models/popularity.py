"""Popularity: the same list for everybody, or for everybody of one taste, and the baseline that every other model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.attributes import rarities
from models.base import Recommender, aged, recent_popularity, require
from models.data import Float, Histories, TrainingData
from models.held import Held, Layout


class _SameForAll(Recommender):
    """Scores that depend on the item alone, kept as ``arrays["scores"]`` float32[n_items]."""

    layout: ClassVar[Layout] = {"scores": Held(("items",))}

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
    """The weight that an item gathered, halved every ``half_life`` days before the newest event."""

    name: ClassVar[str] = "recent_popularity"

    half_life: float = 14.0

    def __post_init__(self) -> None:
        require(self.half_life > 0, f"half_life must be positive, not {self.half_life}")

    def _fit(self, data: TrainingData) -> None:
        self.arrays = {"scores": recent_popularity(data.histories, data.n_items, self.half_life)}


@dataclass
class SegmentPopularity(Recommender):
    """Recent popularity in the user's segment: among all users whose histories speak for the same attribute, say a category or a brand.

    An attribute gathers the weights of the items that have it, times log(n_items / items that have it) as in TF-IDF, and the greatest
    names the segment; users for whom none speaks are a segment too. To a segment's counts are added those of everybody, scaled to
    ``smoothing`` in all, so that a small segment is no list of accidents. What was taken is halved every ``half_life`` days before the
    newest event.
    """

    name: ClassVar[str] = "segment_popularity"
    layout: ClassVar[Layout] = {
        "starts": Held(("items+1",), starts_of="entries"),
        "traits": Held(("entries",), places_in="traits"),
        "rarities": Held(("entries",)),
        "taken_starts": Held(("traits+2",), starts_of="takings"),
        "taken_items": Held(("takings",), places_in="items"),
        "taken": Held(("takings",)),
        "overall": Held(("items",)),
    }

    half_life: float = 14.0
    smoothing: float = 100.0

    def __post_init__(self) -> None:
        require(self.half_life > 0, f"half_life must be positive, not {self.half_life}")
        require(self.smoothing >= 0, f"smoothing must not be negative, as {self.smoothing} is")

    def _fit(self, data: TrainingData) -> None:
        histories, rarity = data.histories, rarities(data)
        self.arrays = {"starts": rarity.indptr, "traits": rarity.indices, "rarities": rarity.data}
        segments = np.repeat(self._segments(histories, rarity.shape[1]), np.diff(histories.indptr))
        taken = sparse.csr_matrix((aged(histories, self.half_life), (segments, histories.items)), shape=(1 + rarity.shape[1], data.n_items))
        self.arrays |= {"taken_starts": taken.indptr, "taken_items": taken.indices, "taken": taken.data}
        overall = recent_popularity(histories, data.n_items, self.half_life)
        self.arrays["overall"] = overall * np.float32(self.smoothing / max(float(overall.sum()), 1e-30))

    def encode(self, histories: Histories) -> sparse.csc_matrix:
        """float32[n_users, n_items], sparse: what the users' segments took."""
        parts = tuple(self.arrays[name] for name in ("taken", "taken_items", "taken_starts"))
        n_segments = len(self.arrays["taken_starts"]) - 1
        taken = sparse.csr_matrix(parts, shape=(n_segments, len(self.item_ids)))
        return taken[self._segments(histories, n_segments - 1)].tocsc()

    def score(self, query: sparse.csc_matrix, items: slice) -> Float:
        """float32[n_users, len(items)]: what was taken in the segment, and the share of it that everybody adds."""
        return np.asarray(query[:, items].toarray() + self.arrays["overall"][items], dtype=np.float32)

    def _segments(self, histories: Histories, n_traits: int) -> NDArray[np.int64]:
        """int64[n_users]: one more than the attribute that speaks loudest, 0 where none does."""
        parts = tuple(self.arrays[name] for name in ("rarities", "traits", "starts"))
        rarity = sparse.csr_matrix(parts, shape=(len(self.item_ids), n_traits))
        silence = sparse.csr_matrix((len(self.item_ids), 1), dtype=np.float32)
        spoken = histories.matrix(len(self.item_ids)) @ sparse.hstack([silence, rarity], format="csr")
        return np.asarray(spoken.argmax(axis=1), dtype=np.int64).ravel()
