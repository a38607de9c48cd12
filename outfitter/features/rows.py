"""The rows of one bucket as of a cut-off, with times as integers: windows are then comparisons of whole numbers."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

MICROSECONDS_A_DAY = 86_400_000_000
DAYS_A_WEEK = 7
KEYS = 1 << 32
ORDER = ("user_key", "moment", "sequence", "item_key")


def known_rows(
    interactions: pl.LazyFrame, cutoff: datetime, targets: Collection[str], users: pl.Series | None = None, ordered: bool = True
) -> pl.DataFrame:
    """The events up to and at ``cutoff`` (of ``users``, when given), in the order of user, time and sequence where ``ordered``.

    Returns user_key, bucket, item_key, event, price, quantity; moment: microseconds since 1970; day: whole days since 1970; age: whole days
    before the cut-off, so that an event lies in a window of n days exactly when age < n; target: whether the event is one of ``targets``.
    """
    known = interactions.filter(pl.col("timestamp") <= cutoff)
    if users is not None:
        known = known.filter(pl.col("user_key").is_in(users.implode()))
    moment = pl.col("timestamp").dt.timestamp("us")
    age = (pl.lit(cutoff, dtype=pl.Datetime("us", "UTC")).dt.timestamp("us") - moment) // MICROSECONDS_A_DAY
    frame = known.select(
        *("user_key", "bucket", "item_key", "event", "price", "quantity"),
        moment.alias("moment"),
        (moment // MICROSECONDS_A_DAY).cast(pl.Int32).alias("day"),
        age.cast(pl.Int32).alias("age"),
        pl.col("event").is_in(list(targets)).alias("target"),
        *(["sequence"] if ordered else []),
    ).collect(engine="streaming")
    return in_order(frame.rechunk()) if ordered else frame


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` by user, time, sequence and item, marked as sorted by user; sorted only where they are not: compacted files are."""
    if not rows.select(_ordered(ORDER)).item():
        rows = rows.sort(ORDER, maintain_order=True)
    return rows.drop("sequence").with_columns(pl.col("user_key").set_sorted())


def _ordered(columns: tuple[str, ...]) -> pl.Expr:
    """Whether each row is not before the one above it, column by column; true of no rows."""
    inner = pl.lit(True)
    for column in reversed(columns):
        above = pl.col(column).shift(1)
        inner = (pl.col(column) > above) | ((pl.col(column) == above) & inner)
    return inner.fill_null(True).all()


def pair(left: str, right: str) -> pl.Expr:
    """Two int32 keys as one int64: distinct pairs are then distinct numbers."""
    return pl.col(left).cast(pl.Int64) * KEYS + pl.col(right).cast(pl.Int64)


def as_day(moment: pl.Expr) -> pl.Expr:
    """Microseconds since 1970 as days, with the fraction."""
    return moment / MICROSECONDS_A_DAY


def in_last(days: int) -> pl.Expr:
    return pl.col("age") < days
