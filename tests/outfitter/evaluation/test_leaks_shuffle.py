"""On shuffled labels an honest model falls to popularity; one that is told the answers does not, and one that learns them is too good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from models import families
from models.base import Recipe, Recommender
from models.data import Float, Histories, TrainingData
from models.popularity import Popularity, RecentPopularity
from outfitter.errors import NotEnoughData
from outfitter.evaluation import training
from outfitter.evaluation.bootstrap import Interval, interval
from outfitter.evaluation.exam import Exam, sit
from outfitter.evaluation.leaks import features, shuffle
from outfitter.evaluation.leaks.alarm import FLOOR, TIMES, check_too_good
from outfitter.evaluation.leaks.shuffle import best_popularity, check_shuffle, learners, restricted, shuffled
from outfitter.evaluation.leaks.suite import look_for_leaks, suspect
from outfitter.evaluation.training import fit, training_data
from outfitter.features.asof import WEEK
from outfitter.features.spec import USER_FEATURES, names
from tests.outfitter.evaluation import leaky
from tests.outfitter.evaluation.leaky import Ground, ground, joined

PLANTED = next(feature.name for feature in USER_FEATURES if feature.unit == "share")  # a share reaches the models as it is
PLACE = names(USER_FEATURES).index(PLANTED)
BASELINES = ("popularity", "recent_popularity")


@dataclass
class Told(Recommender):
    """Reads the answer off the user's profile, and needs no training for it."""

    name: ClassVar[str] = "told"
    reads_features: ClassVar[bool] = True

    def _fit(self, data: TrainingData) -> None:
        self.arrays = {}

    def encode(self, histories: Histories) -> Float:
        assert histories.features is not None
        return histories.features[:, PLACE]

    def score(self, query: Float, items: slice) -> Float:
        return (query[:, None] == np.arange(len(self.item_ids))[None, items]).astype(np.float32)


@dataclass
class Learner(Told):
    """Learns from the rows which value of the profile goes with which item."""

    name: ClassVar[str] = "learner"

    def _fit(self, data: TrainingData) -> None:
        assert data.rows is not None
        self.arrays = {"met": np.zeros((data.n_items, data.n_items), np.float32)}
        np.add.at(self.arrays["met"], (data.rows.user_features[:, PLACE].astype(int), data.rows.items), 1)

    def score(self, query: Float, items: slice) -> Float:
        out: Float = self.arrays["met"][query.astype(int), items]
        return out


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return ground(leaky.shop(tmp_path_factory.mktemp("leaky")), tmp_path_factory.mktemp("clean"))


@pytest.fixture
def exam(clean: Ground) -> Exam:
    return clean.exams()[0]


