"""Intervals that cover what they promise, and sample sizes that keep their word: by formula and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from outfitter.errors import ModelError
from outfitter.evaluation import bootstrap
from outfitter.evaluation.bootstrap import Interval, detectable_effect, difference, interval, intervals, resampled_means, users_needed

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
    monkeypatch.setattr(bootstrap, "DRAWN", 80)
    blocks = resampled_means(values, samples, 3)
    assert blocks.shape == whole.shape == (samples,)
    np.testing.assert_allclose(blocks, whole)


@pytest.mark.parametrize("share", [0.01, 0.2, 1.0])
def test_drawing_only_what_is_not_zero_is_drawing_users(share: float) -> None:
    """Against resamples of every user, drawn one by one: Kolmogorov and Smirnov's test of two samples sees no difference."""
    rng = np.random.default_rng(2)
    values = np.where(rng.random(200) < share, rng.normal(0.1, 0.3, 200), 0.0)
    plain = values[rng.integers(0, 200, (5000, 200))].mean(axis=1)
    drawn = resampled_means(values, 5000, 8)
    assert ks_2samp(plain, drawn).pvalue > 0.01
    assert drawn.std() == pytest.approx(values.std() / math.sqrt(200), rel=0.03)


def test_where_nothing_differs_every_resample_is_zero() -> None:
    assert resampled_means(np.zeros(40), 300, 0).tolist() == [0.0] * 300


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


def test_two_resampled_tests_that_must_agree_need_a_few_more_users() -> None:
    """By simulation: how far a quantile of so many resamples is off, as a rule."""
    differences = np.random.default_rng(0).normal(0, 1, 500)
    off = np.quantile(np.random.default_rng(1).normal(0, 1, (2000, 400)), 0.975, axis=1).std()
    more = users_needed(differences, 0.01, 0.025, 0.8, 400) / users_needed(differences, 0.01, 0.025, 0.8)
    assert more == pytest.approx(((Z_975 + off + Z_80) / (Z_975 + Z_80)) ** 2, rel=0.02)
    assert 1.04 < users_needed(differences, 0.01, 0.025, 0.8, 2000) / users_needed(differences, 0.01, 0.025, 0.8) < 1.05
    seen = detectable_effect(differences, 0.025, 0.8, 400)
    assert users_needed(differences, seen, 0.025, 0.8, 400) == pytest.approx(500, abs=1)


@given(st.integers(2, 300), st.floats(0.001, 0.2), st.floats(0.5, 0.99), st.integers(0, 2**32 - 1))
def test_sample_size_and_effect_are_each_others_inverse(users: int, alpha: float, power: float, seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0, 1, users)
    effect = detectable_effect(differences, alpha, power)
    assert abs(users_needed(differences, effect, alpha, power) - users) <= 1
    assert users_needed(differences, effect / 2, alpha, power) == pytest.approx(4 * users, abs=4)


def test_what_does_not_vary_needs_nobody() -> None:
    assert detectable_effect(np.zeros(10), 0.025, 0.8) == 0
    assert users_needed(np.zeros(10), 0.1, 0.025, 0.8) == 0


def test_rows_of_a_user_are_drawn_together() -> None:
    """Two users of two rows each, means 0 and 1: a resample is of one of them or of both, so its mean is 0, .5 or 1."""
    values, users = np.array([0.0, 0.0, 1.0, 1.0]), np.array([7, 7, 3, 3])
    assert interval(values, 500, 0, alpha=0.2, clusters=users) == Interval(0.5, 0.0, 1.0)
    alone = interval(values, 500, 0, alpha=0.2)
    assert 0 < alone.low < alone.high < 1


def test_users_with_more_rows_weigh_more() -> None:
    """Figures 1, 1, 1 and 0: both users drawn gives 3/4, either twice 1 or 0; a mean of users' means would give 1/2."""
    values, users = np.array([1.0, 1.0, 1.0, 0.0]), np.array([0, 0, 0, 1])
    found = intervals(values[:, None], 2000, 1, alpha=0.3, clusters=users)[0]
    assert (found.mean, found.low, found.high) == (0.75, 0.75, 0.75)
    assert intervals(values[:, None], 2000, 1, alpha=0.1, clusters=users)[0] == Interval(0.75, 0.0, 1.0)


