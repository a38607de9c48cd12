"""The gate asked again and again: how often it promotes, and how sure that figure is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, chi2, norm

from outfitter.evaluation.bootstrap import detectable_effect, users_needed
from outfitter.evaluation.exam import METRIC, PerUser
from outfitter.registry.gate import Decision, decide
from outfitter.settings import Settings
from tests.simulation.fields import Match, Rng

Draw = Callable[[Rng, int], Match]
MANY = 100_000
TESTS = ("bootstrap", "flips", "both", "promoted")
"""What a challenger may have passed: the bootstrap against the champion, sign flips against it, both of them, the whole gate."""


@dataclass(frozen=True)
class Counted:
    """Of ``tries`` matches on so many users: how many each of ``TESTS`` let through, and how many there were of each verdict."""

    users: int
    tries: int
    passed: dict[str, int]
    verdicts: dict[str, int]

    def rate(self, test: str = "promoted") -> float:
        return self.passed[test] / self.tries

    def upper(self, test: str = "promoted") -> float:
        return upper_bound(self.passed[test], self.tries)

    def __add__(self, more: Counted) -> Counted:
        """Both together; of different sizes, ``users`` is 0."""
        users = self.users if self.users == more.users else 0
        sums = ({name: one.get(name, 0) + two.get(name, 0) for name in {**one, **two}} for one, two in self._beside(more))
        return Counted(users, self.tries + more.tries, *sums)

    def _beside(self, more: Counted) -> tuple[tuple[dict[str, int], dict[str, int]], ...]:
        return (self.passed, more.passed), (self.verdicts, more.verdicts)


def upper_bound(times: int, tries: int, confidence: float = 0.95) -> float:
    """The one-sided upper bound of a rate (Clopper and Pearson, The use of confidence or fiducial limits, Biometrika, 1934)."""
    return 1.0 if times == tries else float(beta.ppf(confidence, times + 1, tries - times))


def lower_bound(times: int, tries: int, confidence: float = 0.95) -> float:
    """The one-sided lower bound of a rate."""
    return 1 - upper_bound(tries - times, tries, confidence)


def bound_by_spread(z: Sequence[float], alpha: float, confidence: float = 0.95) -> float:
    """The upper bound of the rate at which a test of error ``alpha`` rejects, by how widely its statistic spreads around 0.

    Where the statistic is normal, and either model as likely to be the challenger: by the upper bound of its deviation, which chi-squared
    gives far more narrowly than a count of rare events does.
    """
    deviation = float(np.sqrt(np.square(z).sum() / chi2.ppf(1 - confidence, len(z))))
    return float(norm.sf(norm.isf(alpha) / deviation))


def judged(draw: Draw, users: int, tries: int, settings: Settings, seed: int = 0) -> Counted:
    """Draw a match on so many users and let the gate decide, ``tries`` times. The same seed gives the same matches."""
    rng, passed, verdicts = np.random.default_rng([seed, users]), Counter(dict.fromkeys(TESTS, 0)), Counter[str]()
    for _ in range(tries):
        match = draw(rng, users)
        decision = decide(match.challenger, match.champion, match.baselines, match.segments, settings, refresh=False)
        passed.update(tests_passed(decision, settings))
        verdicts[decision.verdict] += 1
    return Counted(users, tries, dict(passed), dict(verdicts))


def tests_passed(decision: Decision, settings: Settings) -> list[str]:
    """Which of ``TESTS`` a decision passed, on as many users as the gate wants at least."""
    champion, enough = decision.comparisons[0], decision.users >= settings.gate_min_users
    shown = {"bootstrap": champion.gain.low > 0, "flips": champion.p <= settings.gate_alpha}
    shown |= {"both": champion.shows_a_gain(settings.gate_alpha)}
    return [name for name, so in shown.items() if so and enough] + (["promoted"] if decision.verdict == "promoted" else [])


def planned(draw: Draw, settings: Settings, seed: int = 0) -> int:
    """How many users the planner names for a gain of ``gate_effect`` when it sees ``MANY``: what it says without its own noise."""
    differences, level = _many(draw, seed)
    return users_needed(differences, settings.gate_effect * level, settings.gate_alpha, settings.gate_power, settings.bootstrap_samples)


def detectable(draw: Draw, users: int, settings: Settings, seed: int = 0) -> float:
    """The relative gain that the planner says so many users can show."""
    differences, level = _many(draw, seed)
    seen = detectable_effect(differences, settings.gate_alpha, settings.gate_power, settings.bootstrap_samples)
    return seen * math.sqrt(MANY / users) / level


def _many(draw: Draw, seed: int) -> tuple[PerUser, float]:
    """The differences of ``MANY`` users, and the champion's mean."""
    match = draw(np.random.default_rng(seed), MANY)
    before = match.champion.per_user[METRIC]
    return match.challenger.per_user[METRIC] - before, float(before.mean())
