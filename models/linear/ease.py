"""EASE: every item is predicted from all the others by one ridge regression, solved at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.base import require
from models.data import TrainingData
from models.linear.dense import invert, require_in_range, require_room
from models.linear.item_weights import ItemWeights


@dataclass
class EASE(ItemWeights):
    """Steck, "Embarrassingly shallow autoencoders for sparse data" (2019): B = I - P diag(P)^-1 with P = (X'X + regularization I)^-1.

    A user is scored with a history that is halved every ``half_life`` events back; with None it counts as it is, which is the paper's
    model. Raises ModelError for a catalogue that does not fit into ``memory_gib``.
    """

    name: ClassVar[str] = "ease"
    asked_with: ClassVar[frozenset[str]] = frozenset({"half_life"})

    regularization: float = 200.0
    half_life: float | None = 2.0
    memory_gib: float = 8.0

    def __post_init__(self) -> None:
        require(self.regularization > 0, f"regularization must be positive, not {self.regularization}")
        require(self.half_life is None or self.half_life > 0, f"half_life must be positive or none, not {self.half_life}")
        require(self.memory_gib > 0, f"memory_gib must be positive, not {self.memory_gib}")

    def _fit(self, data: TrainingData) -> None:
        require_room(self.name, data.n_items, 1, self.memory_gib, "use 'ease_sparse'")
        met = data.histories.matrix(data.n_items)
        gram = (met.T @ met).toarray()
        require_in_range(np.diagonal(gram))
        gram[np.diag_indices_from(gram)] += np.float32(self.regularization)
        weights = invert(gram)
        weights /= -np.diagonal(weights).copy()
        np.fill_diagonal(weights, 0)
        self.arrays = {"weights": weights}
