"""Item neighbours against dense arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from models.neighbours.item_knn import ItemKNN, bm25, tfidf
from tests.models.worlds import World, blocks, histories

ALL = 1000


def test_similarities_equal_the_dense_formula(world: World) -> None:
    dense = world.data.histories.matrix(world.data.n_items).toarray().astype(np.float64)
    both = (dense > 0).T.astype(float) @ (dense > 0)
    lengths = np.linalg.norm(dense, axis=0)
    expected = dense.T @ dense / np.outer(lengths, lengths) * both / (both + 7.0)
    np.fill_diagonal(expected, 0)
    model = ItemKNN(neighbours=ALL, shrink=7.0, weighting="cosine").fit(world.data)
    found = np.zeros_like(expected)
    for item, (near, values) in enumerate(zip(model.arrays["neighbours"], model.arrays["similarities"], strict=True)):
        found[item, near[near >= 0]] = values[near >= 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_only_the_nearest_are_kept(world: World) -> None:
    few = ItemKNN(neighbours=5).fit(world.data).arrays
    whole = ItemKNN(neighbours=ALL).fit(world.data).arrays
    assert few["neighbours"].shape == (world.data.n_items, 5)
    np.testing.assert_array_equal(few["similarities"], whole["similarities"][:, :5])


@pytest.mark.parametrize("weighting", ["cosine", "tfidf", "bm25"])
def test_votes_are_the_decayed_history_times_the_similarities(weighting: str) -> None:
    data = blocks(60, 24, 2, 5).data
    model = ItemKNN(neighbours=ALL, weighting=weighting, half_life=2.0).fit(data)  # type: ignore[arg-type]
    near, values = model.arrays["neighbours"], model.arrays["similarities"]
    expected = np.zeros(24)
    for item, weight in ((3, 0.5), (1, 2**-0.5), (3, 1.0)):
        expected[near[item][near[item] >= 0]] += weight * values[item][near[item] >= 0]
    votes = model.encode(histories([[3, 1, 3]])).toarray()[0]
    np.testing.assert_allclose(votes, expected, rtol=1e-5)


def test_items_without_a_vote_follow_by_popularity() -> None:
    data = blocks(60, 24, 2, 5).data
    model = ItemKNN(neighbours=3).fit(data)
    scores = model.recommend(histories([[0]]), 24).scores[0]
    assert (scores[:3] > 0).all()
    assert ((scores[3:23] < 0) & (scores[3:23] >= -1)).all()


def test_who_takes_everything_counts_for_nothing_in_tfidf() -> None:
    weighted = tfidf(histories([[0, 1, 2, 3], [0]]).matrix(4)).toarray()
    np.testing.assert_allclose(weighted[0], 0)
    np.testing.assert_allclose(weighted[1, 0], np.log(5 / 2), rtol=1e-6)


def test_bm25_by_hand() -> None:
    """Item 0 has length 3 and item 1 length 1, mean 2; user 0 took one of three items, twice."""
    weighted = bm25(histories([[0, 0], [0, 1]]).matrix(3)).toarray()
    room = 1.2 * (0.25 + 0.75 * 3 / 2)
    np.testing.assert_allclose(weighted[0, 0], 2 * 2.2 / (2 + room) * np.log(4 / 2), rtol=1e-6)