@pytest.fixture(autouse=True)
def _like_feast(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the label planted in what the join gives: in every row the item that the user is about to take."""

    def leaking(material: Any, events: pl.DataFrame) -> pl.DataFrame:
        return joined(material, events).with_columns(pl.col("position").cast(pl.Float32).alias(PLANTED))

    monkeypatch.setattr(features, "joined_by_feast", joined)
    monkeypatch.setattr(training, "joined_by_feast", leaking)
    monkeypatch.setitem(families.FAMILIES, "told", Told)
    monkeypatch.setitem(families.FAMILIES, "learner", Learner)


@pytest.fixture
def leaking(exam: Exam) -> Exam:
    """The exam with the first answer in each user's profile; positions are keys here, since the catalogue knows all items."""
    answers = exam.taken.group_by("user_key").agg(pl.col("item_key").first().cast(pl.Float32).alias(PLANTED))
    return replace(exam, features=exam.features.drop(PLANTED).join(answers, on="user_key", how="left"))


@pytest.mark.parametrize("model", ["item_knn", "als"])
def test_an_honest_model_falls_to_popularity(clean: Ground, exam: Exam, model: str) -> None:
    found = check_shuffle(Recipe(model), clean.material, exam)
    assert found.passed, found.finding
    assert found.tried
    real = sit(exam, fit(Recipe(model), clean.material, exam.asked)).mean("ndcg")
    assert real > 2 * found.figures["shuffled_ndcg"]  # type: ignore[operator]
    assert real > 2 * found.figures["shuffled_popularity_ndcg"]  # type: ignore[operator]


def test_a_network_falls_to_popularity(clean: Ground, exam: Exam) -> None:
    found = check_shuffle(Recipe("two_tower"), clean.material, exam)
    assert found.passed, found.finding
    assert found.figures["shuffled_users"] == len(restricted(exam).users)  # type: ignore[union-attr]


def test_a_ranker_that_is_told_the_answers_is_caught(clean: Ground, leaking: Exam) -> None:
    found = check_shuffle(Recipe("told"), clean.material, leaking)
    assert not found.passed
    assert found.finding.startswith("told fitted on shuffled labels of ")
    assert found.figures["shuffled_excess_low"] > 0.3  # type: ignore[operator]
    assert found.figures["shuffled_permutations"] == 2
    assert "leave the model out of the setting models" in found.remedy


def test_a_ranker_that_learns_the_answers_is_too_good(clean: Ground, leaking: Exam) -> None:
    """The permutation takes the planted label away from it, so this one is for the alarm; and for the as-of check, rows being wrong."""
    assert check_shuffle(Recipe("learner"), clean.material, leaking).passed
    settings = clean.material.settings
    result = sit(leaking, fit(Recipe("learner"), clean.material, leaking.asked)).per_user["ndcg"]
    popular = sit(leaking, fit(Recipe("popularity"), clean.material, leaking.asked)).per_user["ndcg"]
    scores = {name: interval(values, 400, 0) for name, values in (("learner", result), ("popularity", popular))}
    found = check_too_good(scores, ("popularity",), settings)
    assert not found.passed
    assert found.finding.startswith("learner scores 0.")
    assert "above gate_too_good 0.6" in found.finding


def test_an_excess_is_confirmed_by_a_second_permutation(clean: Ground, leaking: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    results = iter([Interval(0.2, 0.1, 0.3), Interval(0, -0.1, 0.1)])
    monkeypatch.setattr(shuffle, "interval", lambda *_: next(results))
    found = check_shuffle(Recipe("told"), clean.material, leaking)
    assert (found.passed, found.figures["shuffled_permutations"]) == (True, 2)


def test_shuffling_keeps_the_margins_and_breaks_who_took_what(clean: Ground, exam: Exam) -> None:
    data = training_data(clean.material, exam.asked, with_rows=True)
    mixed = shuffled(data, seed=1)
    old, new = data.histories, mixed.histories
    assert new.indptr.tolist() == old.indptr.tolist()
    events = [sorted(zip(h.items, h.ages, h.weights, h.taken, h.events, strict=True)) for h in (old, new)]  # type: ignore[arg-type]
    assert events[0] == events[1]
    for user in range(new.n_users):
        assert (np.diff(new.ages[new.indptr[user] : new.indptr[user + 1]]) <= 0).all()
    owners = np.repeat(np.arange(old.n_users), np.diff(old.indptr))
    same_taste = [(h.items % leaky.TASTES == clean_taste(data, owners)).mean() for h in (old, new)]
    assert same_taste[0] > 0.8
    assert same_taste[1] < 0.45
    told = [part.attributes.toarray().tolist() for part in (data, mixed)]  # type: ignore[union-attr]
    assert sorted(told[0]) == sorted(told[1])
    assert told[0] != told[1]
    assert data.rows is not None
    assert mixed.rows is not None
    assert mixed.rows.items.tolist() == data.rows.items.tolist()
    assert np.array_equal(mixed.rows.item_features, data.rows.item_features, equal_nan=True)
    assert not np.array_equal(mixed.rows.latest, data.rows.latest)
    assert np.array_equal(np.sort(mixed.rows.user_features[:, PLACE]), np.sort(data.rows.user_features[:, PLACE]))
    assert shuffled(data, seed=1).histories.items.tolist() == new.items.tolist()
    assert shuffled(data, seed=2).histories.items.tolist() != new.items.tolist()


def clean_taste(data: TrainingData, owners: Any) -> Any:
    """The taste of each event's user: users are the rows of the histories in the order of their keys, and all have events."""
    assert data.histories.n_users == leaky.USERS
    return owners % leaky.TASTES


def test_popularity_is_that_of_everybody(clean: Ground, exam: Exam) -> None:
    """The shop as one user gives the very scores of a fit on all histories, and the best of them is taken."""
    models = [Popularity(), *(RecentPopularity(half_life) for half_life in shuffle.HALF_LIVES)]
    data = training_data(clean.material, exam.asked, with_rows=False)
    want = max((sit(exam, model.fit(data)).per_user["ndcg"] for model in models), key=np.mean)
    assert best_popularity(clean.material, exam).tolist() == want.tolist()


def test_those_with_training_rows_are_learnt_from_first(exam: Exam) -> None:
    settings = exam.settings.model_copy(update={"leak_users": 100})
    lively = pl.col("user_key") < 60
    since = pl.lit(exam.asked - 2 * WEEK)
    few = replace(exam, settings=settings, events=exam.events.filter(lively | (pl.col("timestamp") <= since)))
    users = learners(few)
    assert len(users) == users.n_unique() == 100
    assert users.is_sorted()
    rows = few.events.filter("taken", pl.col("timestamp") > since)["user_key"].unique()
    assert len(rows) > 40
    assert set(rows) <= set(users)
    assert users.equals(learners(few))


def test_no_more_than_so_many_are_examined(exam: Exam) -> None:
    asked = restricted(replace(exam, settings=exam.settings.model_copy(update={"leak_users": 30})))
    assert asked is not None
    assert 20 < len(asked.users) <= 30
    assert set(asked.users.tolist()) <= set(exam.users.tolist())
    assert asked.events["user_key"].n_unique() <= 30


def test_only_what_was_never_met_is_asked_for(clean: Ground, exam: Exam) -> None:
    asked = restricted(exam)
    assert asked is not None
    pairs = ["user_key", "item_key"]
    assert asked.taken.join(exam.events, on=pairs, how="semi").is_empty()
    looked = exam.taken.join(exam.events, on=pairs, how="semi").unique(pairs)
    assert asked.taken.height + looked.height == exam.taken.height
    assert looked.height > 0
    assert asked.users.tolist() == asked.taken["user_key"].unique().sort().to_list()
    assert len(asked.activity) == len(asked.users)
    assert not asked.settings.repeat_purchases


def test_what_cannot_be_tried_says_why(clean: Ground, exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = replace(exam, taken=exam.events.select("user_key", "item_key").unique())
    for found, why in (
        (check_shuffle(None, clean.material, exam), "only popularity models were fitted"),
        (check_shuffle(Recipe("item_knn"), clean.material, nobody), "took something they had never met"),
    ):
        assert (found.passed, found.tried) == (True, False)
        assert why in found.finding

    def refuse(*_: Any) -> TrainingData:
        raise NotEnoughData("no target event in the 2 weeks before")

    monkeypatch.setattr(shuffle, "training_data", refuse)
    found = check_shuffle(Recipe("told"), clean.material, exam)
    assert (found.passed, found.tried) == (True, False)
    assert "told cannot learn from 150 users: no target event" in found.finding


def scores(**means: float) -> dict[str, Interval]:
    return {name: Interval(mean, mean * 0.8, mean * 1.2) for name, mean in means.items()}


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (scores(popularity=0.01, als=0.0375), None),
        (scores(popularity=0.01, als=0.61), "als scores 0.6100 [0.4880, 0.7320], above gate_too_good 0.6"),
        (scores(popularity=0.01, als=0.2), f"wholly above 0.1200: more than {TIMES} times what popularity could score (0.0120)"),
        (scores(popularity=0.0, als=FLOOR), None),  # of a few users popularity may find nothing for anyone
        (scores(popularity=0.01, recent_popularity=0.03, als=0.2), None),
        (scores(popularity=0.7), "popularity scores 0.7000"),
    ],
)
def test_the_alarm(clean: Ground, named: dict[str, Interval], why: str | None) -> None:
    found = check_too_good(named, [name for name in BASELINES if name in named], clean.material.settings)
    assert found.passed is (why is None)
    assert why is None or why in found.finding
    assert "OUTFITTER_GATE_TOO_GOOD=1" in found.remedy or why is None


@pytest.mark.parametrize("update", [{"repeat_purchases": True}, {"gate_too_good": 1.0}])
def test_the_alarm_by_popularity_can_be_out_of_place(clean: Ground, update: dict[str, Any]) -> None:
    settings = clean.material.settings.model_copy(update=update)
    assert check_too_good(scores(popularity=0.01, als=0.5), ("popularity",), settings).passed


def test_the_suspect_is_the_best_that_learns_from_persons() -> None:
    named = {Recipe(name): Interval(mean, 0, 1) for name, mean in (("popularity", 0.3), ("als", 0.1), ("item_knn", 0.2))}
    assert suspect(named, BASELINES) == Recipe("item_knn")
    assert suspect({Recipe("popularity"): Interval(0.3, 0, 1)}, BASELINES) is None


def test_the_suite_finds_a_clean_training_clean(clean: Ground, tmp_path: Path) -> None:
    heard: list[str] = []
    named = {Recipe("popularity"): Interval(0.05, 0.04, 0.06), Recipe("item_knn"): Interval(0.1, 0.09, 0.11)}
    report = look_for_leaks(clean.material, clean.windows, clean.exams(), named, BASELINES[:1], heard.append)
    assert report.passed, report.line
    names_ = ["as-of features", "last items", "planted canary", "exams", "label shuffle", "too good"]
    assert [check.name for check in report.checks] == names_
    assert all(check.tried for check in report.checks)
    assert len(heard) == 3
