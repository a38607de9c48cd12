"""What the gate, and the leak checks before it, say of challengers that must not pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.base import Recipe, Recommender
from models.families import build
from outfitter.datasets.synthetic import Shop
from outfitter.evaluation.exam import METRIC, Result, sit
from outfitter.evaluation.leaks.features import check_features, sides
from outfitter.evaluation.leaks.sample import draw
from outfitter.evaluation.training import training_data
from outfitter.registry.gate import decide
from outfitter.registry.guardrails import segments
from tests.simulation.shops import Ground
from tests.simulation.spoilt import Dressed, LeakingRanker, clairvoyant, failing_new_users, leaking

SHOP = Shop(users=2_500, items=150, interactions=40_000, days=150, seed=4)
WINDOW_DAYS = 14
WEAK = Recipe("als", (("factors", 2), ("iterations", 1)))
"""A champion worse than popularity."""


@dataclass(frozen=True)
class Judged:
    """One challenger: what the gate alone says of it, and what the check of features against the past finds before.

    leak: empty where that finds nothing, None where the features are honest and it was not asked.
    """

    about: str
    against: str
    users: int
    ndcg: float
    champion: float
    verdict: str
    reason: str
    leak: str | None = None


class Bench:
    """A small shop's exam, and the models that challengers meet there."""

    def __init__(self, ground: Ground) -> None:
        self.ground, self.exam = ground, ground.test
        self.data = training_data(ground.material, self.exam.asked, with_rows=False)
        self.baseline = self.sat(Recipe("recent_popularity"))

    def sat(self, recipe: Recipe) -> Result:
        return sit(self.exam, build(recipe).fit(self.data))

    def judged(self, about: str, model: Recommender, champion: Result, leak: str | None = None) -> Judged:
        return self._judged(about, sit(self.exam, model), champion, leak)

    def _judged(self, about: str, challenger: Result, champion: Result, leak: str | None = None) -> Judged:
        baselines = [] if champion is self.baseline else [self.baseline]
        decision = decide(challenger, champion, baselines, segments(self.exam), self.exam.settings, refresh=False)
        means = challenger.mean(METRIC), champion.mean(METRIC)
        return Judged(about, champion.recipe.model, decision.users, *means, decision.verdict, decision.reason, leak)

    def told(self, share: float, champion: Result, only_test: bool = False) -> Judged:
        """A ranker that is told answers for ``share`` of the users. only_test: in the gate's own exam, not in the one before it."""
        exams = [self.ground.test] if only_test else [self.ground.validation, self.ground.test]
        spoilt = leaking(self.ground, share, exams)
        challenger = sit(spoilt.test, LeakingRanker(share=share).fit(self.data))
        where = " (in the test window's profiles alone)" if only_test else ""
        return self._judged(f"a ranker told the answers of {share:.0%} of the users{where}", challenger, champion, leak_of(spoilt))

    def dressed(self, share: float, champion: Result) -> Judged:
        about = f"popularity by another name, {share:.0%} of the lists turned round" if share else "popularity by another name"
        return self.judged(about, Dressed(share=share).fit(self.data), champion)

    def failing(self, recipe: Recipe, champion: Result) -> Judged:
        about = f"{recipe.model} that shows new users what nobody buys"
        return self.judged(about, failing_new_users(build(recipe).fit(self.data)), champion)


def leak_of(ground: Ground) -> str:
    """What the as-of check finds wrong in the ground's features; empty when nothing."""
    sample = draw(ground.material, ground.windows, [ground.validation, ground.test])
    found = check_features(ground.material.snapshot, sides(ground.material, sample, with_rows=False))
    return "" if found.passed else found.finding


def all_judged(bench: Bench) -> Iterator[Judged]:
    """Every challenger of the report."""
    neighbours, weak = bench.sat(Recipe("item_knn")), bench.sat(WEAK)
    yield from (bench.told(share, neighbours) for share in (1.0, 0.5, 0.25, 0.1))
    yield bench.told(0.25, neighbours, only_test=True)
    seer = clairvoyant(bench.ground, Recipe("item_knn"))
    yield bench.judged("item_knn that has learnt the test window", seer, neighbours, leak_of(bench.ground))
    yield bench.failing(Recipe("item_knn"), bench.baseline)
    yield bench.failing(Recipe("bpr"), neighbours)
    yield from (bench.dressed(share, champion) for champion in (bench.baseline, weak) for share in (0.0, 0.02))
