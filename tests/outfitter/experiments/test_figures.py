"""Figures of answers written by hand: folds and seeds pooled, groups apart, users as what is resampled."""

from __future__ import annotations

import numpy as np
import pytest

from models.metrics import RANKING, Truth
from outfitter.evaluation.folds import Rated
from outfitter.experiments import figures
from outfitter.experiments.figures import EVERYONE, WITH, WITHOUT, Asked, Resampling
from outfitter.experiments.worker import Answer
from tests.models.worlds import histories

SEEN = Resampling(200, 0)
NDCG, HIT = list(RANKING).index("ndcg"), list(RANKING).index("hit_rate")
SECOND = 1 / np.log2(3)


def asked(name: str, users: list[int], truth: list[int], known: list[bool], stars: list[float] | None = None) -> Asked:
    """Each user took one item; ``stars`` are one rating of each."""
    rows = Truth(np.arange(len(users) + 1), np.array(truth, np.int32))
    who, ends, items = np.array(users, np.int32), np.arange(len(users) + 1), np.array(truth, np.int32)
    rated = None if stars is None else Rated(histories([[0]] * len(users)), who, ends, items, np.array(stars, np.float32))
    return Asked(name, who, np.array(known), rows, 4, rated)


def answer(fold: str, seed: int, shown: list[list[int]], predicted: list[float] | None = None) -> Answer:
    stars = None if predicted is None else np.array(predicted, np.float32)
    return Answer(fold, seed, np.array(shown, np.int32), stars, 1.0, 2.0, 3.0, 4.0)


FOLDS = [asked("one", [7, 8], [0, 1], [True, False]), asked("two", [8], [2], [True])]
ANSWERS = [answer("one", 0, [[0, 1], [0, 1]]), answer("two", 0, [[3, 1]]), answer("one", 1, [[3, 0], [0, 1]]), answer("two", 1, [[2, 1]])]


def test_folds_follow_each_other_and_seeds_are_averaged() -> None:
    found = figures.per_user(ANSWERS, FOLDS)
    assert found[:, NDCG].tolist() == pytest.approx([(1 + SECOND) / 2, SECOND, 0.5])
    assert found[:, HIT].tolist() == [1, 1, 0.5]


def test_each_group_has_its_figures_and_differences() -> None:
    own = figures.per_user(ANSWERS, FOLDS)
    told = figures.ranking(own, np.zeros_like(own), FOLDS, SEEN)
    assert {name: (group["asked"], group["users"]) for name, group in told.items()} == {EVERYONE: (3, 2), WITH: (2, 2), WITHOUT: (1, 1)}
    assert told[EVERYONE]["metrics"]["hit_rate"]["mean"] == pytest.approx(2.5 / 3)
    assert told[WITH]["metrics"]["hit_rate"]["mean"] == pytest.approx(0.75)
    assert told[WITHOUT]["metrics"]["ndcg"] == pytest.approx({"mean": SECOND, "low": SECOND, "high": SECOND})
    assert told[WITH]["against_reference"] == told[WITH]["metrics"], "the reference found nothing"
    same = figures.ranking(own, own, FOLDS, SEEN)[EVERYONE]["against_reference"]["ndcg"]
    assert same == {"mean": 0, "low": 0, "high": 0}


def test_a_user_is_resampled_with_all_their_folds() -> None:
    """Two users, one of them nine times: drawn one by one, the ten rows would nearly never all be of the same one."""
    folds = [asked(str(place), [0], [0], [True]) for place in range(9)] + [asked("last", [1], [0], [True])]
    answers = [answer(str(place), 0, [[0]]) for place in range(9)] + [answer("last", 0, [[1]])]
    found = figures.ranking(figures.per_user(answers, folds), np.zeros((10, len(RANKING))), folds, SEEN)[EVERYONE]
    assert found["metrics"]["hit_rate"] == {"mean": 0.9, "low": 0, "high": 1}
    assert set(figures.ranking(figures.per_user(answers, folds), np.zeros((10, len(RANKING))), folds, SEEN)) == {EVERYONE}


def test_what_chance_alone_moves_is_told_by_seed() -> None:
    first, second = figures.by_seed(ANSWERS, FOLDS)
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["ndcg"] == pytest.approx((1 + SECOND + 0) / 3)
    assert second["hit_rate"] == pytest.approx(1)


def test_coverage_is_of_what_could_be_shown() -> None:
    assert figures.coverage(ANSWERS, FOLDS) == pytest.approx(np.mean([2 / 4, 2 / 4, 3 / 4, 2 / 4]))


def test_errors_in_stars() -> None:
    folds = [asked("one", [7, 8], [0, 1], [True, True], [4, 2]), asked("two", [9], [2], [True]), asked("three", [8], [1], [True], [5])]
    said = [answer("one", 0, [[0]] * 2, [3, 2]), answer("two", 0, [[0]]), answer("three", 0, [[0]], [2])]
    said += [answer("one", 1, [[0]] * 2, [2, 4]), answer("two", 1, [[0]]), answer("three", 1, [[0]], [4])]
    found = figures.errors(said, folds)
    assert found is not None
    assert found.tolist() == [[(1 + 4) / 2, 1.5], [(0 + 4) / 2, 1], [(9 + 1) / 2, 2]]
    told = figures.stars(found, found, said, folds, SEEN)
    assert (told["ratings"], told["users"]) == (3, 2)
    assert told["metrics"]["rmse"]["mean"] == pytest.approx(np.sqrt((2.5 + 2 + 5) / 3))
    assert told["metrics"]["mae"]["mean"] == pytest.approx(1.5)
    assert told["metrics"]["rmse"]["low"] == pytest.approx(np.sqrt(2.5)), "user 7 alone"
    assert told["against_reference"]["squared_error"]["high"] == 0
    given, foretold = [4, 2, 5], ([3, 2, 2], [2, 4, 4])
    assert told["metrics"]["pearson"] == pytest.approx(np.mean([np.corrcoef(given, each)[0, 1] for each in foretold]))
    same = [answer(one.fold, 0, [[0]] * len(one.shown), None if one.predicted is None else [3.0] * len(one.shown)) for one in said[:3]]
    assert figures.stars(found, found, same, folds, SEEN)["metrics"]["pearson"] is None, "what never varies has no correlation"


def test_models_that_foretell_nothing_have_no_errors() -> None:
    assert figures.errors(ANSWERS, FOLDS) is None
    rated = [asked("one", [7, 8], [0, 1], [True, True], [4, 2]), asked("two", [9], [2], [True], [3])]
    assert figures.errors(ANSWERS, rated) is None
    partly = [answer("one", 0, [[0]] * 2, [3, 2]), answer("two", 0, [[0]])]
    assert figures.errors(partly, rated) is None, "errors of fewer ratings than the others' cannot stand beside them"
