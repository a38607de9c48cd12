"""Fitting and folding in must be what the library would have done."""

from __future__ import annotations

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from models.factorization.als import ImplicitALS, gram
from models.factorization.solvers import solve_in_place
from tests.models.worlds import World, histories


def test_fitting_equals_implicit(world: World) -> None:
    """With weights as confidences, from the same seed."""
    model = ImplicitALS(factors=12, iterations=2, alpha=7.0, seed=4).fit(world.data)
    confidence = world.data.histories.matrix(world.data.n_items)
    confidence.data = 1 + 7 * confidence.data
    with threadpool_limits(1, "blas"):
        peer = AlternatingLeastSquares(factors=12, iterations=2, regularization=model.regularization, random_state=4)
        peer.fit(confidence, show_progress=False)
    np.testing.assert_allclose(model.arrays["item_factors"], peer.item_factors, rtol=1e-4, atol=1e-6)


def test_the_gram_matrix_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = np.random.default_rng(0).normal(size=(50, 5)).astype(np.float32)
    whole = gram(factors, 2.0)
    np.testing.assert_allclose(whole, factors.astype(np.float64).T @ factors + 2 * np.eye(5), rtol=1e-6)
    monkeypatch.setattr("models.factorization.als.READ", 7)
    np.testing.assert_allclose(gram(factors, 2.0), whole, rtol=1e-12)


def test_folding_in_equals_implicit(world: World) -> None:
    """With no decay to speak of; implicit works in float32, we in float64."""
    model = ImplicitALS(factors=16, iterations=5, alpha=7.0, half_life=1e12).fit(world.data)
    with threadpool_limits(1, "blas"):
        peer = AlternatingLeastSquares(factors=16, regularization=model.regularization)
    peer.item_factors = model.arrays["item_factors"]
    some = world.data.histories.rows(0, 20)
    confidence = some.matrix(world.data.n_items)
    confidence.data = 1 + 7 * confidence.data
    expected = np.stack([peer.recalculate_user(0, confidence[user]) for user in range(20)])
    np.testing.assert_allclose(model.encode(some), expected, rtol=1e-3, atol=1e-4)


def test_repeats_add_up_and_the_newest_counts_most(world: World) -> None:
    model = ImplicitALS(factors=8, iterations=5, half_life=1.0).fit(world.data)
    first, second = model.encode(histories([[0, 1], [1, 0]]))
    items = model.arrays["item_factors"]
    assert first @ items[1] > second @ items[1]
    once, thrice = model.encode(histories([[0], [0, 0, 0]]))
    assert thrice @ items[0] > once @ items[0]


def test_the_solver_solves() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(9, 12))
    matrix, target = half @ half.T, rng.normal(size=9)
    expected = np.linalg.solve(matrix, target)
    found = target.copy()
    solve_in_place(matrix.copy(), found)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_an_untouched_item_is_recommended_last(world: World) -> None:
    """An item nobody took has no factor of its own; it must not float up."""
    data = world.data
    ids = (*data.item_ids, "untouched")
    model = ImplicitALS(factors=8, iterations=5).fit(type(data)(ids, data.histories, data.until))
    best = model.recommend(data.histories, 4)
    assert (best.items != len(ids) - 1).all()
