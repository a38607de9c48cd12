"""EASE against the regression it is said to solve."""

from __future__ import annotations

import numpy as np
import pytest

from models.linear.ease import EASE
from outfitter.errors import ModelError
from tests.models.regression import one_by_one
from tests.models.worlds import blocks, histories

REGULARIZATION = 7.0


def test_weights_are_the_ridge_regression_of_each_item_on_the_others() -> None:
    data = blocks(60, 24, 2, 5).data
    met = data.histories.matrix(24).toarray().astype(np.float64)
    expected = one_by_one(met.T @ met, met.T @ met, REGULARIZATION)
    weights = EASE(regularization=REGULARIZATION).fit(data).arrays["weights"]
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-6)
    assert not np.diagonal(weights).any()


@pytest.mark.parametrize(("half_life", "counted"), [(None, [1.0, 2.0]), (2.0, [2**-0.5, 1.0 + 2**-1.0])])
def test_scores_are_the_faded_history_times_the_weights(half_life: float | None, counted: list[float]) -> None:
    model = EASE(REGULARIZATION, half_life).fit(blocks(60, 24, 2, 5).data)
    asked = histories([[], [3, 1, 3]])
    scores = model.score(model.encode(asked), slice(4, 11))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores[0], 0)
    np.testing.assert_allclose(scores[1], counted @ model.arrays["weights"][[1, 3], 4:11], rtol=1e-5, atol=1e-7)


def test_what_lies_far_back_is_left_out() -> None:
    model = EASE(REGULARIZATION, half_life=0.5).fit(blocks(60, 24, 2, 5).data)
    asked = histories([[0, 1] * 10 + [2]])
    np.testing.assert_array_equal(model.encode(asked).indices, [0, 1, 2])
    assert model.encode(histories([[0] + [1] * 12])).nnz == 1


def test_a_catalogue_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match=r"24 items and memory_gib allows 2e-06.*ease_sparse"):
        EASE(memory_gib=2e-6).fit(blocks(60, 24, 2, 5).data)
