"""Rating prediction: how many stars a user would give an item. Users are folded in from the ratings of their histories."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.base import Recommender, require
from models.data import Float, Histories, TrainingData
from models.factorization.rating_steps import Double, Ratings, loss, minimised
from models.held import Held, Layout
from outfitter.errors import NotEnoughData

log = logging.getLogger("outfitter.fit")


class RatingModel(Recommender):
    """Stars as mean + user bias + item bias + user vector . item vector; a subclass says what is fitted and what stays zero.

    As a recommender it ranks by predicted stars and by nothing else. That is not what ranking models do: stars say how an item was
    liked by those who chose it, not who will choose it, so a dress that one person loved stands above one that everybody takes
    (Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-N recommendation tasks", 2010). It is here for its
    errors in stars, and so that it can be saved, loaded and compared like the others.
    """

    item_vectors_name: ClassVar[str | None] = "item_vectors"
    layout: ClassVar[Layout] = {"scale": Held((3,)), "item_vectors": Held(("items", "factors"))}

    def _fit(self, data: TrainingData) -> None:
        ratings = Ratings.of(data.histories)
        if len(ratings.values) == 0:
            raise NotEnoughData(f"'{self.name}' learns from ratings, and no event has a value", "Choose a model that ranks")
        self.arrays = {"scale": np.array([ratings.values.mean(), ratings.values.min(), ratings.values.max()])}
        items = self._learn(ratings, data.n_items)
        self.arrays["item_vectors"] = np.concatenate([items, np.ones((data.n_items, 1))], axis=1).astype(np.float32)

    @abstractmethod
    def _learn(self, ratings: Ratings, n_items: int) -> Double:
        """float64[n_items, d + 1]: the item vectors, and the item biases in the last column; 0 for an item without ratings."""

    @abstractmethod
    def _fold_in(self, ratings: Ratings) -> Double:
        """float64[n_users, d + 1]: likewise for users; 0 for a user without ratings."""

    def lengths(self) -> dict[str, int]:
        return {"factors": int(getattr(self, "factors", 0)) + 2}  # and the bias, and a 1 that the user's bias is met with

    @property
    def mean(self) -> float:
        """The mean rating, in stars."""
        return float(self.arrays["scale"][0])

    @property
    def items(self) -> Double:
        """float64[n_items, d + 1]: what was learnt of the items, vectors and biases."""
        return self.arrays["item_vectors"][:, :-1].astype(np.float64)

    @property
    def foretells_stars(self) -> bool:
        return True

    def predict(self, histories: Histories, users: NDArray[np.integer], items: NDArray[np.integer]) -> Float:
        """float32[m]: the stars that row ``users[r]`` of ``histories`` would give ``items[r]``, within the range met in training.

        An item of position -1, or without ratings, adds nothing, and neither does a user without ratings. Raises ModelError when the
        two differ in length, or for a row or position that does not exist.
        """
        check_pairs(users, items, histories.n_users, len(self.item_ids))
        nothing = np.zeros((1, self.arrays["item_vectors"].shape[1]), dtype=np.float32)
        nothing[0, -1] = 1
        stars = (self.encode(histories)[users] * np.concatenate([self.arrays["item_vectors"], nothing])[items]).sum(axis=1)
        _, lowest, highest = self.arrays["scale"]
        return np.asarray(np.clip(stars, lowest, highest), dtype=np.float32)

    def encode(self, histories: Histories) -> Float:
        """float32[n_users, d + 2]: user vector, 1, and mean + user bias, to be multiplied with item vector, item bias, and 1."""
        users = self._fold_in(Ratings.of(histories))
        parts = users[:, :-1], np.ones((len(users), 1)), self.mean + users[:, -1:]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def score(self, query: Float, items: slice) -> Float:
        """float32[n_users, len(items)]: predicted stars, not cut to any range, which would make ties."""
        return np.asarray(query @ self.arrays["item_vectors"][items].T, dtype=np.float32)


def check_pairs(users: NDArray[np.integer], items: NDArray[np.integer], n_users: int, n_items: int) -> None:
    """Raises ModelError unless ``predict`` can be asked for these."""
    require(len(users) == len(items), f"{len(users)} users and {len(items)} items were given; they must be pairs")
    require(bool(((users >= 0) & (users < n_users)).all()), f"a user is not among the {n_users} of the histories")
    require(bool(((items >= -1) & (items < n_items)).all()), f"an item is not among the {n_items} that the model knows")


@dataclass
class BiasedMF(RatingModel):
    """Biased matrix factorisation: Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems" (2009).

    Fitted by alternating least squares, bias and vector of a side at once. ``penalty`` is lambda of the vectors, ``bias_penalty``
    that of the biases: so many ratings of the mean are added to each. A user of any history is folded in by the same exact step.
    """

    name: ClassVar[str] = "biased_mf"

    factors: int = 8
    sweeps: int = 15
    penalty: float = 20.0
    bias_penalty: float = 15.0
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.factors >= 0 and self.sweeps > 0, "factors must not be negative and sweeps must be positive")
        require(self.penalty > 0 and self.bias_penalty > 0, "penalty and bias_penalty must be positive")

    def _learn(self, ratings: Ratings, n_items: int) -> Double:
        by_item = ratings.transposed(n_items)
        users = np.zeros((len(ratings.counts), self.factors + 1))
        items = self._start(n_items)
        losses = []
        for sweep in range(1, self.sweeps + 1):
            users = minimised(ratings, users, items, self.mean, self._penalties)
            items = minimised(by_item, items, users, self.mean, self._penalties)
            losses.append(loss(ratings, users, items, self.mean, self._penalties))
            log.info("sweep %d: loss %.1f", sweep, losses[-1])
        self.arrays["training_loss"] = np.array(losses)
        return items

    def _start(self, n_items: int) -> Double:
        """Small vectors, since from zero there is no way out, and no biases."""
        drawn = np.random.default_rng(self.seed).normal(scale=0.01, size=(n_items, self.factors))
        return np.concatenate([drawn, np.zeros((n_items, 1))], axis=1)

    @property
    def _penalties(self) -> Double:
        return np.array([self.penalty] * self.factors + [self.bias_penalty])

    def _fold_in(self, ratings: Ratings) -> Double:
        start = np.zeros((len(ratings.counts), self.factors + 1))
        return minimised(ratings, start, self.items, self.mean, self._penalties)


@dataclass
class RatingMeans(RatingModel):
    """The baselines that a rating model must beat: the global mean, and the means of users, of items, or of both, on top of it.

    A mean is taken as if ``shrink`` more ratings had been average. With both, users are measured against their items' means (Koren,
    "Factor in the neighbors", 2010, section 2.1).
    """

    name: ClassVar[str] = "rating_means"

    of: Literal["global", "user", "item", "both"] = "both"
    shrink: float = 15.0

    def __post_init__(self) -> None:
        require(self.of in ("global", "user", "item", "both"), f"of must be global, user, item or both, not '{self.of}'")
        require(self.shrink >= 0, f"shrink must not be negative, as {self.shrink} is")

    def _learn(self, ratings: Ratings, n_items: int) -> Double:
        by_item = ratings.transposed(n_items)
        return self._means(by_item, by_item.values - self.mean, self.of in ("item", "both"))

    def _fold_in(self, ratings: Ratings) -> Double:
        rest = ratings.values - self.mean - self.items[ratings.columns, -1]
        return self._means(ratings, rest, self.of in ("user", "both"))

    def _means(self, ratings: Ratings, rest: Double, wanted: bool) -> Double:
        """float64[n, 1]: the shrunk mean of what is left in each row; 0 where there is nothing, or when it is not wanted."""
        # without ratings and without shrinking the mean is 0 / 0
        means = ratings.sums(rest) / np.maximum(ratings.counts + self.shrink, np.finfo(np.float64).tiny)
        return np.asarray(means[:, None] * wanted)
