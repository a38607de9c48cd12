"""Matrix factorisation: implicit alternating least squares, users folded in from their histories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Recommender, require
from models.data import Float, Histories, TrainingData
from models.factorization.solvers import fold_in
from models.held import Held, Layout
from models.parallel import cores, in_slices, one_blas_thread

FOLDED = 128  # users a thread folds in at a time
READ = 1 << 16  # rows read at once where float64 is needed


@dataclass
class ImplicitALS(Recommender):
    """Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets" (2008), fitted by the library ``implicit``.

    A weight r gives confidence 1 + alpha r. Only item factors are kept: a history is folded in by the exact half-step, its weights
    halved every ``half_life`` events back.
    """

    name: ClassVar[str] = "als"
    asked_with: ClassVar[frozenset[str]] = frozenset({"half_life"})
    item_vectors_name: ClassVar[str | None] = "item_factors"
    layout: ClassVar[Layout] = {"item_factors": Held(("items", "factors")), "gram": Held(("factors", "factors"))}

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
        _, items = self._alternate(self._confidence(data.histories.matrix(data.n_items)))
        self.arrays = {"item_factors": items, "gram": gram(items, self.regularization)}

    def _alternate(self, confidence: sparse.csr_matrix) -> tuple[Float, Float]:
        """float32[n_users, factors] and float32[n_items, factors], by turns solved for with the other held still."""
        from implicit.cpu.als import AlternatingLeastSquares

        with one_blas_thread():
            solver = AlternatingLeastSquares(
                factors=self.factors,
                iterations=self.iterations,
                regularization=self.regularization,
                random_state=self.seed,
                num_threads=cores(),
            )
            solver.fit(confidence, show_progress=False)
        return solver.user_factors, np.ascontiguousarray(solver.item_factors, dtype=np.float32)

    def lengths(self) -> dict[str, int]:
        return {"factors": self.factors}

    def encode(self, histories: Histories) -> Float:
        """float32[n_users, factors]: the users' factors."""
        decayed = Histories(histories.indptr, histories.items, histories.decayed(self.half_life), histories.ages)
        met = self._confidence(decayed.matrix(len(self.item_ids)))
        indptr = met.indptr.astype(np.int64)
        users = np.zeros((histories.n_users, self.factors), dtype=np.float32)

        def work(some: slice) -> None:
            rows = indptr[some.start : some.stop + 1]
            fold_in(rows, met.indices, met.data, self.arrays["item_factors"], self.arrays["gram"], users[some])

        in_slices(work, histories.n_users, FOLDED)
        return users

    def score(self, query: Float, items: slice) -> Float:
        """float32[n_users, len(items)]: the products of the factors."""
        return np.asarray(query @ self.arrays["item_factors"][items].T, dtype=np.float32)

    def _confidence(self, matrix: sparse.csr_matrix) -> sparse.csr_matrix:
        matrix.data = np.float32(1) + np.float32(self.alpha) * matrix.data
        return matrix


def gram(factors: Float, regularization: float) -> NDArray[np.float64]:
    """float64[d, d]: Y'Y + regularization I for factors Y float32[n, d]."""
    total = regularization * np.eye(factors.shape[1])
    for start in range(0, len(factors), READ):
        block = factors[start : start + READ].astype(np.float64)
        total += block.T @ block
    return total
