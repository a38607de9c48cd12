"""The closed-form sequential model: one ridge regression that completes baskets, follows sequences and reads the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.base import require
from models.data import Float, TrainingData
from models.linear.dense import TILE, invert, require_in_range, require_room, transpose
from models.linear.item_weights import ItemWeights
from models.linear.normal_equations import Mix, NormalEquations
from models.parallel import in_slices

BLOCK = 128  # items a task: small enough that the few popular, slow ones spread over the threads


@dataclass
class ClosedForm(ItemWeights):
    """Item-item weights B with a zero diagonal that minimise a sum of squares, found without iterating.

    Three kinds of rows are regressed on the items at once, with regularization |B|^2 on top:

    - a user's whole history x on itself: EASE (Steck, "Embarrassingly shallow autoencoders for sparse data", 2019);
    - with weight ``closeness``, each event of a user on the history before it, halved every ``half_life`` events back, which is how
      users are scored too: after SLIT (Choi et al., "Session-aware linear item-item models for session-based recommendation", 2021);
    - with weight ``attributes``, the items that have an attribute on themselves, weighted by how rare it is: collective EASE (Jeunen,
      Van Balen and Goethals, "Closed-form models for collaborative filtering with side-information", 2020).

    With G and C the sums of the products of the rows' inputs with their inputs and with their outputs and P = (G + regularization I)^-1,
    B = P C - P diag(c), where c makes the diagonal zero. Raises ModelError for a catalogue that does not fit into ``memory_gib``.
    """

    name: ClassVar[str] = "closed_form"

    closeness: float = 3.0
    attributes: float = 0.1
    regularization: float = 200.0
    half_life: float = 1.75
    memory_gib: float = 8.0

    def __post_init__(self) -> None:
        check(self.closeness, self.attributes, self.regularization, self.half_life)
        require(self.memory_gib > 0, f"memory_gib must be positive, not {self.memory_gib}")

    def _fit(self, data: TrainingData) -> None:
        require_room(self.name, data.n_items, 2, self.memory_gib, "use 'closed_form_sparse'")
        equations = NormalEquations.of(data, Mix(self.closeness, self.half_life, self.attributes))
        gram, target = np.empty((2, data.n_items, data.n_items), dtype=np.float32)

        def fill(items: slice) -> None:
            equations.columns(items.start, gram[items], target[items])

        in_slices(fill, data.n_items, BLOCK)
        require_in_range(np.diagonal(gram))
        gram[np.diag_indices_from(gram)] += np.float32(self.regularization)
        self.arrays = {"weights": solve(gram, target)}


def check(closeness: float, attributes: float, regularization: float, half_life: float) -> None:
    """Raises ModelError for what neither form can be fitted with."""
    require(closeness >= 0, f"closeness must not be negative, as {closeness} is")
    require(attributes >= 0, f"attributes must not be negative, as {attributes} is")
    require(regularization > 0, f"regularization must be positive, not {regularization}")
    require(half_life > 0, f"half_life must be positive, not {half_life}")


def solve(gram: Float, target: Float) -> Float:
    """B float32[n, n] that solves ``gram`` B = C under a zero diagonal; ``target`` holds C transposed, and both are overwritten."""
    inverse = invert(gram)
    diagonal = np.diagonal(inverse).copy()
    for start in range(0, len(target), TILE):
        rows = slice(start, start + TILE)
        solution = target[rows] @ inverse
        own = np.arange(start, start + len(solution))
        solution -= (solution[own - start, own] / diagonal[rows])[:, None] * inverse[rows]
        solution[own - start, own] = 0
        target[rows] = solution
    transpose(target)
    return target
