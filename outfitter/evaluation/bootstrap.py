"""Intervals, paired comparisons and sample sizes, by resampling users (Efron and Tibshirani, An Introduction to the Bootstrap, 1993)."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 22
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean with its two-sided percentile interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def resampled_means(values: Values, samples: int, seed: int) -> Values:
    """float64[samples]: the mean of each resample of the n values with replacement."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // len(values))
    sizes = [min(block, samples - start) for start in range(0, samples, block)]
    return np.concatenate([values[rng.integers(0, len(values), (size, len(values)))].mean(axis=1) for size in sizes])


def interval(values: Values, samples: int, seed: int, alpha: float = 0.025) -> Interval:
    """The mean of ``values`` between the ``alpha`` and ``1 - alpha`` quantiles of its resampled means."""
    low, high = np.quantile(resampled_means(values, samples, seed), [alpha, 1 - alpha])
    return Interval(float(values.mean()), float(low), float(high))


def detectable_effect(differences: Values, alpha: float, power: float) -> float:
    """The smallest true mean difference that a one-sided test on this many users sees with chance ``power``.

    Normal approximation: (z(1 - alpha) + z(power)) * sd / sqrt(n).
    """
    return _quantiles(alpha, power) * float(differences.std(ddof=1)) / float(np.sqrt(len(differences)))


def users_needed(differences: Values, effect: float, alpha: float, power: float) -> int:
    """How many users the same test needs to see a mean difference of ``effect`` > 0 with chance ``power``."""
    return int(np.ceil((_quantiles(alpha, power) * float(differences.std(ddof=1)) / effect) ** 2))


def _quantiles(alpha: float, power: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)
