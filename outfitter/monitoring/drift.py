"""Has the data moved? Effect sizes a column, by Evidently, with a verdict in words and a report to look at.

A distance between two samples is never zero, and with many columns one of them strays far by chance. So each column is held to
its threshold or to what chance alone reaches at its sample size, whichever is higher, at a level shared out among the columns.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from outfitter.errors import NotEnoughData
from outfitter.monitoring.chance import distance_by_chance, shift_by_chance

if TYPE_CHECKING:
    import pandas as pd

NUMBERS, CATEGORIES, PRESENCE = "wasserstein", "jensenshannon", "presence"
LEVELS = 30  # categories told apart at most; a distance over thousands of rare ones is mostly noise
LEAST = 10  # rows of the two sides together that a category needs to be told apart; what chance does to fewer is not chi-squared
ABSENT, REST = "(none)", "(others)"
FALSE_ALARMS = 0.01  # chance that any column of a report drifts when none has moved
DIGITS = 9  # Evidently adds categories up in the order of their hashes, which changes the last digits from process to process
NAMED = 3  # columns that the reason names


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column moved; it drifted when ``score`` reaches ``threshold``, which is never below what chance reaches.

    method: "wasserstein" (how far the values moved on average, in standard deviations of the reference), "jensenshannon"
    (distance, 0 to .83), or "presence" (difference of the shares of rows that have a value) for a number that is missing
    throughout on a side.
    """

    method: str
    score: float
    threshold: float
    drifted: bool


@dataclass(frozen=True)
class Drift:
    """The verdict: ``share`` of the columns drifted, ``reason`` says which moved most, ``report`` is the HTML."""

    drifted: bool
    share: float
    columns: dict[str, ColumnDrift]
    reason: str
    report: Path


def drift_report(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    numerical: Sequence[str],
    categorical: Sequence[str],
    sample: int,
    share: float,
    numerical_threshold: float,
    categorical_threshold: float,
    html: Path,
    seed: int,
) -> Drift:
    """Compares ``current`` with ``reference`` on the named columns; writes ``html`` whole or not at all.

    sample: rows taken from each side at most. share: the share of drifted columns (0 to 1) from which the data count as
    drifted; a column that has no value on either side is not counted. Raises NotEnoughData when a side has no rows or no column
    has values on both sides.
    """
    numerical = [name for name in numerical if any(side[name].cast(pl.Float64).is_finite().any() for side in (reference, current))]
    categorical = [name for name in categorical if any(side[name].count() for side in (reference, current))]
    sides = (_sampled(reference, numerical, categorical, sample, seed), _sampled(current, numerical, categorical, sample, seed))
    measured = [name for name in (*numerical, *categorical) if all(side[name].count() for side in sides)]
    if not measured:
        raise NotEnoughData(
            "drift needs rows, and a column with values, on both sides",
            "Lower the setting window_days, or wait for more rows.",
        )
    numbers = [name for name in numerical if name in measured]
    groups = _grouped(*sides, categorical)
    thresholds = _thresholds(groups, numbers, categorical, numerical_threshold, categorical_threshold)
    scores = _measure(groups, numbers, categorical, thresholds, share, html)
    columns = {name: _column(NUMBERS if name in numbers else CATEGORIES, scores[name], thresholds[name]) for name in measured}
    missing = {name: _presence(name, *sides, numerical_threshold) for name in numerical if name not in measured}
    return _verdict(columns | missing, share, html)


def _sampled(side: pl.DataFrame, numerical: Sequence[str], categorical: Sequence[str], rows: int, seed: int) -> pl.DataFrame:
    """At most ``rows`` rows: finite numbers or null, and text where an absent category is one of its own."""
    numbers = pl.col(numerical).cast(pl.Float64)
    text = pl.col(categorical).cast(pl.String).fill_null(ABSENT)
    taken = side.sample(min(rows, side.height), seed=seed)
    return taken.select(pl.when(numbers.is_finite()).then(numbers), text)


