"""The rows of two windows that a drift check compares: what was bought, by whom, when and for how much."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from outfitter.features.asof import Windows
from outfitter.lake.snapshot import Snapshot

NUMERICAL = ("price", "value", "quantity", "days_since_first_sale", "user_purchases_before")
CATEGORICAL = ("event", "category", "colour", "brand", "channel", "market", "weekday")


def reference_window(windows: Windows, weeks: int) -> tuple[datetime, datetime]:
    """The window the newest models learnt their rows from: the ``weeks`` before the newest window starts."""
    return windows.test_from - timedelta(weeks=weeks), windows.test_from


def window_rows(snapshot: Snapshot, since: datetime, until: datetime, targets: Collection[str]) -> pl.DataFrame:
    """The interactions of (since, until] with the columns NUMERICAL and CATEGORICAL, as they were known at the time of each.

    targets: the events that count as a sale. An item has no days since its first sale before it.
    """
    rows = snapshot.scan("interactions").filter(pl.col("timestamp") <= until).sort("timestamp", "sequence", "user_key", "item_key")
    sale = pl.col("event").is_in(list(targets))
    age = pl.col("timestamp") - pl.col("timestamp").filter(sale).min().over("item_key")
    rows = rows.with_columns(
        pl.when(age >= timedelta(0)).then(age.dt.total_days()).alias("days_since_first_sale"),
        (sale.cum_sum().over("user_key") - sale).alias("user_purchases_before"),
        pl.col("timestamp").dt.weekday().cast(pl.String).alias("weekday"),
    )
    items = snapshot.items(until).select("item_key", "category", "colour", "brand")
    joined = rows.filter(pl.col("timestamp") > since).join(items, on="item_key", how="left", maintain_order="left")
    return joined.select(*NUMERICAL, *CATEGORICAL).collect()
