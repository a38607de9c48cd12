"""User and item features as of a cut-off, in Polars. Pure: rows in, rows out; nothing later than the cut-off is looked at."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import polars as pl

from outfitter.features.spec import ITEM_FEATURES, LAST_ITEMS, USER_FEATURES, names

MICROSECONDS_A_DAY = 86_400_000_000


def day(column: str) -> pl.Expr:
    """A timestamp as days since 1970; float32 keeps it to within three minutes."""
    return pl.col(column).dt.timestamp("us") / MICROSECONDS_A_DAY


def user_features(
    interactions: pl.LazyFrame, items: pl.LazyFrame, cutoff: datetime, targets: Collection[str], users: pl.Series | None = None
) -> pl.DataFrame:
    """One row for each user with an event at or before ``cutoff`` (and in ``users``, when given).

    interactions: user_key, item_key, timestamp, sequence, event, price, quantity, bucket. items: item_key, category. Returns
    user_key, bucket, the columns of USER_FEATURES as Float32, and last_items: up to 50 keys of targets, oldest first.
    """
    known = interactions.filter(pl.col("timestamp") <= cutoff)
    if users is not None:
        known = known.filter(pl.col("user_key").is_in(users.implode()))
    target = pl.col("event").is_in(list(targets))
    rows = known.sort("user_key", "timestamp", "sequence", "item_key").join(
        items.select("item_key", "category"), on="item_key", how="left", maintain_order="left"
    )
    rows = rows.with_columns(target.alias("target")).with_columns(_again("user_key", "item_key"))
    features = rows.group_by("user_key", "bucket").agg(
        *[_count(days, cutoff).alias(f"purchases_{days}d") for days in (7, 30, 90, 365)],
        (pl.col("price") * pl.col("quantity").fill_null(1)).filter(_within(90, cutoff)).sum().alias("spend_90d"),
        pl.col("price").filter(pl.col("target")).mean().alias("mean_price"),
        pl.col("category").filter(pl.col("target")).drop_nulls().n_unique().alias("categories"),
        pl.col("again").filter(pl.col("target")).mean().alias("repurchase_share"),
        day("timestamp").min().alias("first_event_day"),
        day("timestamp").max().alias("last_event_day"),
        pl.col("item_key").filter(pl.col("target")).tail(LAST_ITEMS).cast(pl.Int64).alias("last_items"),
    )
    return _finish(features, "user_key", names(USER_FEATURES), "last_items", "bucket")


def item_features(interactions: pl.LazyFrame, items: pl.LazyFrame, cutoff: datetime, targets: Collection[str]) -> pl.DataFrame:
    """One row for each item known at ``cutoff``: in the catalogue then, or taken by somebody by then.

    items: item_key, price, valid_from, catalogued. Returns item_key and the columns of ITEM_FEATURES as Float32.
    """
    rows = interactions.filter((pl.col("timestamp") <= cutoff) & pl.col("event").is_in(list(targets)))
    rows = rows.sort("user_key", "timestamp", "sequence", "item_key")
    rows = rows.with_columns(pl.lit(True).alias("target")).with_columns(_again("user_key", "item_key"))
    sales = rows.group_by("item_key").agg(
        *[_count(days, cutoff).alias(f"sales_{days}d") for days in (7, 30, 90)],
        (_count(7, cutoff) / 7 - _count(30, cutoff) / 30).alias("trend"),
        pl.col("user_key").filter(_within(30, cutoff)).n_unique().alias("buyers_30d"),
        pl.col("price").filter(_within(30, cutoff)).mean().alias("mean_price_30d"),
        pl.col("again").mean().alias("item_repurchase_share"),
        day("timestamp").min().alias("first_sale_day"),
        day("timestamp").max().alias("last_sale_day"),
    )
    known = items.select("item_key", pl.col("price").alias("list_price"), "catalogued")
    joined = known.join(sales, on="item_key", how="left")
    joined = joined.filter(pl.col("catalogued") | pl.col("first_sale_day").is_not_null())
    counts = [pl.col(name).fill_null(0) for name in ("sales_7d", "sales_30d", "sales_90d", "trend", "buyers_30d")]
    return _finish(joined.with_columns(counts), "item_key", names(ITEM_FEATURES))


def _within(days: int, cutoff: datetime) -> pl.Expr:
    return pl.col("target") & (pl.col("timestamp") > cutoff - timedelta(days=days))


def _count(days: int, cutoff: datetime) -> pl.Expr:
    return _within(days, cutoff).sum()


def _again(user: str, item: str) -> pl.Expr:
    """Whether the same user had a target event on the same item before, in rows sorted by time."""
    return (pl.col("target").cum_sum().over(user, item) > 1).alias("again")


def _finish(frame: pl.LazyFrame, key: str, columns: list[str], *others: str) -> pl.DataFrame:
    return frame.select(key, *[pl.col(name).cast(pl.Float32) for name in columns], *others).sort(key).collect()
