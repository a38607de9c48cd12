"""What ``Recommender`` does for models that score by item vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from models import base
from models.base import Recommender
from models.data import Float, Histories, TrainingData
from models.factorization.als import ImplicitALS
from models.popularity import Popularity
from models.retrieval.item_vectors import ItemVectors
from outfitter.errors import ModelError
from tests.models.worlds import World, histories

K = 5


@dataclass
class Scored(ImplicitALS):
    """The same model, asked for its scores block by block."""

    item_vectors_name: ClassVar[str | None] = None


@pytest.fixture(scope="module")
def model(world: World) -> ImplicitALS:
    return ImplicitALS(factors=8, iterations=4).fit(world.data)


def test_vectors_give_what_scores_give(model: ImplicitALS, world: World) -> None:
    scored = Scored(factors=8, iterations=4).fit(world.data)
    available = np.random.default_rng(0).random(world.data.n_items) < 0.7
    for exclude in (True, False):
        found = model.recommend(world.data.histories, K, available, exclude)
        expected = scored.recommend(world.data.histories, K, available, exclude)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-6)
        assert (found.items == expected.items).mean() > 0.99  # all but ties that rounding decides


def test_blocks_and_slabs_do_not_show(model: ImplicitALS, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    some = world.data.histories.rows(0, 50)
    whole = model.recommend(some, K)
    monkeypatch.setattr(base, "USER_BLOCK", 3)
    monkeypatch.setattr(base, "USER_SLAB", 7)
    parts = model.recommend(some, K)
    np.testing.assert_array_equal(parts.items, whole.items)
    np.testing.assert_array_equal(parts.scores, whole.scores)


def test_blocks_answered_by_several_threads_stay_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bits: a BLAS adds in another order for few rows than for many."""
    scored = Scored(factors=8, iterations=4).fit(world.data)
    whole = scored.recommend(world.data.histories, K)
    monkeypatch.setattr(base, "USER_BLOCK", 7)
    np.testing.assert_allclose(scored.recommend(world.data.histories, K).scores, whole.scores, rtol=1e-4, atol=1e-6)


def test_newcomers_stand_among_the_others(model: ImplicitALS, world: World) -> None:
    """A slab with both kinds of users, and looks that rule nothing out."""
    sequences = [[], [0, 4, 8], [], [1, 5], []]
    known = histories(sequences)
    looked = replace(known, taken=np.array([True, False, True, True, True]))
    best = model.recommend(looked, K)
    alone = model.recommend(replace(histories([[0, 4, 8], [1, 5]]), taken=looked.taken), K)
    np.testing.assert_array_equal(best.items[[1, 3]], alone.items)
    popular = np.argsort(-model.prior, kind="stable")[:K]
    np.testing.assert_array_equal(best.items[[0, 2, 4]], np.tile(popular, (3, 1)))
    np.testing.assert_array_equal(best.scores[0], model.prior[popular])


def test_profiles_stay_with_their_users(world: World) -> None:
    class Profiled(Scored):
        item_vectors_name: ClassVar[str | None] = "item_factors"

        def encode(self, histories: Histories) -> Float:
            assert histories.features is not None
            return np.repeat(histories.features, self.factors, axis=1)

    model = Profiled(factors=8, iterations=4).fit(world.data)
    model.arrays["item_factors"] = np.ones_like(model.arrays["item_factors"])
    asked = replace(histories([[0], [], [1]]), features=np.array([[1], [2], [3]], dtype=np.float32))
    assert model.recommend(asked, 1).scores[[0, 2], 0].tolist() == [8, 24]


def test_vectors_are_made_ready_once_a_fit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Float] = []

    def of(vectors: Float) -> ItemVectors:
        made.append(vectors)
        return make(vectors)

    make = ItemVectors.of
    monkeypatch.setattr(base.ItemVectors, "of", of)
    model = ImplicitALS(factors=4, iterations=2).fit(world.data)
    for _ in range(2):
        model.recommend(world.data.histories.rows(0, 3), K)
    assert len(made) == 1
    model.fit(TrainingData(world.data.item_ids, world.data.histories.rows(0, 100), world.data.until))
    model.recommend(world.data.histories.rows(0, 3), K)
    assert len(made) == 2
    assert made[1] is model.arrays["item_factors"]


def test_a_model_without_vectors_says_so(world: World) -> None:
    popular: Recommender = Popularity().fit(world.data)
    with pytest.raises(ModelError, match="'popularity' does not score by item vectors"):
        popular.item_vectors()
