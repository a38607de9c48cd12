"""Settings found on the validation window: never worse there than those a model comes with, found once, and no fit too many."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from models.base import Recipe
from models.families import FAMILIES, build, family
from outfitter.evaluation.exam import Exam, sit
from outfitter.evaluation.training import fit
from outfitter.registry import tuning
from outfitter.registry.grids import GRIDS
from outfitter.registry.tuning import Tuned, tune
from tests.outfitter.lake.frames import NOW
from tests.outfitter.registry.conftest import Trained


def validation(trained: Trained) -> Exam:
    return trained.exam(trained.windows.validation_from, trained.windows.test_from)


def defaults(model: str) -> Recipe:
    return Recipe.of(build(Recipe(model)))


@pytest.mark.parametrize("model", ["recent_popularity", "item_knn", "ease"])
def test_the_best_that_was_tried_is_taken(trained: Trained, model: str) -> None:
    exam = validation(trained)
    found = tune(defaults(model), trained.material, exam, NOW)
    scores = dict(found.tried)
    assert scores[found.recipe] == max(scores.values()) >= scores[defaults(model)]
    for recipe, score in (found.tried[0], found.tried[-1], (found.recipe, scores[found.recipe])):
        assert sit(exam, fit(recipe, trained.material, exam.asked)).mean("ndcg") == pytest.approx(score)
    assert found.tried[0][0] == defaults(model)


def test_a_search_that_was_made_is_read(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    exam = validation(trained)
    found = tune(defaults("item_knn"), trained.material, exam, NOW)
    monkeypatch.setattr(tuning, "sit", lambda *_: pytest.fail("searched again"))
    assert tune(defaults("item_knn"), trained.material, exam, NOW) == found
    assert Tuned.of("item_knn", json.loads(found.json())) == found
    with pytest.raises(pytest.fail.Exception, match="searched again"):
        tune(defaults("item_knn"), trained.material, replace(exam, until=trained.windows.as_of), NOW)


def test_one_fit_serves_every_way_of_asking(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[Recipe] = []
    monkeypatch.setattr(tuning, "build", lambda recipe: fits.append(recipe) or build(recipe))
    found = tune(defaults("ease"), trained.material, validation(trained), NOW)
    penalties = {dict(recipe.params)["regularization"] for recipe, _ in found.tried}
    assert len(found.tried) == len(GRIDS["ease"]["regularization"]) + len(GRIDS["ease"]["half_life"])
    assert len(fits) <= len(penalties) + 1, "the best penalty may have to be fitted once more"


def test_a_model_without_a_grid_is_left_as_it_is(trained: Trained) -> None:
    assert tune(Recipe("two_tower"), trained.material, validation(trained), NOW) == Tuned(Recipe("two_tower"), ())


def test_every_grid_is_of_settings_that_the_model_takes() -> None:
    for model, grid in GRIDS.items():
        assert model in FAMILIES
        assert not family(model).reads_features, "a search gives its fits no features"
        for name, values in grid.items():
            for value in values:
                build(Recipe(model, ((name, value),)))
        learnt = [name not in family(model).asked_with for name in grid]
        assert learnt == sorted(learnt, reverse=True), "what a fit does not read comes last"
