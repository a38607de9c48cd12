"""The gate: every verdict on results made to earn it, and reasons that say what was measured."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.base import Recipe
from outfitter.evaluation.bootstrap import users_needed
from outfitter.evaluation.exam import Result
from outfitter.registry import gate as gate_module
from outfitter.registry.gate import Decision, decide
from outfitter.registry.guardrails import Guardrail, Mask
from outfitter.registry.records import read_decision
from outfitter.settings import Settings

Values = NDArray[np.float64]
USERS = 2000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, bootstrap_samples=400)


def scores(users: int = USERS, seed: int = 0) -> Values:
    """NDCG as rankings give it: nothing for most, something for one in four."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(users) < 0.25, rng.uniform(0.2, 0.9, users), 0.0)


def result(
    ndcg: Values, model: str = "item_knn", coverage: float = 0.5, seconds: float = 0.1, megabytes: float = 10, popularity: float = 0.6
) -> Result:
    return Result(Recipe(model), {"ndcg": ndcg}, coverage, seconds, np.empty((len(ndcg), 0), np.int32), megabytes, popularity)


def gate(
    challenger: Values | Result,
    champion: Values,
    settings: Settings,
    *,
    baselines: tuple[Result, ...] = (),
    segments: Mapping[str, Mask] | None = None,
    refresh: bool = False,
) -> Decision:
    rival = challenger if isinstance(challenger, Result) else result(challenger)
    return decide(rival, result(champion, "popularity"), baselines, segments or {}, settings, refresh)


def test_a_clear_gain_is_promoted(settings: Settings) -> None:
    decision = gate(scores() * 1.2, scores(), settings)
    assert decision.verdict == "promoted"
    assert decision.goes_live
    assert decision.relative_gain == pytest.approx(0.2)
    assert decision.gain is not None
    assert 0 < decision.gain.low < decision.gain.mean
    assert (decision.challenger, decision.champion, decision.users) == ("item_knn", "popularity", USERS)
    assert f"{scores().mean() * 1.2:.4f} against {scores().mean():.4f} on 2,000 users" in decision.reason


def test_enough_users_and_no_gain_is_not_better(settings: Settings) -> None:
    decision = gate(scores() * (1 + np.random.default_rng(1).normal(0, 0.05, USERS)), scores(), settings)
    assert decision.verdict == "not better"
    assert decision.users_needed is not None
    assert decision.users_needed <= USERS
    assert not decision.goes_live


def test_a_clear_loss_is_not_better_however_few_the_users_for_a_gain(settings: Settings) -> None:
    decision = gate(scores(seed=1) * 0.3, scores(seed=2), settings)
    assert decision.users_needed is not None
    assert decision.users_needed > USERS
    assert decision.verdict == "not better"


def test_few_users_are_not_enough_evidence_and_the_reason_says_how_few(settings: Settings) -> None:
    challenger, champion = scores(299, seed=1) * 3, scores(299, seed=2)
    decision = gate(challenger, champion, settings)
    assert decision.verdict == "not enough evidence"
    tests = settings.gate_alpha, settings.gate_power, settings.bootstrap_samples
    needed = users_needed(challenger - champion, settings.gate_effect * champion.mean(), *tests)
    assert decision.detectable is not None
    assert decision.reason == (
        f"299 users acted in the test window, {needed:,} are needed; only a gain of {decision.detectable:.0%} or more could have been seen"
    )
    assert decision.detectable == pytest.approx(settings.gate_effect * math.sqrt(needed / 299), rel=0.01)


def test_one_user_more_is_enough_to_judge(settings: Settings) -> None:
    assert gate(scores(300) * 1.2, scores(300), settings).verdict == "promoted"


def test_many_users_may_still_be_too_few(settings: Settings) -> None:
    decision = gate(scores(seed=1), scores(seed=2), settings)
    assert decision.verdict == "not enough evidence"
    assert decision.users_needed is not None
    assert decision.users_needed > USERS
    assert f"a gain of 5% needs {decision.users_needed:,} users; only a gain of" in decision.reason


@pytest.mark.parametrize("users", [1, 50, USERS])
@pytest.mark.parametrize("refresh", [False, True])
def test_where_no_model_found_anything_nothing_is_measured(settings: Settings, users: int, refresh: bool) -> None:
    decision = gate(np.zeros(users), np.zeros(users), settings, refresh=refresh)
    assert decision.verdict == "not enough evidence"
    assert decision.reason == f"no model found anything that the {users:,} users of the test window took: nothing can be measured"
    assert decision.users_needed is decision.relative_gain is decision.detectable is None


