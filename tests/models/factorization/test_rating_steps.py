"""The loss of biased matrix factorisation against plain loops, its gradient against finite differences, its minimum against ridge."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data import Histories
from models.factorization import rating_steps
from models.factorization.rating_steps import Ratings, gradient, loss, minimised
from outfitter.errors import ModelError

MEAN = 3.5
PENALTY = np.array([0.7, 0.7, 0.7, 0.2])


def drawn(n_users: int = 7, n_items: int = 5, seed: int = 0) -> tuple[Ratings, NDArray[np.float64], NDArray[np.float64]]:
    """Ratings of which user 2 has none and item 4 got none, one pair is rated twice; and a state of both sides."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, n_users)
    counts[2] = 0
    items = np.concatenate([rng.choice(n_items - 1, count, replace=False) for count in counts]).astype(np.int32)
    items[1] = items[0]
    counts[0] = max(counts[0], 2)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    items = np.resize(items, indptr[-1])
    ratings = Ratings(indptr, items, rng.integers(1, 6, indptr[-1]).astype(np.float64))
    return ratings, rng.normal(size=(n_users, 4)), rng.normal(size=(n_items, 4))


def by_loops(ratings: Ratings, users: NDArray[np.float64], items: NDArray[np.float64]) -> float:
    total = 0.0
    for user in range(len(users)):
        for entry in range(ratings.indptr[user], ratings.indptr[user + 1]):
            item = ratings.columns[entry]
            predicted = MEAN + users[user, 3] + items[item, 3] + users[user, :3] @ items[item, :3]
            total += (ratings.values[entry] - predicted) ** 2
    for side in (users, items):
        total += 0.7 * (side[:, :3] ** 2).sum() + 0.2 * (side[:, 3] ** 2).sum()
    return float(total / 2)


def test_the_loss_is_that_of_the_formula() -> None:
    ratings, users, items = drawn()
    assert loss(ratings, users, items, MEAN, PENALTY) == pytest.approx(by_loops(ratings, users, items))
    assert loss(ratings.transposed(5), items, users, MEAN, PENALTY) == pytest.approx(by_loops(ratings, users, items))


@pytest.mark.parametrize("side", ["users", "items"])
def test_the_gradient_is_that_of_finite_differences(side: str) -> None:
    """The loss is quadratic in one side, so a central difference is exact but for rounding."""
    ratings, users, items = drawn()
    if side == "users":
        rows, columns, found = users, items, gradient(ratings, users, items, MEAN, PENALTY)
    else:
        rows, columns, found = items, users, gradient(ratings.transposed(5), items, users, MEAN, PENALTY)
    for place in np.ndindex(rows.shape):
        step = np.zeros_like(rows)
        step[place] = 1e-4
        ends = [by_loops(ratings, *((moved, columns) if side == "users" else (columns, moved))) for moved in (rows + step, rows - step)]
        assert found[place] == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-7)


def test_the_step_ends_where_the_gradient_is_zero_from_anywhere() -> None:
    ratings, users, items = drawn()
    found = minimised(ratings, users, items, MEAN, PENALTY)
    np.testing.assert_allclose(gradient(ratings, found, items, MEAN, PENALTY), 0, atol=1e-10)
    np.testing.assert_allclose(minimised(ratings, users + 5, items, MEAN, PENALTY), found, atol=1e-10)


def test_from_zero_the_step_is_ridge_regression() -> None:
    ratings, users, items = drawn()
    found = minimised(ratings, np.zeros_like(users), items, MEAN, PENALTY)
    for user in range(len(users)):
        own = slice(ratings.indptr[user], ratings.indptr[user + 1])
        met = items[ratings.columns[own]]
        design = np.concatenate([met[:, :3], np.ones((len(met), 1))], axis=1)
        rest = ratings.values[own] - MEAN - met[:, 3]
        # ridge as least squares: one more row a coefficient, the root of its penalty
        expected = np.linalg.lstsq(np.vstack([design, np.diag(np.sqrt(PENALTY))]), np.concatenate([rest, np.zeros(4)]), rcond=None)[0]
        np.testing.assert_allclose(found[user], expected, atol=1e-10)
    np.testing.assert_array_equal(found[2], 0)


def test_blocks_hold_every_rating_once_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a single row is larger than a block, and where rows are empty."""
    ratings, users, items = drawn()
    whole = minimised(ratings, users, items, MEAN, PENALTY), loss(ratings, users, items, MEAN, PENALTY)
    monkeypatch.setattr(rating_steps, "BLOCK", 2)
    parts = list(ratings.blocks())
    assert len(parts) > 3
    assert [row for block, _ in parts for row in range(block.start, block.stop)] == list(range(7))
    np.testing.assert_array_equal(np.concatenate([part.values for _, part in parts]), ratings.values)
    np.testing.assert_allclose(minimised(ratings, users, items, MEAN, PENALTY), whole[0], atol=1e-12)
    assert loss(ratings, users, items, MEAN, PENALTY) == pytest.approx(whole[1])


def test_transposing_twice_changes_nothing_but_the_order_in_a_row() -> None:
    ratings, _, _ = drawn()
    again = ratings.transposed(5).transposed(7)
    triples = [sorted(zip(one.rows, one.columns, one.values, strict=True)) for one in (ratings, again)]
    assert triples[0] == triples[1]
    np.testing.assert_array_equal(again.indptr, ratings.indptr)


def test_only_events_with_a_value_are_ratings() -> None:
    ones = np.ones(4, dtype=np.float32)
    given = Histories(np.array([0, 2, 3, 4]), np.array([5, 6, 7, 8], dtype=np.int32), ones, ones)
    assert len(Ratings.of(given).values) == 0
    some = Ratings.of(Histories(given.indptr, given.items, ones, ones, values=np.array([np.nan, 4, np.nan, 2], dtype=np.float32)))
    assert (some.indptr.tolist(), some.columns.tolist(), some.values.tolist()) == ([0, 1, 1, 2], [6, 8], [4, 2])
    with pytest.raises(ModelError, match="1 ratings are infinite"):
        Ratings.of(Histories(given.indptr, given.items, ones, ones, values=np.array([np.nan, 4, np.inf, 2], dtype=np.float32)))
