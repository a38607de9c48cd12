"""Matrix factorisation that learns to rank: what a user took before what they did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from models.base import Recommender, require
from models.data import Float, Histories, TrainingData
from models.factorization.solvers import rank_in
from models.held import Held, Layout
from models.parallel import in_slices

NEGATIVES = 8191  # prime, so that no history meets the same ones at every pass
FOLDED = 128  # users a thread folds in at a time


@dataclass
class BPR(Recommender):
    """Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback" (2009), fitted by the library ``implicit``.

    It is fitted on one thread, since the threads of ``implicit`` overwrite each other's steps and no two fits would be the same. Only
    items are kept. A user is folded in by the steps that training would have made for them with the items held still, as many passes
    through the history as training had iterations, each event weighted and halved every ``half_life`` events back. Negatives are
    drawn as training draws them, in proportion to popularity.
    """

    name: ClassVar[str] = "bpr"
    item_vectors_name: ClassVar[str | None] = "item_factors"
    layout: ClassVar[Layout] = {"item_factors": Held(("items", "factors")), "negatives": Held(("negatives",), places_in="items")}

    factors: int = 64
    iterations: int = 200
    learning_rate: float = 0.05
    regularization: float = 0.03
    half_life: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.factors > 0 and self.iterations > 0, "factors and iterations must be positive")
        require(self.learning_rate > 0, f"learning_rate must be positive, not {self.learning_rate}")
        require(self.regularization >= 0, f"regularization must not be negative, as {self.regularization} is")
        require(self.half_life > 0, f"half_life must be positive, not {self.half_life}")

    def _fit(self, data: TrainingData) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        met = data.histories.matrix(data.n_items)
        solver = BayesianPersonalizedRanking(
            factors=self.factors,
            iterations=self.iterations,
            learning_rate=self.learning_rate,
            regularization=self.regularization,
            random_state=self.seed,
            num_threads=1,
        )
        solver.fit(met, show_progress=False)
        factors = np.ascontiguousarray(solver.item_factors, np.float32)
        # implicit leaves 0 where nobody took an item, which would be ahead of all that a user likes less than average
        factors[met.getnnz(axis=0) == 0, -1] = factors[:, -1].min()
        negatives = np.random.default_rng(self.seed).choice(met.indices, NEGATIVES)
        self.arrays = {"item_factors": factors, "negatives": negatives.astype(np.int32)}

    def lengths(self) -> dict[str, int]:
        return {"factors": self.factors + 1}  # and the bias

    def encode(self, histories: Histories) -> Float:
        """float32[n_users, factors + 1]: the users' factors, and a 1 for the items' bias."""
        weights, items, negatives = histories.decayed(self.half_life), self.arrays["item_factors"], self.arrays["negatives"]
        users = np.empty((histories.n_users, items.shape[1]), dtype=np.float32)
        step = self.iterations, self.learning_rate, self.regularization

        def work(some: slice) -> None:
            rank_in(histories.indptr[some.start : some.stop + 1], histories.items, weights, items, negatives, *step, users[some])

        in_slices(work, histories.n_users, FOLDED)
        return users

    def score(self, query: Float, items: slice) -> Float:
        """float32[n_users, len(items)]: the products of the factors, and the items' bias."""
        return np.asarray(query @ self.arrays["item_factors"][items].T, dtype=np.float32)
