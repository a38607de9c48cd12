"""Errors of ratings against arithmetic done by hand and against scipy's correlation."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from models.metrics import mae, pearson, rmse
from outfitter.errors import ModelError

# errors +1 -1 0 +2
PREDICTED = np.array([4.0, 2.0, 5.0, 5.0])
ACTUAL = np.array([3.0, 3.0, 5.0, 3.0])


def test_over_all_ratings() -> None:
    assert rmse(PREDICTED, ACTUAL) == sqrt((1 + 1 + 0 + 4) / 4)
    assert mae(PREDICTED, ACTUAL) == (1 + 1 + 0 + 2) / 4
    # means 4 and 3.5: sum of products of deviations 0 + 1 + 1.5 - .5 = 2; of squares 0 + 4 + 1 + 1 = 6 and .25 + .25 + 2.25 + .25 = 3
    assert pearson(PREDICTED, ACTUAL) == pytest.approx(2 / sqrt(6 * 3))


def test_what_does_not_vary_correlates_with_nothing() -> None:
    """The mean of three .1 is not .1: rounding must not pass for variation."""
    constant = np.full(3, 0.1)
    assert np.isnan(pearson(constant, ACTUAL[:3]))
    assert np.isnan(pearson(ACTUAL[:3], constant))


@given(st.lists(st.tuples(st.floats(1, 5), st.integers(1, 5)), min_size=3, max_size=30))
def test_the_correlation_is_scipys(pairs: list[tuple[float, int]]) -> None:
    predicted, actual = np.array([p for p, _ in pairs]), np.array([float(a) for _, a in pairs])
    if np.ptp(predicted) < 1e-3 or np.ptp(actual) == 0:
        return
    assert pearson(predicted, actual) == pytest.approx(pearsonr(predicted, actual).statistic, abs=1e-9)


@pytest.mark.parametrize("metric", [rmse, mae, pearson])
def test_float32_is_not_summed_as_such(metric: Callable[[Any, Any], float]) -> None:
    rng = np.random.default_rng(0)
    predicted, actual = rng.normal(3, 1, 100_000).astype(np.float32), rng.integers(1, 6, 100_000).astype(np.float32)
    assert metric(predicted, actual) == metric(predicted.astype(np.float64), actual.astype(np.float64))


@pytest.mark.parametrize("metric", [rmse, mae, pearson])
def test_what_cannot_be_compared_is_refused(metric: Callable[[Any, Any], float]) -> None:
    with pytest.raises(ModelError, match="2 predicted and 4 given ratings"):
        metric(PREDICTED[:2], ACTUAL)
    with pytest.raises(ModelError, match="no ratings"):
        metric(np.empty(0), np.empty(0))
    with pytest.raises(ModelError, match="1 predicted ratings are not numbers"):
        metric(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    with pytest.raises(ModelError, match="2 given ratings are not numbers"):
        metric(np.array([1.0, 2.0]), np.array([np.inf, np.nan]))
