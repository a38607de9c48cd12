"""Intervals, paired comparisons and sample sizes, by resampling users (Efron and Tibshirani, An Introduction to the Bootstrap, 1993)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.metrics.ranking import divided
from outfitter.errors import ModelError

BLOCK = 1 << 22
"""Numbers held at a time: 32 MiB of them."""
DRAWN = 1 << 18
"""Values drawn at a time for plain means: they stay in the cache."""
Values = NDArray[np.float64]
Labels = NDArray[np.integer]


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided percentile interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"

    def mapped(self, increasing: Callable[[float], float]) -> Interval:
        """The interval of an increasing function of the mean: its percentiles are the function of these ones."""
        return Interval(increasing(self.mean), increasing(self.low), increasing(self.high))


def resampled_means(values: Values, samples: int, seed: int) -> Values:
    """float64[samples]: the mean of each resample of the n values with replacement. Raises ModelError when there are none.

    Most differences between two models are 0, and a 0 that is drawn adds nothing: how many of the n draws fall on the m others is binomial
    (n, m / n), and each of these is any of the m with equal chance. So only they are drawn.
    """
    if not len(values):
        raise ModelError("the mean of nobody has no interval")
    rng, n, others = np.random.default_rng(seed), len(values), values[values != 0]
    sizes, totals = rng.binomial(n, len(others) / n, samples), np.zeros(samples)
    block = max(1, DRAWN // n)
    for start in range(0, samples, block):
        some = start + np.flatnonzero(sizes[start : start + block])
        drawn = others[rng.integers(0, max(1, len(others)), sizes[some].sum())]
        totals[some] = np.add.reduceat(drawn, np.cumsum(sizes[some]) - sizes[some])
    return totals / n


def interval(values: Values, samples: int, seed: int, alpha: float = 0.025, clusters: Labels | None = None) -> Interval:
    """The mean of ``values`` between the ``alpha`` and ``1 - alpha`` quantiles of its resampled means.

    clusters: as in ``intervals``. Raises ModelError when there are no values.
    """
    if clusters is not None:
        return intervals(values[:, None], samples, seed, alpha, clusters)[0]
    return interval_of(values, resampled_means(values, samples, seed), alpha)


def interval_of(values: Values, means: Values, alpha: float = 0.025) -> Interval:
    """The mean of ``values`` between the quantiles of resampled ``means`` that were drawn before."""
    low, high = np.quantile(means, [alpha, 1 - alpha])
    return Interval(float(values.mean()), float(low), float(high))


def difference(a: Values, b: Values, samples: int, seed: int, alpha: float = 0.025, clusters: Labels | None = None) -> Interval:
    """The mean of ``a - b`` on the same users: paired, since what makes a user easy for one model makes them easy for the other.

    Raises ModelError when the two are not of the same users.
    """
    if a.shape != b.shape:
        raise ModelError(f"figures of {len(a)} and of {len(b)} users cannot be paired")
    return interval(a - b, samples, seed, alpha, clusters)


def intervals(figures: Values, samples: int, seed: int, alpha: float = 0.025, clusters: Labels | None = None) -> list[Interval]:
    """The interval of each column of ``figures`` float64[n, m], all from the same resamples of users.

    A row with NaN in a column has no part in that column's mean, which is how segments are measured; a column without any is NaN.
    clusters: int[n], rows of the same label are one user's (in several windows, say) and are drawn together, for they are not
    independent (Field and Welsh, Bootstrapping clustered data, 2007). Each row is a cluster of its own when None.
    """
    totals, sizes = _summed(figures, clusters)
    drawn = np.concatenate([np.empty((0, figures.shape[1])), *_resampled(totals, sizes, samples, seed)])
    means = divided(totals.sum(axis=0), sizes.sum(axis=0))
    found = [_quantiles_of(column[~np.isnan(column)], alpha) for column in drawn.T]
    return [Interval(float(mean), *ends) for mean, ends in zip(means, found, strict=True)]


def _summed(figures: Values, clusters: Labels | None) -> tuple[Values, Values]:
    """float64[c, m] twice: the sum of each cluster's figures in each column, and how many they are."""
    totals, sizes = np.nan_to_num(figures), (~np.isnan(figures)).astype(np.float64)
    if clusters is None:
        return totals, sizes
    _, labels = np.unique(clusters, return_inverse=True)
    member = sparse.csr_matrix((np.ones(len(labels)), (labels, np.arange(len(labels)))))
    return member @ totals, member @ sizes


def _resampled(totals: Values, sizes: Values, samples: int, seed: int) -> Iterator[Values]:
    """float64[block, m] at a time: the mean of each column in each resample; how often a cluster was drawn weighs all its columns."""
    rng, n = np.random.default_rng(seed), len(totals)
    block = max(1, BLOCK // max(1, n))
    for start in range(0, samples, block):
        times = np.empty((min(block, samples - start), n))
        for row in times:  # one by one: what is counted then fits into the cache, which is ten times as fast
            row[:] = np.bincount(rng.integers(0, n, n), minlength=n)
        yield divided(times @ totals, times @ sizes)


def _quantiles_of(means: Values, alpha: float) -> tuple[float, float]:
    low, high = np.quantile(means, [alpha, 1 - alpha]) if len(means) else (np.nan, np.nan)
    return float(low), float(high)


def detectable_effect(differences: Values, alpha: float, power: float, samples: int | None = None) -> float:
    """The smallest true mean difference that a one-sided test on this many users sees with chance ``power``.

    Normal approximation: (z(1 - alpha) + z(power)) * sd / sqrt(n). samples: as in ``users_needed``.
    """
    return _quantiles(alpha, power, samples) * float(differences.std(ddof=1)) / float(np.sqrt(len(differences)))


def users_needed(differences: Values, effect: float, alpha: float, power: float, samples: int | None = None) -> int:
    """How many users the same test needs to see a mean difference of ``effect`` > 0 with chance ``power``.

    samples: for two tests that must agree, bootstrap and sign flips, each by so many resamples; for one exact test when None.
    """
    return int(np.ceil((_quantiles(alpha, power, samples) * float(differences.std(ddof=1)) / effect) ** 2))


def _quantiles(alpha: float, power: float, samples: int | None) -> float:
    """z(1 - alpha) + z(power), and what it takes that two resampled tests agree.

    On many users both tests ask for the same quantile, and each knows it only from its resamples, with standard error
    sqrt(alpha (1 - alpha) / samples) / density(quantile) (Stuart and Ord, Kendall's Advanced Theory of Statistics I, 10.10). The higher of
    two such errors counts, on average 1 / sqrt(pi) = .56 of one. A whole one is added, for with that average simulated matches fell short
    of the power by half a point: the two tests differ a little where differences are skewed (docs/gate.md).
    """
    normal = NormalDist()
    asked = normal.inv_cdf(1 - alpha)
    error = 0.0 if samples is None else float(np.sqrt(alpha * (1 - alpha) / samples)) / normal.pdf(asked)
    return asked + error + normal.inv_cdf(power)
