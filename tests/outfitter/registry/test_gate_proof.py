"""That the gate can be believed, by simulation: it seldom promotes what is no better, it sees what is, and it stops what must not pass.

The figures of the long runs, and what the gate cannot see, are in docs/gate.md.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models.base import Recipe
from outfitter.evaluation.exam import METRIC, Result
from outfitter.settings import Settings
from tests.simulation.fields import Field, by_halves, by_seeds, field
from tests.simulation.judging import Counted, bound_by_spread, judged, lower_bound, planned, upper_bound
from tests.simulation.rejections import SHOP, WEAK, WINDOW_DAYS, Bench
from tests.simulation.seasons import OFTEN_EQUAL, UNCONTESTED, seasons
from tests.simulation.shops import opened

KNN = Recipe("item_knn")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, mlflow_here: None) -> Bench:
    home = tmp_path_factory.mktemp("proof") / "home"
    return Bench(opened(SHOP, Settings(home=home, window_days=WINDOW_DAYS, training_cutoffs=1)))


@pytest.fixture(scope="module")
def neighbours(bench: Bench) -> Result:
    return bench.sat(KNN)


@pytest.fixture(scope="module")
def halves(bench: Bench) -> Field:
    """Item-KNN on one half of the users and on the other, and a baseline that is far below both."""
    return field("halves", by_halves(bench.ground, bench.exam, KNN.model), [bench.baseline], bench.exam)


def test_a_ranker_that_is_told_every_answer_is_too_good_and_its_feature_is_named(bench: Bench, neighbours: Result) -> None:
    found = bench.told(1.0, neighbours)
    assert found.verdict == "too good"
    assert "which looks like a leak" in found.reason
    assert "feature 'repurchase_share' of user" in found.leak


def test_a_ranker_that_is_told_a_few_answers_passes_the_gate_and_not_the_leak_check_before_it(bench: Bench, neighbours: Result) -> None:
    found = bench.told(0.25, neighbours)
    assert found.ndcg < bench.exam.settings.gate_too_good
    assert found.verdict == "promoted", "if the gate has learnt to see it, docs/gate.md says too little of it"
    assert "in the exam's profiles" in found.leak


def test_a_better_model_that_fails_new_users_is_stopped_and_the_segment_named(bench: Bench) -> None:
    found = bench.failing(KNN, bench.baseline)
    assert found.ndcg > 1.1 * found.champion
    assert (found.verdict, found.reason.split(":")[0]) == ("guardrail", "segment 'no history'")


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_popularity_by_another_name_is_not_better(bench: Bench, share: float) -> None:
    assert bench.dressed(share, bench.baseline).verdict == "not better"
    over_a_weak_one = bench.dressed(share, bench.sat(WEAK))
    assert over_a_weak_one.ndcg > 1.5 * over_a_weak_one.champion
    assert over_a_weak_one.verdict == "not better"
    assert over_a_weak_one.reason.startswith("not shown to be better than the baseline recent_popularity")


def test_matches_are_of_equal_models_or_of_the_gain_that_is_planted(halves: Field, neighbours: Result) -> None:
    rng, users = np.random.default_rng(0), 400_000
    for gain in (0.0, 0.2):
        match = halves.swapped(rng, users, gain)
        differences, level = match.challenger.per_user[METRIC] - match.champion.per_user[METRIC], match.champion.mean(METRIC)
        error = 4 * differences.std() / users**0.5 / level
        assert differences.mean() / level == pytest.approx(gain, abs=error)
    with pytest.raises(ValueError, match="a gain of 900% cannot be planted"):
        halves.swapped(rng, 10, 9.0)
    even = halves.levelled(rng, users, halves.one)
    assert even.challenger.mean(METRIC) == pytest.approx(even.champion.mean(METRIC), rel=0.02)
    with pytest.raises(ValueError, match="does not lie between"):
        halves.levelled(rng, 10, neighbours)


def test_bounds_of_a_rate() -> None:
    assert upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert upper_bound(4, 200) < 0.05 < upper_bound(5, 200)
    assert (upper_bound(7, 7), lower_bound(0, 7)) == (1, 0)
    z = np.random.default_rng(0).normal(0, 1, 4_000)
    assert 0.025 < bound_by_spread(z.tolist(), 0.025) < 0.03
    assert bound_by_spread((1.3 * z).tolist(), 0.025) > 0.06


def test_a_few_hundred_matches_of_equal_models(bench: Bench, halves: Field) -> None:
    """So few can show no more than that the rate is not far from the error promised, and that two tests let less through than one."""
    found = judged(halves.swapped, 300, 300, bench.exam.settings)
    assert found.upper() < 0.07
    assert found.passed["both"] <= min(found.passed["bootstrap"], found.passed["flips"])
    assert judged(halves.swapped, 299, 5, bench.exam.settings).verdicts == {"not enough evidence": 5}


@pytest.mark.slow
def test_false_promotions_of_five_thousand_matches(bench: Bench, halves: Field) -> None:
    settings = bench.exam.settings
    seeds = [field(model, by_seeds(bench.ground, bench.exam, model), [bench.baseline], bench.exam) for model in ("als", "bpr")]
    found = [judged(one.swapped, users, 420, settings) for one in (halves, *seeds) for users in (300, len(bench.exam.users), 1_000, 5_000)]
    total = sum(found[1:], start=found[0])
    assert total.tries >= 5_000
    assert total.upper() <= 0.05
    assert total.upper("both") <= 0.05
    assert all(lower_bound(one.passed["both"], one.tries) <= 0.05 for one in found)


@pytest.mark.slow
def test_a_gain_of_five_percent_is_seen_at_the_size_that_the_planner_names(bench: Bench, halves: Field) -> None:
    settings = bench.exam.settings
    draw = partial(halves.swapped, gain=settings.gate_effect)
    found = judged(draw, planned(draw, settings), 2_000, settings)
    assert _at_least(found, settings.gate_power)


def _at_least(found: Counted, power: float) -> bool:
    """Whether so many tries leave it open that the chance is ``power``, and no more than 2 points can be missing."""
    promoted = found.passed["promoted"]
    return upper_bound(promoted, found.tries) >= power and lower_bound(promoted, found.tries) >= power - 0.02


@pytest.mark.slow
def test_false_promotions_end_to_end(blank_mlflow: Path, mlflow_here: None) -> None:
    """200 shops whose challenger and champion met: not shown to err more often than promised, and by their spread not above 5%.

    The rate alone would be shown to be below 5% only by 4 promotions or fewer; docs/gate.md counts those of more shops.
    """
    met = [one for one in seasons(OFTEN_EQUAL, range(240), blank_mlflow) if one.verdict != UNCONTESTED][:200]
    assert len(met) == 200
    assert min(one.users for one in met) >= 300
    promoted = sum(one.verdict == "promoted" for one in met)
    assert lower_bound(promoted, len(met)) <= 0.025
    assert bound_by_spread([one.z for one in met], 0.025) <= 0.05
