"""An exam: users asked at one moment, and what they went on to take in the window that follows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models import metrics
from models.base import Recipe, Recommender
from models.metrics import Truth
from outfitter.errors import ModelError, NotEnoughData
from outfitter.evaluation.inputs import Catalogue, catalogue, histories, sellable, weighted_events
from outfitter.lake.snapshot import Snapshot
from outfitter.settings import Settings

METRICS = metrics.RANKING
METRIC = "ndcg"
"""What chooses, and what the gate decides on."""
PerUser = metrics.PerUser


@dataclass(frozen=True)
class Exam:
    """users int32[n] ascending keys; taken: user_key, item_key of each distinct pair to be found; activity int64[n] earlier targets."""

    snapshot: Snapshot
    settings: Settings
    asked: datetime
    until: datetime
    users: NDArray[np.int32]
    taken: pl.DataFrame
    events: pl.DataFrame
    activity: NDArray[np.int64]
    features: pl.DataFrame

    @cached_property
    def takers(self) -> pl.DataFrame:
        """item_key, users: how many had taken each item by then; counted once for all who sit the exam."""
        return self.events.filter("taken").group_by("item_key").agg(pl.col("user_key").n_unique().alias("users"))

    def truth(self, items: Catalogue) -> Truth:
        """What was taken, as positions; an item the model does not know keeps a position beyond the catalogue: it counts as missed."""
        position = items.positions(self.taken["item_key"].to_numpy()).astype(np.int64)
        unknown = position < 0
        position[unknown] = len(items.keys) + self.taken["item_key"].to_numpy()[unknown]
        who = np.searchsorted(self.users, self.taken["user_key"].to_numpy())
        return Truth(np.concatenate([[0], np.cumsum(np.bincount(who, minlength=len(self.users)))]), position.astype(np.int32))


@dataclass(frozen=True)
class Result:
    """What one model scored in an exam: float64[n] a metric, in the order of the exam's users; ``shown`` int32[n, k] are keys of items.

    seconds: of answering, for all users; megabytes: MiB of the model's arrays; popularity: where the lists stand on average among the
    model's items by how many had taken them, 0 the least popular, 1 the most.
    """

    recipe: Recipe
    per_user: Mapping[str, PerUser]
    coverage: float
    seconds: float
    shown: NDArray[np.int32]
    megabytes: float
    popularity: float

    def mean(self, metric: str) -> float:
        return float(self.per_user[metric].mean())


def set_exam(snapshot: Snapshot, settings: Settings, asked: datetime, until: datetime, features: pl.DataFrame) -> Exam:
    """The exam over (asked, until]: everyone with a target event in it, whether or not they were known before.

    Targets are counted once a user and item; unless repeat purchases may be recommended, what the user took before is not asked for.
    Raises NotEnoughData when nobody is left.
    """
    rules = settings.events
    events = weighted_events(snapshot, until, rules).collect()
    before, window = events.filter(pl.col("timestamp") <= asked), events.filter((pl.col("timestamp") > asked) & pl.col("taken"))
    taken = window.select("user_key", "item_key").unique()
    earlier = before.filter("taken")
    if not settings.repeat_purchases:
        taken = taken.join(earlier.select("user_key", "item_key").unique(), on=["user_key", "item_key"], how="anti")
    taken = taken.sort("user_key", "item_key")
    users = taken["user_key"].unique().sort()
    if users.is_empty():
        raise NotEnoughData(
            f"nobody took anything new between {asked:%Y-%m-%d} and {until:%Y-%m-%d}; the newest event is of {snapshot.as_of:%Y-%m-%d}",
            "Lower the setting window_days; or, when that event is a stray one, work as of a moment before it (--as-of).",
        )
    counts = earlier.group_by("user_key").len()
    activity = users.to_frame().join(counts, on="user_key", how="left", maintain_order="left")["len"].fill_null(0).to_numpy()
    asked_features = features.filter(pl.col("cutoff") == asked)
    return Exam(snapshot, settings, asked, until, users.to_numpy(), taken, before, activity.astype(np.int64), asked_features)


def sit(exam: Exam, model: Recommender) -> Result:
    """Let ``model`` answer: full ranking of everything sellable when asked, then the metrics of each user.

    Raises ModelError when the model learnt from a later time than the exam asks at.
    """
    if datetime.fromisoformat(model.fit_until) > exam.asked:
        raise ModelError(f"{model.name} learnt until {model.fit_until}, the exam asks at {exam.asked.isoformat()}")
    settings, items = exam.settings, catalogue(exam.snapshot, exam.asked, model.item_ids)
    targets = [name for name, rule in settings.events.items() if rule.target]
    available = sellable(exam.snapshot, items, exam.asked, settings.sellable_days, targets)
    asked = histories(exam.events, exam.users, items, exam.asked, exam.features)
    started = time.perf_counter()
    shown = model.recommend(asked, settings.list_length, available, exclude_seen=not settings.repeat_purchases).items
    seconds = time.perf_counter() - started
    truth = exam.truth(items)
    per_user = {name: metric(shown, truth) for name, metric in METRICS.items()}
    coverage = metrics.coverage(shown, max(1, int(available.sum())))
    keys = np.where(shown >= 0, items.keys[shown], -1)
    return Result(Recipe.of(model), per_user, coverage, seconds, keys, _megabytes(model), _popularity(exam, items, shown))


def _megabytes(model: Recommender) -> float:
    return sum(array.nbytes for array in (model.prior, *model.arrays.values())) / 2**20


def _popularity(exam: Exam, items: Catalogue, shown: NDArray[np.int32]) -> float:
    positions = items.positions(exam.takers["item_key"].to_numpy())
    known, takers = positions >= 0, np.zeros(len(items.keys), dtype=np.int64)
    takers[positions[known]] = exam.takers["users"].to_numpy()[known]
    told = metrics.popularity_percentile(shown, takers)
    return float(np.nanmean(told)) if np.isfinite(told).any() else 0.0  # of lists without anything in them
