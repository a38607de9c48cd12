"""The rows of two windows that a drift check compares: what was bought, by whom, when and for how much."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from outfitter.features.asof import Windows
from outfitter.lake.snapshot import Snapshot

NUMERICAL = ("price", "value", "quantity", "days_since_first_sale", "user_purchases_before")
CATEGORICAL = ("event", "category", "colour", "brand", "channel", "market", "weekday")


def reference_window(windows: Windows, weeks: int) -> tuple[datetime, datetime]:
    """The window the newest models learnt their rows from: the ``weeks`` before the newest window starts."""
    return windows.test_from - timedelta(weeks=weeks), windows.test_from


def window_rows(snapshot: Snapshot, since: datetime, until: datetime) -> pl.DataFrame:
    """The interactions of (since, until] with the columns NUMERICAL and CATEGORICAL, as they were known at the time of each."""
    rows = snapshot.scan("interactions").filter(pl.col("timestamp") <= until).sort("timestamp", "sequence")
    first = pl.col("timestamp").min().over("item_key")
    rows = rows.with_columns(
        (pl.col("timestamp") - first).dt.total_days().alias("days_since_first_sale"),
        (pl.int_range(pl.len()).over("user_key")).alias("user_purchases_before"),
        pl.col("timestamp").dt.weekday().cast(pl.String).alias("weekday"),
    )
    items = snapshot.items(until).select("item_key", "category", "colour", "brand")
    joined = rows.filter(pl.col("timestamp") > since).join(items, on="item_key", how="left")
    return joined.select(*NUMERICAL, *CATEGORICAL).collect()
