"""Blends against the arithmetic on whole score matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import models
from models.base import Recommender
from models.blend import Blend
from models.data import Float
from models.linear.ease import EASE
from models.metrics import Truth, hit_rate
from models.neighbours.item_knn import ItemKNN
from models.popularity import Popularity
from outfitter.errors import ModelError
from tests.models.worlds import UNTIL, World, blocks, histories


@pytest.fixture(scope="module")
def small() -> World:
    return blocks(60, 24, 2, 5)


@pytest.fixture(scope="module")
def members(small: World) -> list[Recommender]:
    return [EASE(half_life=3.0).fit(small.data), ItemKNN(neighbours=7).fit(small.data)]


def whole(model: Recommender, small: World) -> Float:
    """float32[n_users, n_items]: all scores at once."""
    return model.score(model.encode(small.data.histories), slice(0, 24)).astype(np.float64)


def test_scores_are_standardised_and_added(small: World, members: list[Recommender]) -> None:
    expected = np.zeros((60, 24))
    for member, weight in zip(members, (2.0, 0.5), strict=True):
        scores = whole(member, small)
        expected += weight * (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
    np.testing.assert_allclose(whole(Blend.of(members, (2.0, 0.5)), small), expected, rtol=1e-4, atol=1e-4)


def test_places_are_turned_into_gains_and_added(small: World, members: list[Recommender]) -> None:
    expected = np.zeros((60, 24))
    for member, weight in zip(members, (2.0, 0.5), strict=True):
        places = np.argsort(np.argsort(-whole(member, small), axis=1, kind="stable"), axis=1) + 1
        expected += weight / (60 + places)
    np.testing.assert_allclose(whole(Blend.of(members, (2.0, 0.5), "rank"), small), expected, rtol=1e-5)


def test_only_the_first_places_count(small: World, members: list[Recommender], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.blend.DEPTH", 3)
    scores = whole(Blend.of(members[:1], (1.0,), "rank"), small)
    np.testing.assert_allclose(np.sort(scores, axis=1)[:, -4:], np.array([[0, 1 / 63, 1 / 62, 1 / 61]] * 60), rtol=1e-5)


def test_a_member_without_weight_or_opinion_changes_nothing(small: World, members: list[Recommender]) -> None:
    even = Popularity().fit(small.data)
    even.arrays["scores"][:] = 0.1
    alone = whole(Blend.of(members[:1], (1.0,)), small)
    np.testing.assert_allclose(whole(Blend.of([members[0], even], (1.0, 5.0)), small), alone, atol=1e-6)
    np.testing.assert_allclose(whole(Blend.of(members, (1.0, 0.0)), small), alone, atol=1e-6)


@pytest.mark.parametrize("by", ["score", "rank"])
def test_fitted_with_its_members_or_of_fitted_ones_is_the_same(by: str, small: World, members: list[Recommender], tmp_path: Path) -> None:
    of = Blend.of(members, (2.0, 0.5), by)  # type: ignore[arg-type]
    fitted = Blend(of.members, (2.0, 0.5), by).fit(small.data)  # type: ignore[arg-type]
    again = models.load(of.save(tmp_path / "blend"))
    assert of == fitted == again
    assert of.fit_until == UNTIL.isoformat()
    asked = histories([[], [3, 1], [2]])
    for other in (fitted, again):
        np.testing.assert_array_equal(other.recommend(asked, 5).scores, of.recommend(asked, 5).scores)
    np.testing.assert_array_equal(again.recommend(asked, 5).items, of.recommend(asked, 5).items)


def test_a_network_can_be_a_member(fitted: dict[str, Recommender], world: World) -> None:
    blend = Blend.of([fitted["sasrec"], fitted["item_knn"]], (1.0, 1.0))
    found = blend.recommend(world.data.histories, 5).items
    np.testing.assert_array_equal(blend.recommend(world.data.histories.rows(3, 9), 5).items, found[3:9])
    truth = Truth(np.arange(len(found) + 1), world.held_out)
    assert hit_rate(found, truth).mean() > 0.9


def test_what_does_not_fit_together_is_refused(members: list[Recommender]) -> None:
    other = EASE().fit(blocks(60, 22, 2, 5).data)
    with pytest.raises(ModelError, match="same items"):
        Blend.of([members[0], other], (1.0, 1.0))
    for weights, problem in (((1.0,), "one for each of the 2 members"), ((1.0, -1.0), "positive"), ((0.0, 0.0), "positive")):
        with pytest.raises(ModelError, match=problem):
            Blend.of(members, weights)
    with pytest.raises(ModelError, match="at least one"):
        Blend((), ())


def test_places_are_those_among_what_may_be_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all places could go to items that are not there, and the rest would be in the order of the catalogue."""
    monkeypatch.setattr("models.blend.DEPTH", 3)
    member = ("popularity", ())
    blend = Blend((member, ("recent_popularity", ())), (1.0, 0.0), "rank").fit(world.data)
    alone = Popularity().fit(world.data)
    available = np.zeros(world.data.n_items, dtype=np.bool_)
    available[np.argsort(alone.recommend(world.data.histories.rows(0, 1), world.data.n_items, exclude_seen=False).items[0])[-6:]] = True
    for seen in (False, True):
        shown = blend.recommend(world.data.histories, 2, available, exclude_seen=seen).items
        np.testing.assert_array_equal(shown, alone.recommend(world.data.histories, 2, available, exclude_seen=seen).items)
