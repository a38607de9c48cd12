"""Matrix factorisation: implicit alternating least squares, users folded in from their histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.base import Recommender, require
from models.data import Float, Histories, TrainingData
from models.kernels import fold_in


@dataclass
class ImplicitALS(Recommender):
    """Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (2008), fitted by the library ``implicit``.

    A weight r gives confidence 1 + alpha r. Only item factors are kept: a history is folded in by the exact half-step, its weights
    halved every ``half_life`` events back.
    """

    name: ClassVar[str] = "als"

    factors: int = 64
    iterations: int = 15
    regularization: float = 0.05
    alpha: float = 20.0
    half_life: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.factors > 0 and self.iterations > 0, "factors and iterations must be positive")
        require(self.regularization > 0, f"regularization must be positive, not {self.regularization}")
        require(self.alpha > 0 and self.half_life > 0, "alpha and half_life must be positive")

    def _fit(self, data: TrainingData) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        # implicit runs its own threads; those of the BLAS beneath them only get in the way
        with threadpool_limits(1, "blas"):
            solver = AlternatingLeastSquares(
                factors=self.factors, iterations=self.iterations, regularization=self.regularization, random_state=self.seed
            )
            solver.fit(self._confidence(data.histories.matrix(data.n_items)), show_progress=False)
        factors = np.ascontiguousarray(solver.item_factors, dtype=np.float32)
        wide = factors.astype(np.float64)
        self.arrays = {"item_factors": factors, "gram": wide.T @ wide + self.regularization * np.eye(self.factors)}

    def encode(self, histories: Histories) -> Float:
        """float32[n_users, factors]: the users' factors."""
        decayed = Histories(histories.indptr, histories.items, histories.decayed(self.half_life), histories.ages)
        met = self._confidence(decayed.matrix(len(self.item_ids)))
        users = np.zeros((histories.n_users, self.factors), dtype=np.float32)
        fold_in(met.indptr.astype(np.int64), met.indices, met.data, self.arrays["item_factors"], self.arrays["gram"], users)
        return users

    def score(self, query: Float, items: slice) -> Float:
        """float32[n_users, len(items)]: the products of the factors."""
        return np.asarray(query @ self.arrays["item_factors"][items].T, dtype=np.float32)

    def _confidence(self, matrix: sparse.csr_matrix) -> sparse.csr_matrix:
        matrix.data = np.float32(1) + np.float32(self.alpha) * matrix.data
        return matrix