def test_windows_of_the_same_users_are_not_independent() -> None:
    """Twelve windows in which users repeat themselves tell no more than one: the clusters' interval is that of the users alone."""
    once = np.random.default_rng(3).random(100)
    pooled, users = np.tile(once, 12), np.tile(np.arange(100), 12)
    alone, clustered, naive = interval(once, 2000, 0), interval(pooled, 2000, 0, clusters=users), interval(pooled, 2000, 0)
    assert clustered.mean == pytest.approx(alone.mean)
    assert clustered.high - clustered.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert naive.high - naive.low == pytest.approx((alone.high - alone.low) / math.sqrt(12), rel=0.15)


def brute_interval(values: np.ndarray, labels: np.ndarray, samples: int, seed: int) -> Interval:
    """Resample by resample and cluster by cluster, drawn in the same order."""
    rng, names = np.random.default_rng(seed), np.unique(labels)
    means = []
    for _ in range(samples):
        rows = np.concatenate([np.flatnonzero(labels == names[pick]) for pick in rng.integers(0, len(names), len(names))])
        kept = values[rows][~np.isnan(values[rows])]
        if len(kept):
            means.append(kept.mean())
    return Interval(np.nanmean(values), *(float(end) for end in np.quantile(means, [0.025, 0.975])))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 5))
def test_as_drawn_one_by_one(seed: int, rows: int, users: int) -> None:
    rng = np.random.default_rng(seed)
    figures = np.where(rng.random((rows, 3)) < 0.7, rng.random((rows, 3)), np.nan)
    figures[rng.integers(0, rows)] = 0.5  # nobody's column is empty
    labels = rng.integers(0, users, rows)
    for column, found in zip(figures.T, intervals(figures, 40, seed, clusters=labels), strict=True):
        expected = brute_interval(column, labels, 40, seed)
        np.testing.assert_allclose([found.mean, found.low, found.high], [expected.mean, expected.low, expected.high])


def test_a_column_is_the_mean_of_those_who_have_a_part_in_it() -> None:
    some = np.random.default_rng(5).random(4000)
    figures = np.stack([some, np.where(some > 0.5, some, np.nan), np.full(4000, np.nan)], axis=1)
    everyone, half, nobody = intervals(figures, 1000, 0)
    assert everyone.mean == pytest.approx(some.mean())
    assert half.mean == pytest.approx(some[some > 0.5].mean())
    own = interval(some[some > 0.5], 1000, 0)
    assert (half.low, half.high) == pytest.approx((own.low, own.high), abs=0.002)
    assert all(math.isnan(end) for end in (nobody.mean, nobody.low, nobody.high))


def test_columns_share_their_resamples() -> None:
    """What is always .1 better is .1 better in every resample, so its ends are too."""
    some = np.random.default_rng(6).random(50)
    one, other = intervals(np.stack([some, some + 0.1], axis=1), 500, 0)
    assert (other.low - one.low, other.high - one.high) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("samples", [1, 9, 64])
def test_blocks_of_resamples_change_nothing(monkeypatch: pytest.MonkeyPatch, samples: int) -> None:
    figures = np.random.default_rng(1).random((10, 2))
    whole = intervals(figures, samples, 3)
    monkeypatch.setattr(bootstrap, "BLOCK", 70)
    for one, other in zip(whole, intervals(figures, samples, 3), strict=True):
        assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))


def test_a_paired_difference_forgets_what_makes_users_easy() -> None:
    rng = np.random.default_rng(2)
    easy = rng.random(500)
    better, worse = easy + 0.02 + rng.normal(0, 0.01, 500), easy
    found = difference(better, worse, 1000, 0)
    assert 0 < found.low < found.mean < found.high
    assert found.mean == pytest.approx(0.02, abs=0.002)
    assert interval(better, 1000, 0).low < interval(worse, 1000, 0).high  # side by side nothing could be told
    assert difference(better, worse, 1000, 0, clusters=np.arange(500)).mean == pytest.approx(found.mean)


def test_figures_of_other_users_are_not_paired() -> None:
    with pytest.raises(ModelError, match="figures of 3 and of 2 users"):
        difference(np.zeros(3), np.zeros(2), 10, 0)


def test_nobody_has_no_interval() -> None:
    with pytest.raises(ModelError, match="nobody"):
        interval(np.empty(0), 10, 0)


def test_the_root_of_an_interval_is_the_interval_of_the_root() -> None:
    """The RMSE's: the squares' mean and its percentiles, each under the root."""
    assert Interval(4.0, 1.0, 9.0).mapped(math.sqrt) == Interval(2.0, 1.0, 3.0)
