"""Features of items: sums over each bucket of users (map), added up over the buckets (reduce)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from outfitter.features.baskets import basket_sums, copurchase, pairs_together
from outfitter.features.prices import Prices, discount
from outfitter.features.rows import KEYS, as_day, in_last, pair
from outfitter.features.spec import ITEM_FEATURES, names

EARLIEST, LATEST = "first_sale", "last_sale"
RETURN = "return"


@dataclass(frozen=True)
class Sums:
    """What one bucket, or all of them together, know of the items.

    ever, recent, baskets: a row an item, whose numbers add up (the first and last sale apart). pairs: a row a pair of items, as
    ``rows.pair`` makes one number of two.
    """

    ever: pl.DataFrame
    recent: pl.DataFrame
    baskets: pl.DataFrame
    pairs: pl.DataFrame


def bucket_sums(rows: pl.DataFrame, births: pl.DataFrame, prices: Prices, cutoff: datetime) -> Sums:
    """The sums of one bucket. rows: of ``known_rows``, in any order. births: user_key, birth_year of the bucket's users who gave it."""
    taken = rows.filter("target")
    month = taken.filter(in_last(30))
    return Sums(_ever(rows, taken), _recent(taken.filter(in_last(90)), births, prices, cutoff), basket_sums(month), pairs_together(month))


def _ever(rows: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    """Item keys are small whole numbers, so counts are arrays by key: several times as fast as groups."""
    item, moment = taken["item_key"].to_numpy(), taken["moment"].to_numpy()
    size = int(item.max(initial=-1)) + 1
    first, last = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(first, item, moment)
    np.maximum.at(last, item, moment)
    pairs = np.sort(taken.select(pair("user_key", "item_key")).to_series().to_numpy())
    takers = pairs[np.diff(pairs, prepend=-1) != 0] & (KEYS - 1)
    counts = {"sales": item, "takers": takers, "sales_365d": item[taken["age"].to_numpy() < 365]}
    counted = {name: np.bincount(keys, minlength=size) for name, keys in counts.items()}
    every = pl.DataFrame({"item_key": np.arange(size, dtype=np.int32), **counted, EARLIEST: first, LATEST: last})
    returned = rows.filter((pl.col("event") == RETURN) & in_last(365)).group_by("item_key").agg(pl.len().alias("returns_365d"))
    return every.filter(pl.col("sales") > 0).join(returned, on="item_key", how="full", coalesce=True)


def _recent(quarter: pl.DataFrame, births: pl.DataFrame, prices: Prices, cutoff: datetime) -> pl.DataFrame:
    """Sums over the last 90 days and windows inside them. The discount needs no category, only the item's own past."""
    years = (cutoff.year - pl.col("birth_year")).cast(pl.Int64).alias("years")
    aged = quarter.join(births.select("user_key", "birth_year"), on="user_key", how="left").with_columns(years)
    priced = quarter.filter(in_last(30) & pl.col("price").is_not_null()).with_columns(pl.lit(None, pl.Int64).alias("category"))
    cheap = (
        prices.describe(priced)
        .group_by("item_key")
        .agg(
            pl.len().alias("priced_30d"),
            pl.col("price").sum().alias("price_30d"),
            (discount(pl.col("price"), pl.col("highest")) > 0).sum().alias("discounted_30d"),
        )
    )
    buyers = quarter.filter(in_last(30)).unique(["user_key", "item_key"]).group_by("item_key").agg(pl.len().alias("buyers_30d"))
    counts = aged.group_by("item_key").agg(
        *(in_last(days).sum().alias(f"sales_{days}d") for days in (7, 30, 90)),
        pl.col("years").count().alias("aged_90d"),
        pl.col("years").sum().alias("years_90d"),
        (pl.col("years") ** 2).sum().alias("squares_90d"),
    )
    return counts.join(buyers, on="item_key", how="left").join(cheap, on="item_key", how="left")


def add_up(parts: Sequence[Sums]) -> Sums:
    """The sums of all buckets, in the order of the buckets so that the last bit is always the same."""
    return Sums(
        _added([part.ever for part in parts], "item_key"),
        _added([part.recent for part in parts], "item_key"),
        _added([part.baskets for part in parts], "item_key"),
        _added([part.pairs for part in parts], "pair"),
    )


def _added(frames: Sequence[pl.DataFrame], key: str) -> pl.DataFrame:
    extremes = {EARLIEST: pl.col(EARLIEST).min(), LATEST: pl.col(LATEST).max()}
    numbers = [name for name in frames[0].columns if name != key]
    return pl.concat(frames).group_by(key).agg(extremes.get(name, pl.col(name).sum()) for name in numbers)


def item_features(catalogue: pl.DataFrame, sums: Sums) -> pl.DataFrame:
    """item_key and the columns of ITEM_FEATURES as Float32: a row for each item that is catalogued or was taken by somebody.

    catalogue: item_key, price, catalogued as of the cut-off.
    """
    joined = catalogue.rename({"price": "list_price"})
    for part in (sums.ever, sums.recent, sums.baskets, copurchase(sums.pairs, sums.baskets)):
        joined = joined.join(part, on="item_key", how="left")
    joined = joined.filter(pl.col("catalogued") | pl.col("sales").is_not_null())
    counted = ["sales_7d", "sales_30d", "sales_90d", "sales_365d", "buyers_30d", "returns_365d"]
    joined = joined.with_columns(pl.col(counted).fill_null(0))
    returns_known = joined["returns_365d"].sum() > 0
    return joined.with_columns(_ratios(returns_known)).sort("item_key").select("item_key", pl.col(names(ITEM_FEATURES)).cast(pl.Float32))


def _ratios(returns_known: bool) -> list[pl.Expr]:
    mean_age = pl.col("years_90d") / pl.col("aged_90d")
    spread = (pl.col("squares_90d") / pl.col("aged_90d") - mean_age**2).clip(lower_bound=0).sqrt()
    returned = _share("returns_365d", "sales_365d", "return_rate_365d")
    return [
        (pl.col("sales_7d") / 7 - pl.col("sales_30d") / 30).alias("trend"),
        _share("price_30d", "priced_30d", "mean_price_30d"),
        _share("discounted_30d", "priced_30d", "item_discount_share_30d"),
        (1 - pl.col("takers") / pl.col("sales")).alias("item_repurchase_share"),
        as_day(pl.col(EARLIEST)).alias("first_sale_day"),
        as_day(pl.col(LATEST)).alias("last_sale_day"),
        pl.when(pl.col("aged_90d") > 0).then(mean_age).alias("buyer_age_90d"),
        pl.when(pl.col("aged_90d") > 0).then(spread).alias("buyer_age_spread_90d"),
        _share("basket_items", "baskets", "basket_items_30d"),
        returned if returns_known else pl.lit(None).alias("return_rate_365d"),
    ]


def _share(part: str, whole: str, name: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole)).alias(name)
