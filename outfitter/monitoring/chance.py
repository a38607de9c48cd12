"""How far apart two samples of one distribution come by chance: below that, a distance says nothing."""

from __future__ import annotations

import numpy as np
import polars as pl


def shift_by_chance(reference: pl.Series, current: pl.Series, level: float) -> float:
    """The Wasserstein distance, in standard deviations, that two samples of one distribution exceed with chance ``level`` at most.

    Between two samples it tends to the integral of a Brownian bridge's size over the values; were the bridge equally far out
    everywhere, which is the worst it can be, that is a normal deviate times the integral of sqrt(F(1 - F)).
    """
    from scipy.stats import norm

    values = np.sort(np.concatenate([reference.to_numpy(), current.to_numpy()]))
    below = np.arange(1, values.size) / values.size
    spread = float(np.sum(np.sqrt(below * (1 - below)) * np.diff(values))) / max(float(np.std(reference.to_numpy())), 0.001)
    return float(norm.isf(level / 2)) * spread * float(np.sqrt(1 / reference.len() + 1 / current.len()))


def distance_by_chance(reference: pl.Series, current: pl.Series, level: float) -> float:
    """The Jensen-Shannon distance that two samples of one distribution exceed with chance ``level``.

    Eight divergences over the sum of the inverse sizes tend to chi-squared with one degree of freedom less than categories.
    """
    from scipy.stats import chi2  # a second to import

    categories = pl.concat([reference, current]).n_unique()
    if categories < 2:
        return 0.0
    return float(np.sqrt(chi2.isf(level, categories - 1) / 8 * (1 / reference.len() + 1 / current.len())))
