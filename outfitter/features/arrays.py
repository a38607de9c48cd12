"""From feature rows to the numbers a model reads: days become ages, heavy tails become logarithms."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outfitter.features.rows import MICROSECONDS_A_DAY
from outfitter.features.spec import Feature

HEAVY_TAILED = ("events", "money", "users", "categories", "items", "sessions", "minutes", "days", "years")


def model_inputs(rows: pl.DataFrame, features: tuple[Feature, ...], asked: pl.Expr | datetime) -> NDArray[np.float32]:
    """float32[n, F] in the order of the list; NaN where a value is not known.

    asked: the moment of the question (one for all, or an expression over the rows), from which ages in days are counted. Counts, money and
    durations enter as log(1 + x), ages as log(1 + days), shares and entropies as they are.
    """
    moment = pl.lit(asked, dtype=pl.Datetime("us", "UTC")) if isinstance(asked, datetime) else asked
    today = moment.dt.timestamp("us") / MICROSECONDS_A_DAY
    return rows.select(_input(feature, today) for feature in features).fill_null(float("nan")).to_numpy().astype(np.float32)


def _input(feature: Feature, today: pl.Expr) -> pl.Expr:
    value = pl.col(feature.name).cast(pl.Float64)
    if feature.unit == "day":
        return (today - value).clip(lower_bound=0).log1p().alias(feature.name)
    if feature.unit in HEAVY_TAILED:
        return value.clip(lower_bound=0).log1p().alias(feature.name)
    return value
