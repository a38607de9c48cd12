"""Results of one exam from which matches are drawn: models that are equal but different, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.base import Recipe
from models.families import build
from outfitter.evaluation.exam import METRIC, Exam, Result, sit
from outfitter.evaluation.training import Material, fit, training_data
from outfitter.registry.guardrails import Mask, segments
from tests.simulation.shops import Ground

Rng = np.random.Generator


@dataclass(frozen=True)
class Match:
    """What the gate is asked to judge."""

    challenger: Result
    champion: Result
    baselines: tuple[Result, ...]
    segments: Mapping[str, Mask]


@dataclass(frozen=True)
class Field:
    """Two models and the baselines, as they sat one exam of n users; its masks are bool[n]. ``about`` says what the two are."""

    about: str
    one: Result
    other: Result
    baselines: tuple[Result, ...]
    segments: Mapping[str, Mask]

    @property
    def users(self) -> int:
        return len(self.one.per_user[METRIC])

    def swapped(self, rng: Rng, users: int, gain: float = 0.0) -> Match:
        """Users drawn with replacement; for each a coin says which model's list is the challenger's; the champion has the other's.

        So neither is better in truth, and what a user's scores are like is real. gain: the challenger's true mean exceeds the champion's by
        this share. With the probability that this takes, a user gets the better of the two lists instead of the coin's. Raises ValueError
        for more than even the better list of every user would give.
        """
        rows, coin = rng.integers(0, self.users, users), rng.random(users) < 0.5
        ahead = self.one.per_user[METRIC][rows] >= self.other.per_user[METRIC][rows]
        lucky = rng.random(users) < self._chance(gain)
        challenger = _mixed(self.one, self.other, np.where(lucky, ahead, coin), rows)
        return self._match(challenger, _mixed(self.one, self.other, ~coin, rows), rows)

    def _chance(self, gain: float) -> float:
        a, b = self.one.per_user[METRIC], self.other.per_user[METRIC]
        level = float((a + b).mean()) / 2
        chance = gain * level / (float(np.maximum(a, b).mean()) - level)
        if not 0 <= chance <= 1:
            raise ValueError(f"a gain of {gain:.0%} cannot be planted on {self.about}")
        return chance

    def levelled(self, rng: Rng, users: int, champion: Result) -> Match:
        """Users drawn with replacement; each gets the list of one model or, by chance, of the other, so that the mean is ``champion``'s.

        The challenger is as good as the champion in truth, and its gains and losses are not of one shape. Raises ValueError where the
        champion is not between the two.
        """
        rows = rng.integers(0, self.users, users)
        low, high = sorted((self.one, self.other), key=lambda result: result.mean(METRIC))
        chance = (champion.mean(METRIC) - low.mean(METRIC)) / (high.mean(METRIC) - low.mean(METRIC))
        if not 0 <= chance <= 1:
            raise ValueError(f"{champion.recipe.model} does not lie between {low.recipe.model} and {high.recipe.model}")
        return self._match(_mixed(high, low, rng.random(users) < chance, rows), _mixed(champion, champion, rows >= 0, rows), rows)

    def _match(self, challenger: Result, champion: Result, rows: NDArray[np.int64]) -> Match:
        baselines = tuple(_mixed(baseline, baseline, rows >= 0, rows) for baseline in self.baselines)
        return Match(challenger, champion, baselines, {name: mask[rows] for name, mask in self.segments.items()})


def _mixed(one: Result, other: Result, first: Mask, rows: NDArray[np.int64]) -> Result:
    """For each of ``rows`` what ``one`` scored and showed where ``first``, else what ``other`` did.

    What is said of all lists together (coverage, popularity, time, memory) is the mean of the two, the time by how many users there are.
    """
    scores = {name: np.where(first, values[rows], other.per_user[name][rows]) for name, values in one.per_user.items()}
    shown = np.where(first[:, None], one.shown[rows], other.shown[rows])
    seconds = (one.seconds + other.seconds) / 2 * len(rows) / len(one.shown)
    together = ((one.coverage + other.coverage) / 2, seconds, shown, (one.megabytes + other.megabytes) / 2)
    return Result(one.recipe, scores, *together, (one.popularity + other.popularity) / 2)


def result(exam: Exam, material: Material, recipe: Recipe) -> Result:
    """What a recipe scores that is fitted on all that was known."""
    return sit(exam, fit(recipe, material, exam.asked))


def by_seeds(ground: Ground, exam: Exam, model: str, seeds: tuple[int, int] = (0, 1)) -> tuple[Result, Result]:
    """The same recipe on the same data with two seeds."""
    one, other = (result(exam, ground.material, Recipe(model, (("seed", seed),))) for seed in seeds)
    return one, other


def by_halves(ground: Ground, exam: Exam, model: str, seed: int = 0) -> tuple[Result, Result]:
    """The same recipe, each on the histories of a random half of the users; both answer for everyone."""
    users = np.random.default_rng(seed).permutation(exam.events["user_key"].unique().sort().to_numpy())
    one, other = (
        build(Recipe(model)).fit(training_data(ground.material, exam.asked, with_rows=False, users=pl.Series(np.sort(half))))
        for half in np.array_split(users, 2)
    )
    return sit(exam, one), sit(exam, other)


def field(about: str, pair: tuple[Result, Result], baselines: Sequence[Result], exam: Exam) -> Field:
    return Field(about, *pair, tuple(baselines), segments(exam))
