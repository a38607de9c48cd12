"""The settings of the models that are quickly fitted, found on the validation window.

A baseline that stands as it came is easily beaten and proves nothing (Ferrari Dacrema, Cremonesi and Jannach, "Are we really making much
progress?", RecSys 2019; Rendle, Zhang and Koren, "On the difficulty of evaluating baselines", 2019), so those of the gate are tuned anew
in every training, and so is every other model that has a grid here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.base import Recipe, Recommender
from models.families import build, family
from outfitter.evaluation.exam import METRIC, Exam, sit
from outfitter.evaluation.training import Material, training_data
from outfitter.lake import stages
from outfitter.registry.candidates import FITTING
from outfitter.registry.grids import GRIDS, Grid


@dataclass(frozen=True)
class Tuned:
    """The best recipe found, and each that was tried with its NDCG on the validation window, in that order."""

    recipe: Recipe
    tried: tuple[tuple[Recipe, float], ...]

    def outputs(self) -> dict[str, Any]:
        told = [{"params": dict(recipe.params), METRIC: score} for recipe, score in self.tried]
        return {"params": dict(self.recipe.params), "tried": told}

    @classmethod
    def of(cls, model: str, outputs: Mapping[str, Any]) -> Tuned:
        tried = tuple((_recipe(model, one["params"]), float(one[METRIC])) for one in outputs["tried"])
        return cls(_recipe(model, outputs["params"]), tried)

    def json(self) -> str:
        return json.dumps({"model": self.recipe.model, **self.outputs()}, indent=1)


def tune(recipe: Recipe, material: Material, exam: Exam, at: datetime) -> Tuned:
    """The best settings of a model on the validation exam, or what was found before; ``recipe`` itself where the model has no grid.

    Each setting's values are tried in turn, the others being the best so far, beginning with those of ``recipe``, which also win ties.
    """
    grid = GRIDS.get(recipe.model)
    if grid is None:
        return Tuned(recipe, ())
    lake, settings = material.snapshot.lake, {name: getattr(material.settings, name) for name in FITTING}
    about = {"recipe": recipe, "grid": grid, "on": material.materialization, "asked": exam.asked, "until": exam.until}
    print_ = stages.fingerprint("tune", **about, settings=settings)
    if (done := stages.find(lake, "tune", print_)) is not None:
        return Tuned.of(recipe.model, done)
    found = _search(recipe, grid, material, exam)
    return Tuned.of(recipe.model, stages.record(lake, "tune", print_, found.outputs(), at))


def _search(recipe: Recipe, grid: Grid, material: Material, exam: Exam) -> Tuned:
    trials = _Trials(recipe.model, material, exam)
    best = recipe
    trials.score(best)
    for name, values in grid.items():
        for value in values:
            tried = _recipe(recipe.model, {**dict(best.params), name: value})
            if trials.score(tried) > trials.scores[best]:
                best = tried
    return Tuned(best, tuple(trials.scores.items()))


class _Trials:
    """Scores by recipe. One fit is held: the recipes that differ only in how it is asked follow one another."""

    def __init__(self, model: str, material: Material, exam: Exam) -> None:
        self.asked_with, self.exam = family(model).asked_with, exam
        self.data = training_data(material, exam.asked, with_rows=False)
        self.scores: dict[Recipe, float] = {}
        self._fitted: tuple[dict[str, Any], Recommender] | None = None

    def score(self, recipe: Recipe) -> float:
        """Mean NDCG on the exam; a recipe that was tried before is not tried again."""
        if recipe not in self.scores:
            self.scores[recipe] = sit(self.exam, self._fit(recipe)).mean(METRIC)
        return self.scores[recipe]

    def _fit(self, recipe: Recipe) -> Recommender:
        asked = {name: value for name, value in recipe.params if name in self.asked_with}
        learnt = {name: value for name, value in recipe.params if name not in self.asked_with}
        if self._fitted is None or self._fitted[0] != learnt:
            self._fitted = learnt, build(recipe).fit(self.data)
        return self._fitted[1].asking(**asked)


def _recipe(model: str, params: Mapping[str, Any]) -> Recipe:
    return Recipe(model, tuple(sorted(params.items())))
