"""One training run's way to production: what is examined, on whom, and the models as they were when the exam asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import models
from models.base import Recipe, Recommender
from outfitter.errors import ModelError
from outfitter.evaluation.exam import Exam
from outfitter.evaluation.leaks.report import LeakReport
from outfitter.evaluation.training import Material, fit
from outfitter.lake import stages
from outfitter.registry.candidates import baselines
from outfitter.registry.versions import Registry, Version


@dataclass(frozen=True)
class Contest:
    """One training run's way to production; ``fingerprint`` is the training run's."""

    material: Material
    exam: Exam  # on the test window
    registry: Registry
    fingerprint: str
    at: datetime
    leaks: LeakReport | None = None  # what the leak checks found before; noted on the version that goes live
    fits: dict[tuple[Recipe, datetime], Recommender] = field(default_factory=dict)

    def decision_id(self, step: str) -> str:
        return stages.fingerprint("decision", training=self.fingerprint, step=step)

    @property
    def baselines(self) -> tuple[str, ...]:
        """What a challenger must beat, the simplest first."""
        return baselines(self.material.settings, self.material.n_items)

    def fit(self, recipe: Recipe, until: datetime) -> Recommender:
        """The recipe fitted up to ``until``, once a contest."""
        if (recipe, until) not in self.fits:
            self.fits[recipe, until] = fit(recipe, self.material, until)
        return self.fits[recipe, until]


def require_champion(registry: Registry) -> Version:
    champion = registry.champion()
    if champion is None:
        raise ModelError("the registry has no champion", "Run 'outfitter train' to make the first one.")
    return champion


def refuse_the_past(registry: Registry, as_of: datetime) -> None:
    """Raises ModelError when the model in production has learnt from later than ``as_of``.

    It must not recommend as of then, for it has seen what came after; and a model that knows less must not take its place.
    """
    champion = registry.champion()
    if champion is None:
        return
    until = learnt_until(champion)
    if until > as_of:
        raise ModelError(
            f"the model in production has learnt until {until:%Y-%m-%d %H:%M}, after {as_of:%Y-%m-%d %H:%M}",
            "To look back, use a home of its own: OUTFITTER_HOME=.outfitter-back outfitter run --as-of ...",
        )


def learnt_until(version: Version) -> datetime:
    """The moment up to which a version's model has seen the data."""
    return datetime.fromisoformat(version.meta["fit_until"])


def recipe_of(version: Version) -> Recipe:
    return Recipe(version.meta["model"], tuple(sorted(version.meta["params"].items())))


def as_it_was_then(contest: Contest, version: Version) -> Recommender:
    """A version as it may sit the exam: itself, or its recipe fitted up to the exam when it learnt later than that."""
    if not learnt_later(contest, version):
        return models.load(version.path)
    return contest.fit(recipe_of(version), contest.exam.asked)


def learnt_later(contest: Contest, version: Version) -> bool:
    """Whether a version has seen what the exam asks for."""
    return learnt_until(version) > contest.exam.asked
