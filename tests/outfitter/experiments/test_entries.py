"""What may stand behind --models, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.base import Recipe
from models.factorization.als import ImplicitALS
from models.neighbours.item_knn import ItemKNN
from outfitter.errors import ModelError
from outfitter.experiments.entries import Blended, Single, parse


def test_names_and_settings_are_read() -> None:
    plain, given = parse("item_knn, als:factors=32:alpha=0.5:seed=7,")
    assert isinstance(plain, Single)
    assert (plain.label, plain.model, plain.given) == ("item_knn", "item_knn", ())
    assert (given.label, given.model) == ("als:factors=32:alpha=0.5:seed=7", "als")
    assert given.recipe({}, 0) == Recipe.of(ImplicitALS(factors=32, alpha=0.5, seed=7))
    (text,) = parse("item_knn:weighting=bm25")
    assert text.recipe({}, 0) == Recipe.of(ItemKNN(weighting="bm25"))


def test_what_was_given_outdoes_what_was_chosen_and_the_seed() -> None:
    (entry,) = parse("als:factors=32")
    assert entry.recipe({"factors": 8, "alpha": 3.0}, 5) == Recipe.of(ImplicitALS(factors=32, alpha=3.0, seed=5))
    assert entry.seeded
    (fixed,) = parse("als:seed=7")
    assert fixed.recipe({}, 5) == Recipe.of(ImplicitALS(seed=7))
    assert not fixed.seeded, "with its seed given, one fit says all"
    assert not parse("item_knn")[0].seeded


def test_a_blend_has_the_settings_of_its_members_and_shares_that_add_up() -> None:
    (entry,) = parse("als:factors=8+item_knn")
    assert isinstance(entry, Blended)
    assert entry.seeded
    assert set(entry.space) == {"weight of als:factors 8", "weight of item_knn", "by"}
    found = replace(entry, found=((("alpha", 3.0),), (("neighbours", 7),)))
    recipe = found.recipe({"weight of als:factors 8": 0.9, "weight of item_knn": 0.3, "by": "rank"}, 5)
    members = [Recipe.of(ImplicitALS(factors=8, alpha=3.0, seed=5)), Recipe.of(ItemKNN(neighbours=7))]
    told = dict(recipe.params)
    assert recipe.model == "blend"
    assert told["members"] == tuple((member.model, member.params) for member in members)
    assert told["weights"] == pytest.approx((0.75, 0.25))
    assert told["by"] == "rank"
    assert dict(entry.recipe({}, 0).params)["weights"] == (0.5, 0.5)
    with pytest.raises(ModelError, match="weights must be positive"):
        entry.recipe(dict.fromkeys(entry.space, 0.0) | {"by": "score"}, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no model was named"),
        (" , ", "no model was named"),
        ("svd", r"there is no model 'svd'\. Choose one of: popularity"),
        ("als,als", r"'als' is named twice"),
        ("als:factors", r"'factors' in 'als:factors' sets nothing\. Write it as name=value"),
        ("als:faktors=3", "'als' cannot be built: .*faktors"),
        ("als:factors=0", "factors and iterations must be positive"),
        ("als:factors=many", "factors of 'als' must be of the kind int, not 'many'"),
        ("als+svd", "there is no model 'svd'"),
        ("als+als", r"'als\+als' blends a model with itself"),
    ],
)
def test_what_is_not_there_is_told(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse(text)
