"""Rating prediction: what was planted is found, and who or what is unknown adds nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data import Histories, TrainingData
from models.factorization.ratings import BiasedMF, RatingMeans
from models.metrics import mae, rmse
from outfitter.errors import ModelError, NotEnoughData
from tests.models.worlds import UNTIL, histories

NOISE = 0.3


def rated(sequences: list[list[int]], stars: list[list[float]]) -> Histories:
    return replace(histories(sequences), values=np.array([value for row in stars for value in row], dtype=np.float32))


def data(known: Histories, n_items: int) -> TrainingData:
    return TrainingData(tuple(f"item{item}" for item in range(n_items)), known, UNTIL)


def planted(n_users: int = 300, n_items: int = 40, rank: int = 2, seed: int = 0) -> tuple[TrainingData, NDArray[np.int64], Histories]:
    """Stars of mean + biases + a product of rank 2 + noise: half of the pairs known, the pairs that were held out, and all of it."""
    rng = np.random.default_rng(seed)
    user, item = rng.normal(size=(n_users, rank)), rng.normal(size=(n_items, rank))
    stars = 6 + rng.normal(size=(n_users, 1)) + rng.normal(size=n_items) + user @ item.T + rng.normal(scale=NOISE, size=(n_users, n_items))
    known = rng.random(stars.shape) < 0.5
    rows = [np.flatnonzero(row) for row in known]
    given = rated([row.tolist() for row in rows], [stars[user][row].tolist() for user, row in enumerate(rows)])
    everything = rated([list(range(n_items))] * n_users, stars.tolist())
    return data(given, n_items), np.argwhere(~known), everything


def test_biased_mf_finds_what_was_planted_and_means_find_the_biases() -> None:
    training, pairs, everything = planted()
    actual = everything.values.reshape(300, 40)[pairs[:, 0], pairs[:, 1]]  # type: ignore[union-attr]

    def error(model: BiasedMF | RatingMeans) -> float:
        return rmse(model.fit(training).predict(training.histories, pairs[:, 0], pairs[:, 1]), actual)

    vectors = error(BiasedMF(factors=4, penalty=1, bias_penalty=1))
    biases = error(BiasedMF(factors=0, bias_penalty=1))
    both, by_item, none = [error(RatingMeans(of, shrink=1)) for of in ("both", "item", "global")]
    assert vectors < 1.3 * NOISE
    assert 2 * vectors < biases < by_item < none
    assert both < by_item


def test_the_loss_never_rises() -> None:
    losses = BiasedMF(factors=3, penalty=0.5, sweeps=8).fit(planted(60, 20)[0]).arrays["training_loss"]
    assert (np.diff(losses) <= 0).all()
    assert losses[-1] < 0.9 * losses[0]


def test_means_by_hand() -> None:
    """Mean 4. Item 0 got 5, 5, 2: (1 + 1 - 2) / (3 + 1) = 0; item 1 got 4: 0. User 0 then has (1) / (1 + 1), user 2 (-2 + 0) / (2 + 1)."""
    known = rated([[0], [0], [0, 1]], [[5], [5], [2, 4]])
    model = RatingMeans("both", shrink=1).fit(data(known, 3))
    told = model.predict(known, np.array([0, 2, 2]), np.array([1, 0, 2]))
    np.testing.assert_allclose(told, [4.5, 4 - 2 / 3, 4 - 2 / 3])
    user = RatingMeans("user", shrink=0).fit(data(known, 3)).predict(known, np.array([0, 1, 2]), np.array([1, 2, 2]))
    np.testing.assert_allclose(user, [5, 5, 3])
    item = RatingMeans("item", shrink=0).fit(data(known, 3)).predict(known, np.array([1, 1, 1]), np.array([0, 1, 2]))
    np.testing.assert_allclose(item, [4, 4, 4])
    np.testing.assert_allclose(RatingMeans("global").fit(data(known, 3)).predict(known, np.array([0]), np.array([0])), [4])


def test_unknown_users_get_the_item_and_unknown_items_the_user() -> None:
    training, _, _ = planted(80, 20)
    wider = TrainingData((*training.item_ids, "unrated"), training.histories, UNTIL)
    model = BiasedMF(factors=2, penalty=1, bias_penalty=1).fit(wider)
    items, low, high = model.items, *model.arrays["scale"][1:]
    asked = replace(histories([[], [3]]), values=np.array([np.nan], dtype=np.float32))  # who has rated nothing, with and without events
    for user in (0, 1):
        told = model.predict(asked, np.full(20, user), np.arange(20))
        np.testing.assert_allclose(told, np.clip(model.mean + items[:20, -1], low, high), rtol=1e-6)
    own = model.encode(training.histories)[:, -1]  # mean + user bias
    for stranger in (-1, 20):
        told = model.predict(training.histories, np.arange(80), np.full(80, stranger))
        np.testing.assert_allclose(told, np.clip(own, low, high), rtol=1e-6)
    assert model.predict(asked, np.array([0]), np.array([-1])) == pytest.approx(model.mean)


def test_a_fresh_rating_moves_the_user_without_another_fit() -> None:
    training, _, _ = planted(80, 20)
    model = BiasedMF(factors=2, penalty=1, bias_penalty=1).fit(training)
    pleased, cross = rated([[3]], [[9]]), rated([[3]], [[1]])
    one = np.zeros(1, dtype=np.int64)
    assert model.predict(pleased, one, one + 7) > model.predict(cross, one, one + 7)


def test_predictions_stay_within_the_scale_and_scores_do_not_tie_there() -> None:
    """User 0 gave 5 stars to what others gave 1; items 0 and 1 were liked by all who rated them, item 0 more so."""
    known = rated([[2], [0, 1, 2], [0, 1, 2]], [[5], [5, 5, 1], [5, 4, 1]])
    model = RatingMeans("both", shrink=0).fit(data(known, 3))
    assert model.predict(known, np.array([0, 0]), np.array([0, 1])).tolist() == [5, 5]
    scores = model.score(model.encode(known), slice(0, 3))
    assert scores[0, 0] > scores[0, 1] > 5


def test_the_list_is_that_of_the_highest_predictions() -> None:
    """Ranking by stars and nothing else: an item rated once and highly stands above one that everybody took."""
    known = rated([[0]] * 9 + [[0, 1]], [[4.0]] * 9 + [[4.0, 5.0]])
    model = RatingMeans("item", shrink=0.1).fit(data(known, 3))
    assert model.recommend(rated([[2]], [[3]]), 2).items.tolist() == [[1, 0]]


def test_one_user_and_one_item_are_enough() -> None:
    known = rated([[0]], [[4]])
    for model in (BiasedMF(), RatingMeans()):
        told = model.fit(data(known, 1)).predict(known, np.array([0]), np.array([0]))
        assert told.tolist() == [4]
        assert mae(told, np.array([4.0])) == 0


@pytest.mark.parametrize("values", [None, np.full(2, np.nan, dtype=np.float32)])
def test_there_must_be_ratings(values: NDArray[np.float32] | None) -> None:
    with pytest.raises(NotEnoughData, match="'biased_mf' learns from ratings"):
        BiasedMF().fit(data(replace(histories([[0, 1]]), values=values), 2))


@pytest.mark.parametrize(
    ("users", "items", "problem"),
    [([0], [0, 1], "must be pairs"), ([2], [0], "not among the 2 of the histories"), ([0], [3], "not among the 3"), ([0], [-2], "the 3")],
)
def test_pairs_that_do_not_exist_are_refused(users: list[int], items: list[int], problem: str) -> None:
    known = rated([[0], [1]], [[4], [2]])
    with pytest.raises(ModelError, match=problem):
        RatingMeans().fit(data(known, 3)).predict(known, np.array(users), np.array(items))
