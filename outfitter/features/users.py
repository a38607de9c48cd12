"""Features of what a user takes: purchase history, style, price sensitivity."""

from __future__ import annotations

import math

import polars as pl

from outfitter.features.prices import Prices, discount
from outfitter.features.rows import as_day, in_last, pair
from outfitter.features.sessions import browsing
from outfitter.features.spec import COUNT_DAYS, HALF_LIFE_DAYS, LAST_ITEMS, SLOTS, SPEND_DAYS, USER_FEATURES, names


def user_features(rows: pl.DataFrame, goods: pl.DataFrame, prices: Prices) -> pl.DataFrame:
    """One row for each user of ``rows``: user_key, the columns of USER_FEATURES as Float32, last_items (oldest first).

    rows: one bucket as of the cut-off (``known_rows``, in order). goods: ``catalogue.goods`` as of the cut-off.
    """
    taken = rows.filter("target").join(goods, on="item_key", how="left", maintain_order="left")
    taken = taken.with_columns(pl.col("user_key").set_sorted(), _again(), _new_category())
    features = browsing(rows)
    for part in (_history(taken), _style(taken), _price_sensitivity(taken, prices)):
        features = features.join(part, on="user_key", how="left")
    none = [*(f"purchases_{days}d" for days in COUNT_DAYS), *(f"spend_{days}d" for days in SPEND_DAYS), "categories"]
    return features.sort("user_key").select(
        "user_key",
        *(pl.col(name).fill_null(0).cast(pl.Float32) if name in none else pl.col(name).cast(pl.Float32) for name in names(USER_FEATURES)),
        pl.col("last_items").fill_null([]),
    )


def _again() -> pl.Expr:
    return (~pair("user_key", "item_key").is_first_distinct()).alias("again")


def _new_category() -> pl.Expr:
    return (pair("user_key", "category").is_first_distinct() & pl.col("category").is_not_null()).alias("new_category")


def _history(taken: pl.DataFrame) -> pl.DataFrame:
    spent = pl.col("price") * pl.col("quantity").fill_null(1)
    return taken.group_by("user_key", maintain_order=True).agg(
        *(in_last(days).sum().alias(f"purchases_{days}d") for days in COUNT_DAYS),
        *(spent.filter(in_last(days)).sum().alias(f"spend_{days}d") for days in SPEND_DAYS),
        pl.col("price").mean().alias("mean_price"),
        pl.col("new_category").sum().alias("categories"),
        pl.col("again").mean().alias("repurchase_share"),
        as_day(pl.col("moment").last()).alias("last_purchase_day"),
        pl.col("item_key").tail(LAST_ITEMS).cast(pl.Int64).alias("last_items"),
    )


def _style(taken: pl.DataFrame) -> pl.DataFrame:
    """Shares of weights that all halve at one rate do not change while nothing happens, so weights grow from 1970 instead of decaying.

    That keeps a user's shares the same to the last bit at every cut-off until the next event. A Float64 holds 2**(day/90) until 2222.
    """
    weight = (pl.col("day") * (math.log(2) / HALF_LIFE_DAYS)).exp()
    sums = (
        taken.with_columns(weight.alias("weight"))
        .group_by("user_key", maintain_order=True)
        .agg(
            pl.col("weight").filter(pl.col(f"{kind}_slot") == slot).sum().alias(f"{kind}_share_{slot:02}")
            for kind, count in SLOTS.items()
            for slot in range(count)
        )
    )
    for kind, count in SLOTS.items():
        slots = [f"{kind}_share_{slot:02}" for slot in range(count)]
        total = pl.sum_horizontal(slots)
        sums = sums.with_columns(pl.when(total > 0).then(pl.col(slot) / total) for slot in slots)
        entropy = pl.sum_horizontal(pl.when(pl.col(slot) > 0).then(-pl.col(slot) * pl.col(slot).log()).otherwise(0.0) for slot in slots)
        known = pl.col(slots[0]).is_not_null()
        sums = sums.with_columns(pl.max_horizontal(slots).alias(f"{kind}_favourite"), pl.when(known).then(entropy).alias(f"{kind}_entropy"))
    return sums


def _price_sensitivity(taken: pl.DataFrame, prices: Prices) -> pl.DataFrame:
    priced = prices.describe(taken.filter(in_last(365) & pl.col("price").is_not_null()))
    cut = priced.with_columns(discount(pl.col("price"), pl.col("highest")).alias("depth"), pl.col("user_key").set_sorted())
    return cut.group_by("user_key", maintain_order=True).agg(
        pl.col("percentile").mean().alias("price_percentile_365d"),
        (pl.col("depth") > 0).mean().alias("discount_share_365d"),
        pl.col("depth").mean().alias("discount_depth_365d"),
    )
