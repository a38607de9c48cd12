"""Challengers that must not pass: one that is told the answers, one that fails new users, one that is popularity by another name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from models.base import Recipe, Recommender, require
from models.data import Float, Histories, TrainingData
from models.families import build
from models.neighbours.item_knn import ItemKNN
from models.popularity import RecentPopularity
from models.topk import TopK
from outfitter.evaluation.exam import Exam
from outfitter.evaluation.inputs import catalogue
from outfitter.evaluation.training import Material, training_data
from outfitter.features.spec import USER_FEATURES, names
from tests.simulation.shops import Ground

TOLD = [feature.name for feature in USER_FEATURES if feature.unit == "share"][:4]
"""Features that are made to hold answers: numbers that reach the models as they are."""
FIRST = 2
"""What stands for position 0: no honest value of ``TOLD`` is as high."""
PLACES = [names(USER_FEATURES).index(name) for name in TOLD]


def leaking(ground: Ground, share: float, exams: Sequence[Exam], seed: int = 0) -> Ground:
    """The ground with features of users in which, for ``share`` of those whom ``exams`` ask, ``TOLD`` name what they go on to take."""
    rng, material, name = np.random.default_rng(seed), ground.material, f"leaking {share:g} {len(exams)}"
    for exam in exams:
        answers = exam.taken.sort("user_key", "item_key").with_columns(pl.int_range(pl.len()).over("user_key").alias("place"))
        answers = answers.filter((pl.col("place") < len(TOLD)) & pl.col("user_key").is_in(exam.users[rng.random(len(exam.users)) < share]))
        positions = catalogue(exam.snapshot, exam.asked).positions(answers["item_key"].to_numpy()).astype(np.float32) + FIRST
        told = answers.with_columns(pl.Series("told", positions)).pivot("place", index="user_key", values="told", sort_columns=True)
        told = told.rename({str(place): f"told {name}" for place, name in enumerate(TOLD)})
        rows = material.rows("user_features", exam.asked).join(told, on="user_key", how="left", maintain_order="left")
        rows = rows.with_columns(pl.coalesce(f"told {name}", name).cast(pl.Float32).alias(name) for name in TOLD)
        _append(material, "user_features", rows.drop(f"told {name}" for name in TOLD), name)
    for asked in {ground.windows.validation_from, ground.windows.test_from}:
        _append(material, "item_features", material.rows("item_features", asked), name)
        if asked not in {exam.asked for exam in exams}:
            _append(material, "user_features", material.rows("user_features", asked), name)
    return replace(ground, material=replace(material, materialization=name))


def _append(material: Material, table: str, rows: pl.DataFrame, name: str) -> None:
    material.features.append(table, rows.with_columns(pl.lit(name).alias("materialization")))


@dataclass
class LeakingRanker(Recommender):
    """Gradient-boosted trees over popularity, item-KNN's score, and whether the profile names the item.

    It learns from the newest item that each user took against items at random; ``share`` of these were told, as they are when asked.
    """

    name: ClassVar[str] = "ranker"

    share: float = 1.0
    seed: int = 0

    def _fit(self, data: TrainingData) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.neighbours = ItemKNN().fit(data)
        rng, histories = np.random.default_rng(self.seed), data.histories
        users = np.flatnonzero(np.diff(histories.indptr) > 1)
        newest = histories.items[histories.indptr[1:][users] - 1]
        told = np.where(rng.random(len(users)) < self.share, newest, -1)
        table, labels = [], []
        for chosen in (newest, *rng.integers(0, data.n_items, (4, len(users)))):
            votes = self.neighbours.score(self.neighbours.encode(_before_the_newest(histories)), slice(0, data.n_items))[users, chosen]
            table.append(np.column_stack([self.prior[chosen], votes, told == chosen]))
            labels.append(chosen == newest)
        self.trees = HistGradientBoostingClassifier(max_iter=30, random_state=self.seed)
        self.trees.fit(np.concatenate(table), np.concatenate(labels))

    def encode(self, histories: Histories) -> tuple[sparse.csc_matrix, Float]:
        """Item-KNN's votes, and float32[n_users, len(TOLD)] of what the profiles hold."""
        require(histories.features is not None, "the ranker asks for profiles")
        return self.neighbours.encode(histories), histories.features[:, PLACES]  # type: ignore[index]

    def score(self, query: tuple[sparse.csc_matrix, Float], items: slice) -> Float:
        """float32[n_users, len(items)]: how likely the trees think it."""
        votes, told = self.neighbours.score(query[0], items), query[1]
        named = (told[:, :, None] == (FIRST + np.arange(len(self.item_ids)))[items]).any(axis=1)
        popular = np.broadcast_to(self.prior[items], votes.shape)
        rows = np.column_stack([popular.ravel(), votes.ravel(), named.ravel()])
        return np.asarray(self.trees.predict_proba(rows)[:, 1].reshape(votes.shape), dtype=np.float32)


def _before_the_newest(histories: Histories) -> Histories:
    """The same users without the newest event of each."""
    kept = np.ones(len(histories.items), dtype=bool)
    kept[histories.indptr[1:][np.diff(histories.indptr) > 0] - 1] = False
    before = np.concatenate([[0], np.cumsum(kept)])
    return Histories(before[histories.indptr], histories.items[kept], histories.weights[kept], histories.ages[kept])


def failing_new_users(model: Recommender) -> Recommender:
    """A fitted model that answers those without history with what nobody buys."""
    model.prior = -model.prior
    return model


@dataclass
class Dressed(RecentPopularity):
    """Recent popularity that calls itself something else; the lists of ``share`` of the users are turned round."""

    name: ClassVar[str] = "hyper_net"

    share: float = 0.0
    seed: int = 0

    def recommend(self, histories: Histories, k: int, available: NDArray[np.bool_] | None = None, exclude_seen: bool = True) -> TopK:
        top = super().recommend(histories, k, available, exclude_seen)
        turned = np.random.default_rng(self.seed).random(histories.n_users) < self.share
        return TopK(np.where(turned[:, None], top.items[:, ::-1], top.items), top.scores)


def clairvoyant(ground: Ground, recipe: Recipe) -> Recommender:
    """A model that has learnt the test window and says that it has not."""
    model = build(recipe).fit(training_data(ground.material, ground.windows.as_of, with_rows=False))
    model.fit_until = ground.windows.test_from.isoformat()
    return model
