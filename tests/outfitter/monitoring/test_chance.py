"""The distances that chance reaches, held against samples drawn from one distribution."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from outfitter.monitoring.chance import distance_by_chance, shift_by_chance

DRAWS, LEVEL = 200, 0.05
OFTEN = 0.11  # four standard errors above LEVEL in so many draws


@pytest.mark.parametrize("sizes", [(60, 60), (1000, 200)])
@pytest.mark.parametrize("skew", [0.1, 1.0])
def test_a_shift_is_exceeded_no_more_often_than_said(sizes: tuple[int, int], skew: float) -> None:
    rng = np.random.default_rng(5)
    exceeded = 0
    for _ in range(DRAWS):
        one, other = (rng.lognormal(0, skew, size) for size in sizes)
        bar = shift_by_chance(pl.Series(one), pl.Series(other), LEVEL)
        exceeded += wasserstein_distance(one, other) / one.std() >= bar
    assert exceeded / DRAWS <= OFTEN


@pytest.mark.parametrize("sizes", [(60, 60), (1000, 200)])
def test_a_distance_is_exceeded_about_as_often_as_said(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    exceeded = 0
    for _ in range(DRAWS):
        one, other = (rng.integers(0, 6, size) for size in sizes)
        bar = distance_by_chance(pl.Series(one), pl.Series(other), LEVEL)
        exceeded += jensenshannon(np.bincount(one, minlength=6), np.bincount(other, minlength=6)) >= bar
    assert 0 < exceeded / DRAWS <= OFTEN


def test_a_single_category_has_no_distance() -> None:
    assert distance_by_chance(pl.Series(["a"] * 9), pl.Series(["a"] * 4), LEVEL) == 0


def test_larger_samples_and_looser_levels_lower_the_bar() -> None:
    small, large = (pl.Series(np.random.default_rng(1).normal(size=size)) for size in (100, 10_000))
    assert shift_by_chance(large, large, LEVEL) < shift_by_chance(small, small, LEVEL)
    assert shift_by_chance(small, small, 0.2) < shift_by_chance(small, small, LEVEL)
