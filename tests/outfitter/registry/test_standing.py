"""Who stands, in which order, and against whom: nobody is kept out for good by a model that is as good and simpler."""

from __future__ import annotations

from models.base import Recipe
from outfitter.evaluation.bootstrap import Interval
from outfitter.registry.candidates import Candidate
from outfitter.registry.standing import best, challengers, simpler, to_beat

BASELINES = ("popularity", "recent_popularity", "item_knn", "ease")


def candidate(model: str, ndcg: float) -> Candidate:
    return Candidate(Recipe(model), "run", {"ndcg": Interval(ndcg, 0, 1)}, 0.5, 10, 1.0)


FIELD = [candidate("popularity", 0.1), candidate("recent_popularity", 0.2), candidate("item_knn", 0.3), candidate("ease", 0.35)]
NEW = candidate("two_tower", 0.4)


def stand(field: list[Candidate], current: Recipe | None = None) -> list[str]:
    return [one.recipe.model for one in challengers(field, BASELINES, current)]


def test_the_best_is_the_one_that_ranks_best() -> None:
    field = [candidate("als", 0.2), candidate("popularity", 0.3), candidate("item_knn", 0.3), candidate("two_tower", 0.1)]
    assert best(field).recipe.model == "popularity"
    assert best(field, ["als", "two_tower"]).recipe.model == "als"


def test_after_the_best_stand_ever_simpler_baselines() -> None:
    assert stand([*FIELD, NEW]) == ["two_tower", "ease", "item_knn", "recent_popularity"]
    assert stand([*FIELD, NEW, candidate("als", 0.39)]) == ["two_tower", "ease", "item_knn", "recent_popularity"]


def test_a_baseline_that_ranks_below_a_simpler_one_does_not_stand() -> None:
    assert stand([candidate("recent_popularity", 0.2), candidate("item_knn", 0.3), candidate("ease", 0.25)]) == [
        "item_knn",
        "recent_popularity",
    ]


def test_a_champion_that_is_up_to_date_does_not_stand() -> None:
    assert stand([*FIELD, NEW], Recipe("two_tower")) == ["ease", "item_knn", "recent_popularity"]
    assert stand([*FIELD, NEW], Recipe("ease")) == ["two_tower", "item_knn", "recent_popularity"]
    assert stand([FIELD[0]], Recipe("popularity")) == []


def test_a_new_kind_must_beat_every_baseline_and_a_baseline_the_simpler_ones() -> None:
    names = {model: [one.recipe.model for one in to_beat(model, [NEW, *reversed(FIELD)], BASELINES)] for model in (*BASELINES, "two_tower")}
    assert names == {
        "popularity": [],
        "recent_popularity": [],
        "item_knn": ["recent_popularity"],
        "ease": ["recent_popularity", "item_knn"],
        "two_tower": ["recent_popularity", "item_knn", "ease"],
    }


def test_popularity_models_are_equally_simple() -> None:
    assert simpler("recent_popularity", BASELINES) == ()
    assert simpler("item_knn", BASELINES) == ("popularity", "recent_popularity")
    assert simpler("als", BASELINES) == BASELINES
