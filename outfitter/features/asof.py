"""Points in time: the windows of an evaluation, the weekly cut-offs of the features, and who is named in each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from outfitter.features.compute import item_features, user_features

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Windows:
    """train | validation | test: (.., validation_from], (validation_from, test_from], (test_from, as_of].

    A cut-off belongs to the past: what happened exactly at it is known. All three lie on one weekly grid that ends at ``as_of``.
    """

    validation_from: datetime
    test_from: datetime
    as_of: datetime

    @classmethod
    def before(cls, as_of: datetime, window_days: int) -> Windows:
        window = timedelta(days=window_days)
        return cls(as_of - 2 * window, as_of - window, as_of)

    def cutoffs(self, training_cutoffs: int) -> list[datetime]:
        """Every weekly cut-off whose features some fit or comparison reads, newest first."""
        weeks = {self.as_of}
        for until in (self.validation_from, self.test_from, self.as_of):
            weeks |= {until - week * WEEK for week in range(training_cutoffs + 1)}
        return sorted(weeks, reverse=True)


def users_named(interactions: pl.LazyFrame, cutoff: datetime, windows: Windows, targets: Collection[str]) -> pl.Series | None:
    """The users whose features as of ``cutoff`` are read: all (None) at the newest, else those with a target event that asks.

    Training rows of the following week ask, and at a window's start everyone who is evaluated on the window.
    """
    if cutoff == windows.as_of:
        return None
    end = {windows.validation_from: windows.test_from, windows.test_from: windows.as_of}.get(cutoff, cutoff + WEEK)
    asked = (pl.col("timestamp") > cutoff) & (pl.col("timestamp") <= end) & pl.col("event").is_in(list(targets))
    return interactions.filter(asked).select("user_key").unique().collect()["user_key"]


def rows_as_of(
    interactions: pl.LazyFrame, items: pl.LazyFrame, cutoff: datetime, windows: Windows, targets: Collection[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The user and the item feature rows of one cut-off, with the column ``cutoff``."""
    named = users_named(interactions, cutoff, windows, targets)
    stamp = pl.lit(cutoff, dtype=pl.Datetime("us", "UTC")).alias("cutoff")
    users = user_features(interactions, items, cutoff, targets, named)
    return users.with_columns(stamp), item_features(interactions, items, cutoff, targets).with_columns(stamp)
