"""Every range that a search looks in: of a setting that exists, around its default, and buildable from end to end."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from models.base import Recipe
from models.families import FAMILIES, build
from outfitter.experiments.entries import parse
from outfitter.experiments.spaces import SPACES, space_of

SETTINGS = [(model, name) for model, space in SPACES.items() for name in space]


def ends(model: str, name: str) -> list[object]:
    where = SPACES[model][name]
    if isinstance(where, CategoricalDistribution):
        return list(where.choices)
    assert isinstance(where, FloatDistribution | IntDistribution)
    return [where.low, where.high]


def test_every_model_has_its_ranges() -> None:
    assert set(SPACES) == set(FAMILIES)


@pytest.mark.parametrize(("model", "name"), SETTINGS)
def test_a_default_lies_in_its_range(model: str, name: str) -> None:
    (entry,) = parse(model)
    default, where = dict(entry.recipe({}, 0).params)[name], SPACES[model][name]
    assert where._contains(where.to_internal_repr(default)), default


@pytest.mark.parametrize(("model", "name"), SETTINGS)
def test_a_model_can_be_built_at_the_ends_of_each_range(model: str, name: str) -> None:
    for value in ends(model, name):
        assert build(Recipe(model, ((name, value),))).params()[name] == value


def test_what_is_given_is_not_searched_for() -> None:
    assert set(SPACES["als"]) - set(space_of("als", {"factors": 3})) == {"factors"}
    assert space_of("popularity", {}) == {}