@pytest.mark.parametrize("users", [1, 2, 50])
def test_the_same_lists_for_few_users_claim_no_power(settings: Settings, users: int) -> None:
    decision = gate(np.full(users, 0.5), np.full(users, 0.5), settings)
    assert decision.verdict == "not enough evidence"
    assert decision.reason == f"{users} users acted in the test window, 300 are needed"


def test_the_same_lists_for_many_users_are_not_better(settings: Settings) -> None:
    decision = gate(scores(), scores(), settings)
    assert decision.verdict == "not better"
    assert decision.relative_gain == 0


def test_a_champion_that_found_nothing_is_beaten_without_a_percentage(settings: Settings) -> None:
    decision = gate(scores(), np.zeros(USERS), settings)
    assert decision.verdict == "promoted"
    assert decision.relative_gain is decision.detectable is decision.users_needed is None
    hardly = np.zeros(USERS)
    hardly[0] = 0.5
    decision = gate(hardly, np.zeros(USERS), settings)
    assert decision.verdict == "not enough evidence"
    assert "the champion found nothing" in decision.reason
    assert "%" not in gate(hardly[:50], np.zeros(50), settings).reason


def test_what_is_too_good_looks_like_a_leak(settings: Settings) -> None:
    champion = scores()
    decision = gate(np.full(USERS, 0.61), champion, settings)
    assert decision.verdict == "too good"
    assert "a leak of the future" in decision.reason
    assert gate(np.full(USERS, 0.6), champion, settings).verdict == "promoted"
    assert gate(np.full(USERS, 0.61), champion, settings, refresh=True).verdict == "too good"


@pytest.mark.parametrize(("level", "verdict"), [(0.99, "refreshed"), (0.9, "not better"), (1.1, "refreshed")])
def test_a_refresh_must_not_be_worse_by_the_margin(settings: Settings, level: float, verdict: str) -> None:
    decision = gate(scores() * level, scores(), settings, refresh=True)
    assert decision.verdict == verdict
    assert ("not worse than before" if verdict == "refreshed" else "the refresh may be worse") in decision.reason


def test_the_margin_is_a_setting(settings: Settings) -> None:
    wide = settings.model_copy(update={"gate_margin": 0.2})
    assert gate(scores() * 0.9, scores(), wide, refresh=True).verdict == "refreshed"


def test_a_baseline_that_is_as_good_stops_a_challenger(settings: Settings) -> None:
    better = result(scores() * 1.5, "recent_popularity")
    decision = gate(scores() * 1.2, scores(), settings, baselines=(result(scores() * 0.9, "popularity"), better))
    assert decision.verdict == "not better"
    assert [(one.rival, one.gain.low > 0, one.p < 0.025) for one in decision.comparisons] == [
        ("popularity", True, True),
        ("popularity", True, True),
        ("recent_popularity", False, False),
    ]
    assert decision.reason.startswith("not shown to be better than the baseline recent_popularity")
    assert gate(scores() * 1.2, scores(), settings, baselines=(result(scores()),)).verdict == "promoted"
    assert gate(scores() * 1.2, scores(), settings, baselines=(result(scores() * 1.2),)).verdict == "not better"


def segment(**masks: Any) -> dict[str, Mask]:
    return {name: np.isin(np.arange(USERS), np.asarray(mask)) for name, mask in masks.items()}


def broken(decision: Decision) -> list[str]:
    return [rail.name for rail in decision.guardrails if not rail.holds]


@pytest.mark.parametrize("refresh", [False, True])
def test_a_gain_at_the_cost_of_a_segment_is_stopped(settings: Settings, refresh: bool) -> None:
    few = np.arange(USERS) < 400
    challenger = np.where(few, scores() * 0.5, scores() * 1.6)
    decision = gate(challenger, scores(), settings, segments=segment(new=range(400), old=range(400, USERS)), refresh=refresh)
    assert decision.verdict == "guardrail"
    assert broken(decision) == ["segment 'new'"]
    assert decision.reason.startswith("segment 'new': NDCG change -")
    assert "over 400 users" in decision.reason


