"""Points in time: the windows of an evaluation, the weekly cut-offs of the features, and who is named in each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from outfitter.features.compute import item_rows, user_rows
from outfitter.features.prices import Prices, price_tables
from outfitter.features.spec import USER_WINDOWS
from outfitter.lake.snapshot import Snapshot

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


def users_moved(snapshot: Snapshot, previous: datetime, cutoff: datetime) -> pl.Series:
    """Int32 user keys, ascending: those whose features as of ``cutoff`` may differ from those as of ``previous``. All others' are equal.

    They had an event between the two, or one of their events left a window between the two, or the catalogue says something new of an
    item they had an event on. That holds within one snapshot: rows that arrive late, dated before ``previous``, move their users as well.
    """
    spans = [timedelta(0), *(timedelta(days=days) for days in USER_WINDOWS)]
    crossed = [(pl.col("timestamp") > previous - span) & (pl.col("timestamp") <= cutoff - span) for span in spans]
    entered = (pl.col("valid_from") > previous) & (pl.col("valid_from") <= cutoff)
    renewed = snapshot.scan("items").filter(entered).select("item_key").unique().collect()["item_key"]
    known = snapshot.scan("interactions").filter(pl.col("timestamp") <= cutoff)
    moved = known.filter(pl.any_horizontal(*crossed, pl.col("item_key").is_in(renewed.implode())))
    return moved.select(pl.col("user_key").unique().sort()).collect()["user_key"]


def rows_as_of(
    snapshot: Snapshot, cutoff: datetime, windows: Windows, targets: Collection[str], prices: Prices | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The user and the item feature rows of one weekly cut-off, with the column ``cutoff``."""
    named = users_named(snapshot.scan("interactions"), cutoff, windows, targets)
    prices = prices or price_tables(snapshot, cutoff, cutoff, targets)
    stamp = pl.lit(cutoff, dtype=pl.Datetime("us", "UTC")).alias("cutoff")
    users = pl.concat(user_rows(snapshot, cutoff, targets, named, prices))
    return users.with_columns(stamp), item_rows(snapshot, cutoff, targets, prices).with_columns(stamp)
