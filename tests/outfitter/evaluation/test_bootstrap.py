"""Intervals that cover what they promise, and sample sizes that keep their word: by formula and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.evaluation import bootstrap
from outfitter.evaluation.bootstrap import Interval, detectable_effect, interval, resampled_means, users_needed

Z_975, Z_80 = 1.959964, 0.841621


def sparse_gains(rng: np.random.Generator, users: int, effect: float = 0.0) -> np.ndarray:
    """Differences as rankings give them: mostly nothing, now and then a good deal."""
    hit = rng.random(users) < 0.2
    return np.where(hit, rng.normal(effect / 0.2, 0.5, users), 0.0)


def test_means_are_resampled_from_the_values() -> None:
    values = np.arange(50.0)
    means = resampled_means(values, 4000, seed=1)
    assert means.shape == (4000,)
    assert means.mean() == pytest.approx(24.5, abs=0.15)
    assert means.std() == pytest.approx(values.std() / math.sqrt(50), rel=0.05)


def test_the_seed_decides() -> None:
    values = np.arange(20.0)
    assert np.array_equal(resampled_means(values, 100, 1), resampled_means(values, 100, 1))
    assert not np.array_equal(resampled_means(values, 100, 1), resampled_means(values, 100, 2))


@pytest.mark.parametrize("samples", [1, 7, 8, 9, 64])
def test_working_in_blocks_loses_no_resample(monkeypatch: pytest.MonkeyPatch, samples: int) -> None:
    values = np.arange(10.0)
    whole = resampled_means(values, samples, 3)
    monkeypatch.setattr(bootstrap, "BLOCK", 80)
    blocks = resampled_means(values, samples, 3)
    assert blocks.shape == whole.shape == (samples,)
    np.testing.assert_allclose(blocks, whole)


def test_an_interval_lies_around_its_mean_and_narrows_with_users() -> None:
    rng = np.random.default_rng(0)
    few, many = interval(rng.normal(1, 1, 100), 1000, 0), interval(rng.normal(1, 1, 10_000), 1000, 0)
    for one in (few, many):
        assert one.low < one.mean < one.high
    assert (many.high - many.low) < (few.high - few.low) / 5


def test_a_smaller_error_makes_a_wider_interval() -> None:
    values = np.random.default_rng(0).normal(0, 1, 200)
    narrow, wide = interval(values, 2000, 0, alpha=0.2), interval(values, 2000, 0, alpha=0.01)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_what_does_not_vary_has_no_width() -> None:
    assert interval(np.full(30, 0.25), 200, 0) == Interval(0.25, 0.25, 0.25)


def test_an_interval_can_be_read() -> None:
    assert str(Interval(0.125, -0.5, 0.25)) == "0.1250 [-0.5000, 0.2500]"


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """400 experiments of 300 users: 95% of the intervals hold the true mean, give or take three standard errors (3.3%)."""
    rng = np.random.default_rng(7)
    held = sum(found.low <= 0.02 <= found.high for found in (interval(sparse_gains(rng, 300, 0.02), 400, 0) for _ in range(400)))
    assert 0.917 <= held / 400 <= 0.983


def test_without_a_gain_a_gate_at_2_5_percent_opens_about_that_often() -> None:
    rng = np.random.default_rng(11)
    opened = sum(interval(sparse_gains(rng, 300), 400, 0, alpha=0.025).low > 0 for _ in range(400))
    assert opened / 400 <= 0.05


def test_a_gain_of_the_detectable_size_is_seen_as_often_as_planned() -> None:
    rng = np.random.default_rng(13)
    effect = detectable_effect(sparse_gains(rng, 200_000), 0.025, 0.8) * math.sqrt(200_000 / 400)
    seen = sum(interval(sparse_gains(rng, 400, effect), 400, 0, alpha=0.025).low > 0 for _ in range(300))
    assert 0.72 <= seen / 300 <= 0.88


def test_the_formula_by_hand() -> None:
    differences = np.array([1.0, -1.0, 3.0, -3.0])
    sd = math.sqrt(20 / 3)
    assert detectable_effect(differences, 0.025, 0.8) == pytest.approx((Z_975 + Z_80) * sd / 2, rel=1e-6)
    assert users_needed(differences, 0.5, 0.025, 0.8) == math.ceil(((Z_975 + Z_80) * sd / 0.5) ** 2) == 210


@given(st.integers(2, 300), st.floats(0.001, 0.2), st.floats(0.5, 0.99), st.integers(0, 2**32 - 1))
def test_sample_size_and_effect_are_each_others_inverse(users: int, alpha: float, power: float, seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0, 1, users)
    effect = detectable_effect(differences, alpha, power)
    assert abs(users_needed(differences, effect, alpha, power) - users) <= 1
    assert users_needed(differences, effect / 2, alpha, power) == pytest.approx(4 * users, abs=4)


def test_what_does_not_vary_needs_nobody() -> None:
    assert detectable_effect(np.zeros(10), 0.025, 0.8) == 0
    assert users_needed(np.zeros(10), 0.1, 0.025, 0.8) == 0