def test_a_loss_within_the_margin_or_by_accident_does_no_harm(settings: Settings) -> None:
    few = np.arange(USERS) < 400
    slight = gate(np.where(few, scores() * 0.97, scores() * 1.6), scores(), settings, segments=segment(new=range(400)))
    assert (slight.verdict, broken(slight)) == ("promoted", [])
    one = int(np.flatnonzero(scores())[0])
    challenger = scores() * 1.6
    challenger[one] = 0
    accident = gate(challenger, scores(), settings, segments=segment(new=[one, *np.flatnonzero(scores() == 0)[:50]]))
    assert (accident.verdict, broken(accident)) == ("promoted", [])


def test_nobody_and_one_user_make_no_segment(settings: Settings) -> None:
    decision = gate(scores() * 1.2, scores(), settings, segments=segment(none=[], one=[3], two=[3, 4]))
    assert [rail.name for rail in decision.guardrails] == ["segment 'two'", "coverage", "popularity", "latency", "memory"]


@pytest.mark.parametrize(("coverage", "verdict"), [(0.25, "promoted"), (0.249, "guardrail")])
def test_a_challenger_that_shows_too_little_is_stopped(settings: Settings, coverage: float, verdict: str) -> None:
    decision = gate(result(scores() * 1.2, coverage=coverage), scores(), settings)
    assert decision.verdict == verdict
    assert broken(decision) == ([] if verdict == "promoted" else ["coverage"])


@pytest.mark.parametrize(("seconds", "verdict"), [(40.0, "promoted"), (40.1, "guardrail")])
def test_a_challenger_that_is_too_slow_is_stopped(settings: Settings, seconds: float, verdict: str) -> None:
    decision = gate(result(scores() * 1.2, seconds=seconds), scores(), settings)
    assert decision.verdict == verdict
    assert broken(decision) == ([] if verdict == "promoted" else ["latency"])


@pytest.mark.parametrize(("popularity", "verdict"), [(0.7, "promoted"), (0.71, "guardrail"), (0.0, "promoted")])
def test_a_challenger_that_shows_what_everybody_buys_is_stopped(settings: Settings, popularity: float, verdict: str) -> None:
    decision = gate(result(scores() * 1.2, popularity=popularity), scores(), settings)
    assert decision.verdict == verdict
    assert broken(decision) == ([] if verdict == "promoted" else ["popularity"])


@pytest.mark.parametrize(("megabytes", "verdict"), [(4096.0, "promoted"), (4096.1, "guardrail")])
def test_a_challenger_that_is_too_large_is_stopped(settings: Settings, megabytes: float, verdict: str) -> None:
    decision = gate(result(scores() * 1.2, megabytes=megabytes), scores(), settings)
    assert decision.verdict == verdict
    assert broken(decision) == ([] if verdict == "promoted" else ["memory"])


def test_each_of_many_segments_must_look_more_harmed_than_one_alone(settings: Settings) -> None:
    """What one interval in forty shows by accident stops a promotion when it is the only segment, and not when it is one of forty."""
    rng = np.random.default_rng(4)
    before = scores()
    now = before * 1.6
    now[:400] = before[:400] * 0.9 + rng.normal(0, 0.09, 400) - 0.004
    alone = gate(now, before, settings, segments=segment(new=range(400)))
    others = {f"s{place}": range(400 + 40 * place, 440 + 40 * place) for place in range(40)}
    among = gate(now, before, settings, segments=segment(new=range(400), **others))
    assert (broken(alone), broken(among)) == (["segment 'new'"], [])


def test_a_gain_that_sign_flips_do_not_see_is_none(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "p_better", lambda *_: 0.04)
    decision = gate(scores() * 1.2, scores(), settings)
    assert decision.verdict == "not better"
    assert "flipping signs at random does as well in 4.0% of all cases" in decision.reason


def test_a_guardrail_does_not_hide_that_nothing_was_gained(settings: Settings) -> None:
    decision = gate(result(scores(), coverage=0), scores(), settings)
    assert decision.verdict == "not better"
    assert broken(decision) == ["coverage"]


@pytest.mark.parametrize(
    "decision",
    [
        Decision("bootstrap", "nothing was in production", "popularity"),
        Decision("guardrail", "too slow", "als", "popularity", 10, guardrails=(Guardrail("latency", False, "21 ms"),)),
    ],
)
def test_a_decision_survives_being_written_down(decision: Decision) -> None:
    assert read_decision(json.dumps(decision.record())) == decision


def test_a_real_decision_survives_too(settings: Settings) -> None:
    decision = gate(scores() * 1.2, scores(), settings, segments=segment(some=range(100)))
    assert read_decision(json.dumps(decision.record(), allow_nan=False)) == decision
