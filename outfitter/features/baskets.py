"""Baskets: what a user takes on one day. Which items are bought together, and how much else is in the basket."""

from __future__ import annotations

import polars as pl

from outfitter.features.rows import KEYS, pair
from outfitter.features.spec import MAX_BASKET, SHRINKAGE

BASKET = ["user_key", "day"]


def _baskets(taken: pl.DataFrame) -> pl.DataFrame:
    """user_key, day, item_key, size: each different item of each basket, and how many there are in it."""
    lines = taken.select(*BASKET, "item_key").unique()
    return lines.join(lines.group_by(BASKET).agg(pl.len().cast(pl.Int64).alias("size")), on=BASKET, how="left")


def basket_sums(taken: pl.DataFrame) -> pl.DataFrame:
    """item_key, baskets: how many hold it, basket_items: how many different items those hold together."""
    return (
        _baskets(taken)
        .group_by("item_key")
        .agg(
            pl.len().alias("baskets"),
            pl.col("size").sum().alias("basket_items"),
        )
    )


def pairs_together(taken: pl.DataFrame) -> pl.DataFrame:
    """pair (of the smaller and the larger item key), together: in how many baskets both lie; baskets above the limit make no pairs.

    A basket of n items makes n(n-1)/2 pairs: without the limit a single wholesale order would outnumber everything else.
    """
    lines = _baskets(taken).filter(pl.col("size").is_between(2, MAX_BASKET)).select(*BASKET, "item_key")
    both = lines.join(lines, on=BASKET, suffix="_other").filter(pl.col("item_key") < pl.col("item_key_other"))
    return both.group_by(pair("item_key", "item_key_other").alias("pair")).agg(pl.len().alias("together"))


def copurchase(pairs: pl.DataFrame, baskets: pl.DataFrame) -> pl.DataFrame:
    """item_key, copurchase_30d: the strongest tie of each item in a basket, 0 without one.

    The cosine of two items over baskets, n / sqrt(a b), shrunk by n / (n + SHRINKAGE) (as Koren 2008 shrinks similarities): two
    items that met once by chance are not the closest pair of the shop.
    """
    held = baskets.select("item_key", pl.col("baskets").cast(pl.Float64))
    one, other = ((pl.col("pair") // KEYS).cast(pl.Int32).alias("one"), (pl.col("pair") % KEYS).cast(pl.Int32).alias("other"))
    ties = pairs.select(one, other, "together")
    ties = ties.join(held, left_on="one", right_on="item_key").join(held, left_on="other", right_on="item_key", suffix="_other")
    met = pl.col("together")
    ties = ties.select("one", "other", (met / (met + SHRINKAGE) * met / (pl.col("baskets") * pl.col("baskets_other")).sqrt()).alias("tie"))
    strongest = pl.concat(ties.group_by(pl.col(side).alias("item_key")).agg(pl.col("tie").max()) for side in ("one", "other"))
    joined = held.join(strongest.group_by("item_key").agg(pl.col("tie").max()), on="item_key", how="left")
    return joined.select("item_key", pl.col("tie").fill_null(0.0).alias("copurchase_30d"))
