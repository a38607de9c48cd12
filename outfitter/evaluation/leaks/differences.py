"""Feature rows held against each other, value by value. The checks and the canary that tries them share this one comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

RELATIVE, ABSOLUTE = 5e-7, 1e-6
"""Four steps of a Float32: two ways to add the same numbers up may round differently, and a leak is never that small."""


def differences(learnt: pl.DataFrame, known: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Every value of ``columns`` (numbers, or lists of integers) in which two frames of the same rows differ; null equals null.

    Returns row (the place in the frames), feature, and as text what is ``learnt`` and what is ``known``; sorted by row.
    """
    found = [_differing(learnt[name], known[name]) for name in columns]
    return pl.concat(found).sort("row", maintain_order=True)


def _differing(learnt: pl.Series, known: pl.Series) -> pl.DataFrame:
    if learnt.dtype.is_nested():
        same = (learnt.fill_null([]) == known.fill_null([])).to_numpy()
        told = [series.list.eval(pl.element().cast(pl.String)).list.join(" ") for series in (learnt, known)]
    else:
        same = np.isclose(_numbers(learnt), _numbers(known), rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
        told = [series.cast(pl.String).fill_null("nothing") for series in (learnt, known)]
    rows = pl.Series("row", np.flatnonzero(~same), dtype=pl.Int64)
    feature = pl.repeat(learnt.name, len(rows), dtype=pl.String, eager=True).alias("feature")
    return pl.DataFrame([rows, feature, told[0].gather(rows).alias("learnt"), told[1].gather(rows).alias("known")])


def _numbers(values: pl.Series) -> NDArray[np.float64]:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
