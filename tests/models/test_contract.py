"""One contract that every model keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import models
from models.base import Recipe, Recommender, recent_popularity
from models.data import Histories
from models.families import FAMILIES, build, family
from models.metrics import Truth, hit_rate
from models.topk import TopK
from outfitter.errors import ModelError, NotEnoughData
from tests.models.conftest import fresh
from tests.models.worlds import World, histories

K = 6
LEARNERS = (
    "item_knn",
    "als",
    "bpr",
    "two_tower",
    "gru4rec",
    "sasrec",
    "bert4rec",
    "ncf",
    "multi_task",
    "user_knn",
    "ease",
    "closed_form",
    "closed_form_sparse",
    "ease_sparse",
    "blend",
)


@pytest.fixture(params=sorted(FAMILIES))
def model(request: pytest.FixtureRequest, fitted: dict[str, Recommender]) -> Recommender:
    return fitted[request.param]


def same(left: TopK, right: TopK) -> None:
    np.testing.assert_array_equal(left.items, right.items)
    np.testing.assert_array_equal(left.scores, right.scores)


def hit(model: Recommender, world: World, k: int) -> float:
    truth = Truth(np.arange(len(world.held_out) + 1), world.held_out)
    return float(hit_rate(model.recommend(world.data.histories, k).items, truth).mean())


@pytest.mark.parametrize("name", LEARNERS)
def test_recovers_the_planted_blocks(name: str, fitted: dict[str, Recommender], world: World) -> None:
    """A block has 12 items and 8 are seen, so all 4 left fit into a list of 4: a model that has found the blocks always hits."""
    assert hit(fitted[name], world, 4) > 0.97
    assert hit(fitted["popularity"], world, 4) < 0.3


def test_lists_are_sorted_and_of_distinct_items(model: Recommender, world: World) -> None:
    best = model.recommend(world.data.histories, K)
    assert best.items.dtype == np.int32
    assert best.scores.dtype == np.float32
    assert best.items.shape == best.scores.shape == (world.data.histories.n_users, K)
    assert (np.diff(best.scores, axis=1) <= 0).all()
    assert all(len(set(row)) == K for row in best.items.tolist())


def test_batch_equals_single(model: Recommender, world: World) -> None:
    """Equal lists; scores to the last bits, since a BLAS adds in another order for one row than for many."""
    some = world.data.histories.rows(0, 30)
    whole = model.recommend(some, 3)
    for user in range(some.n_users):
        alone = model.recommend(some.rows(user, user + 1), 3)
        np.testing.assert_allclose(alone.scores[0], whole.scores[user], rtol=1e-4, atol=1e-6)
        scores = dict(zip(whole.items[user].tolist(), whole.scores[user].tolist(), strict=True))
        assert all(np.isclose(scores.get(item, whole.scores[user, -1]), score, rtol=1e-4) for item, score in _pairs(alone))


MALFORMED = {
    "weight that is no positive number": {"weights": (np.nan, np.inf, -1.0, 0.0)},
    "age that is no number": {"ages": (np.nan, np.inf)},
    "names an item that is none of": {"items": (-1, 48, 2_000_000_000)},
}


@pytest.mark.parametrize("problem", MALFORMED)
def test_what_is_no_history_is_refused(model: Recommender, world: World, problem: str) -> None:
    """Compiled loops check nothing: they would read, and write, outside their arrays."""
    for name, values in MALFORMED[problem].items():
        for value in values:
            column = getattr(world.data.histories, name).copy()
            column[7] = value
            bad = replace(world.data.histories, **{name: column})
            with pytest.raises(ModelError, match=f"event 7, of user 0, .*{problem}"):
                fresh(model.name).fit(replace(world.data, histories=bad))
            with pytest.raises(ModelError, match=f"event 7, of user 0, .*{problem}"):
                model.recommend(bad, K)


def test_rows_that_do_not_divide_the_events_are_refused(model: Recommender, world: World) -> None:
    h = world.data.histories
    for indptr in (h.indptr + 1, h.indptr[:-1], h.indptr[::-1].copy()):
        with pytest.raises(ModelError, match="indptr must divide the events"):
            model.recommend(replace(h, indptr=indptr), K)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("item_knn", "neighbours", 2.5),
        ("ncf", "epochs", 1.5),
        ("als", "factors", True),
        ("ease", "half_life", float("inf")),
        ("sasrec", "refit", 1),
    ],
)
def test_a_parameter_of_another_kind_is_refused(name: str, parameter: str, value: object) -> None:
    with pytest.raises(ModelError, match=f"{parameter} of '{name}' must be of the kind"):
        models.build(Recipe(name, ((parameter, value),)))


def _pairs(best: TopK) -> list[tuple[int, float]]:
    return list(zip(best.items[0].tolist(), best.scores[0].tolist(), strict=True))


def test_never_returns_what_is_seen_or_unavailable(model: Recommender, world: World) -> None:
    rng = np.random.default_rng(1)
    available = rng.random(world.data.n_items) < 0.5
    best = model.recommend(world.data.histories, world.data.n_items, available)
    for user in range(world.data.histories.n_users):
        shown = set(best.items[user].tolist()) - {-1}
        seen = set(world.data.histories.rows(user, user + 1).items.tolist())
        assert shown == set(np.flatnonzero(available).tolist()) - seen


def test_may_repeat_what_is_seen_when_asked(model: Recommender, world: World) -> None:
    best = model.recommend(world.data.histories, world.data.n_items, exclude_seen=False)
    assert (np.sort(best.items, axis=1) == np.arange(world.data.n_items)).all()


def test_more_than_the_catalogue_is_padded(model: Recommender, world: World) -> None:
    n_items = world.data.n_items
    best = model.recommend(world.data.histories, n_items + 5, exclude_seen=False)
    assert (best.items[:, n_items:] == -1).all()
    assert np.isneginf(best.scores[:, n_items:]).all()
    assert (best.items[:, :n_items] >= 0).all()


def test_users_without_history_get_what_sold_recently(model: Recommender, world: World) -> None:
    sequences: list[list[int]] = [[], [0, 4], []]
    best = model.recommend(histories(sequences), K)
    recent = np.argsort(-recent_popularity(world.data.histories, world.data.n_items), kind="stable")[:K]
    np.testing.assert_array_equal(best.items[0], recent)
    np.testing.assert_array_equal(best.items[2], recent)


def test_nobody_asks(model: Recommender) -> None:
    assert model.recommend(histories([]), K).items.shape == (0, K)


def test_artifact_round_trip_is_bit_for_bit(model: Recommender, world: World, tmp_path: Path) -> None:
    again = models.load(model.save(tmp_path / "model"))
    assert type(again) is type(model)
    assert again == model
    assert (again.item_ids, again.fit_until) == (model.item_ids, model.fit_until)
    assert again.arrays.keys() == model.arrays.keys()
    for name, array in model.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, strict=True)
    same(again.recommend(world.data.histories, K), model.recommend(world.data.histories, K))
    again.save(tmp_path / "again")
    for file in (tmp_path / "model").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_same_seed_same_weights(model: Recommender, world: World) -> None:
    again = fresh(model.name).fit(world.data)
    for name, array in model.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, strict=True)


@pytest.mark.parametrize("name", ["als", "two_tower", "gru4rec", "sasrec", "bert4rec"])
def test_another_seed_other_weights(name: str, fitted: dict[str, Recommender], world: World) -> None:
    other = replace(fresh(name), seed=99).fit(world.data)  # type: ignore[type-var, call-arg]
    key = {"als": "item_factors"}.get(name, "item_vectors")
    assert not np.array_equal(other.arrays[key], fitted[name].arrays[key])


def test_recipe_round_trip(model: Recommender) -> None:
    recipe = Recipe.of(model)
    assert models.build(recipe) == model
    assert Recipe.of(models.build(recipe)) == recipe
    assert hash(recipe) == hash(Recipe.of(model))


def test_a_second_fit_forgets_the_first(model: Recommender, world: World) -> None:
    again = fresh(model.name).fit(replace(world.data, until=datetime(2023, 1, 1, tzinfo=UTC)))
    again.recommend(world.data.histories, K)
    same(again.fit(world.data).recommend(world.data.histories, K), model.recommend(world.data.histories, K))


def test_refuses_to_learn_from_nothing(model: Recommender, world: World) -> None:
    with pytest.raises(NotEnoughData):
        fresh(model.name).fit(replace(world.data, histories=histories([[], []])))


def test_refuses_an_item_it_does_not_know(model: Recommender, world: World) -> None:
    with pytest.raises(ModelError, match=f"item {world.data.n_items},"):
        model.recommend(histories([[world.data.n_items]]), K)


def test_an_unknown_model_and_an_unknown_parameter_are_named() -> None:
    with pytest.raises(ModelError, match="no model 'oracle'"):
        family("oracle")
    with pytest.raises(ModelError, match="luck"):
        models.build(Recipe("als", (("luck", 1),)))


@pytest.mark.parametrize(
    ("name", "param"),
    [
        ("recent_popularity", ("half_life", 0.0)),
        ("item_knn", ("weighting", "pearson")),
        ("item_knn", ("neighbours", 0)),
        ("segment_popularity", ("half_life", 0.0)),
        ("segment_popularity", ("smoothing", -1.0)),
        ("user_knn", ("neighbours", 0)),
        ("user_knn", ("shrink", -1.0)),
        ("user_knn", ("similarity", "euclidean")),
        ("ease", ("regularization", 0.0)),
        ("ease", ("half_life", 0.0)),
        ("ease", ("memory_gib", 0.0)),
        ("closed_form", ("closeness", -1.0)),
        ("closed_form", ("attributes", -1.0)),
        ("closed_form", ("memory_gib", 0.0)),
        ("closed_form_sparse", ("regularization", 0.0)),
        ("closed_form_sparse", ("half_life", 0.0)),
        ("closed_form_sparse", ("neighbours", 0)),
        ("ease_sparse", ("regularization", 0.0)),
        ("ease_sparse", ("half_life", 0.0)),
        ("ease_sparse", ("neighbours", 0)),
        ("blend", ("members", ())),
        ("blend", ("weights", (1.0,))),
        ("blend", ("by", "luck")),
        ("als", ("factors", 0)),
        ("bpr", ("learning_rate", 0.0)),
        ("two_tower", ("temperature", 0.0)),
        ("two_tower", ("batch_size", 1)),
        ("two_tower", ("retrieval", "guess")),
        ("two_tower", ("effort", 0)),
        ("gru4rec", ("loss", "hinge")),
        ("gru4rec", ("length", 1)),
        ("sasrec", ("heads", 0)),
        ("sasrec", ("calibration", 1.5)),
        ("sasrec", ("popularity", -1.0)),
        ("sasrec", ("decay", "linear")),
        ("sasrec", ("learning_rate", 0.0)),
        ("bert4rec", ("masked", 1.0)),
        ("bert4rec", ("dropout", 1.0)),
        ("ncf", ("loss", "hinge")),
        ("ncf", ("dropout", 1.0)),
        ("multi_task", ("weighting", "equal")),
        ("multi_task", ("by_purchase", 0.0)),
        ("multi_task", ("click", -1.0)),
        ("biased_mf", ("penalty", 0.0)),
        ("rating_means", ("of", "median")),
    ],
)
def test_a_parameter_out_of_range_is_refused(name: str, param: tuple[str, object]) -> None:
    with pytest.raises(ModelError, match=param[0]):
        models.build(Recipe(name, (param,)))


def test_profiles_do_not_disturb_models_that_ignore_them(fitted: dict[str, Recommender], world: World) -> None:
    h = world.data.histories
    with_profiles = Histories(h.indptr, h.items, h.weights, h.ages, np.ones((h.n_users, 1), dtype=np.float32))
    same(fitted["item_knn"].recommend(with_profiles, K), fitted["item_knn"].recommend(h, K))


@pytest.mark.parametrize("name", [name for name, one in FAMILIES.items() if one.asked_with])
def test_a_fit_reads_nothing_of_what_it_is_asked_with(name: str, fitted: dict[str, Recommender], world: World) -> None:
    """So one fit serves every value of it, and says what a fit of its own would."""
    model, asked = fitted[name], dict.fromkeys(family(name).asked_with, 7.0)
    own = build(Recipe(name, tuple({**model.params(), **asked}.items()))).fit(world.data)
    other = model.asking(**asked)
    assert other.params() == own.params() != model.params()
    same(other.recommend(world.data.histories, K), own.recommend(world.data.histories, K))


def test_what_a_fit_reads_cannot_be_asked_for(fitted: dict[str, Recommender]) -> None:
    with pytest.raises(ModelError, match="a fit of 'als' depends on factors"):
        fitted["als"].asking(half_life=3.0, factors=3)