Sides = tuple[pl.DataFrame, pl.DataFrame]


def _grouped(reference: pl.DataFrame, current: pl.DataFrame, categorical: Sequence[str]) -> Sides:
    """Both sides with the commonest categories of the two together, and the rest as one."""
    both = pl.concat([reference, current])
    folded = [
        pl.when(pl.col(name).is_in(_common(both[name]).implode())).then(pl.col(name)).otherwise(pl.lit(REST)).alias(name)
        for name in categorical
    ]
    return reference.with_columns(folded), current.with_columns(folded)


def _common(values: pl.Series) -> pl.Series:
    """At most ``LEVELS`` values, each in ``LEAST`` rows or more; ties go by name, so that the same data give the same groups."""
    counts = values.rename("level").value_counts(name="rows").filter(pl.col("rows") >= LEAST)
    return counts.sort("rows", "level", descending=[True, False]).head(LEVELS).get_column("level")


def _thresholds(sides: Sides, numbers: Sequence[str], categories: Sequence[str], numerical: float, categorical: float) -> dict[str, float]:
    """The bar for every column, at a level of ``FALSE_ALARMS`` shared out among them."""
    level, (before, now) = FALSE_ALARMS / (len(numbers) + len(categories)), sides
    shifts = {name: shift_by_chance(before[name].drop_nulls(), now[name].drop_nulls(), level) for name in numbers}
    distances = {name: distance_by_chance(before[name], now[name], level) for name in categories}
    bars = {name: max(numerical, shift) for name, shift in shifts.items()}
    return bars | {name: max(categorical, distance) for name, distance in distances.items()}


def _measure(
    sides: Sides, numbers: Sequence[str], categories: Sequence[str], thresholds: Mapping[str, float], share: float, html: Path
) -> dict[str, float]:
    """Score by column, from the Evidently report that is written to ``html``."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    methods = dict.fromkeys(numbers, NUMBERS) | dict.fromkeys(categories, CATEGORIES)
    preset = DataDriftPreset(columns=list(methods), drift_share=share, per_column_method=methods, per_column_threshold=dict(thresholds))
    definition = DataDefinition(numerical_columns=list(numbers), categorical_columns=list(categories))
    reference, current = (Dataset.from_pandas(_pandas(side, methods), data_definition=definition) for side in sides)
    with np.errstate(invalid="ignore", divide="ignore"):  # it correlates constant columns too, and nothing here reads that
        snapshot = Report([preset]).run(current, reference)
    _write(html, snapshot.get_html_str(as_iframe=False))
    told = [metric for metric in snapshot.dict()["metrics"] if "column" in metric["config"]]
    return {metric["config"]["column"]: round(float(metric["value"]), DIGITS) for metric in told}


def _pandas(side: pl.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    return side.select(list(columns)).to_pandas()


def _write(path: Path, text: str) -> None:
    """A reader finds the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _column(method: str, score: float, threshold: float) -> ColumnDrift:
    return ColumnDrift(method, score, threshold, score >= threshold)


def _presence(name: str, reference: pl.DataFrame, current: pl.DataFrame, threshold: float) -> ColumnDrift:
    before, now = (side[name].count() / side.height for side in (reference, current))
    return _column(PRESENCE, abs(before - now), threshold)


def _verdict(columns: dict[str, ColumnDrift], share: float, html: Path) -> Drift:
    moved = sorted((name for name, one in columns.items() if one.drifted), key=lambda name: -columns[name].score / columns[name].threshold)
    part = len(moved) / len(columns)
    named = "; ".join(
        f"{name} ({columns[name].method} {columns[name].score:.2f}, limit {columns[name].threshold:.2f})" for name in moved[:NAMED]
    )
    reason = f"{len(moved)} of {len(columns)} columns moved ({part:.0%}; drift is {share:.0%} or more)" + (f": {named}" if moved else "")
    return Drift(bool(moved) and part >= share, part, columns, reason, html)
