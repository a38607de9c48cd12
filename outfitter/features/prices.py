"""What a price means: where it lies in its category, and how far below what the item once cost.

Both look back past a calendar boundary only, at the category's month before the event's and at the item's weeks before the event's.
So what they say of an event was known when it happened and never changes afterwards, and the tables serve every cut-off.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from outfitter.features.catalogue import category_versions
from outfitter.features.rows import DAYS_A_WEEK, MICROSECONDS_A_DAY
from outfitter.features.spec import DISCOUNT
from outfitter.lake.snapshot import Snapshot

PRICES = WEEKS = 1 << 32  # a price is the 32 bits of its Float32, which sort like the numbers as long as none is negative
MONTHS = 1 << 12
LOOK_BACK = timedelta(days=365 + 31 + 31)  # a year of events, each against the month before its own


@dataclass(frozen=True)
class Prices:
    """Two tables sorted by ``code``, read by binary search.

    levels: code int64 of (category, month, price); below: share of that month's sales under the price, ties half; upto: ties whole.
    peaks: code int64 of (item, week since 1970); highest: the highest price of the item up to and in that week.
    """

    levels: pl.DataFrame
    peaks: pl.DataFrame

    def describe(self, rows: pl.DataFrame) -> pl.DataFrame:
        """``rows`` (item_key, category, day, price) with two Float64 columns.

        percentile: the share of the category's sales in the month before that were cheaper, null where there were none. highest: the
        highest price of the item in earlier weeks, null where it had none.
        """
        level = rows.select(_level(_month() - 1)).to_series()
        level_found, peak_found = _last_of(self.levels, level, "right"), _last_of(self.peaks, rows.select(_week()).to_series(), "left")
        asked = rows.with_columns(level.alias("asked"), *level_found.rename({"code": "level"}))
        share = pl.when(pl.col("level") == pl.col("asked")).then("below").otherwise("upto")
        same_month, same_item = pl.col("level") // PRICES == pl.col("asked") // PRICES, peak_found["code"] // WEEKS == rows["item_key"]
        return asked.select(
            pl.col(rows.columns),
            pl.when(same_month).then(share).alias("percentile"),
            pl.when(same_item).then(peak_found["highest"]).alias("highest"),
        )


def price_tables(snapshot: Snapshot, since: datetime, until: datetime, targets: Collection[str]) -> Prices:
    """The tables for the cut-offs from ``since`` to ``until``.

    Counts and maxima over the whole table, file by file and added up by Polars' streaming engine: neither depends on the order.
    """
    moment = pl.col("timestamp").dt.timestamp("us")
    known = (pl.col("timestamp") <= until) & pl.col("price").is_not_null() & pl.col("event").is_in(list(targets))
    day = (moment // MICROSECONDS_A_DAY).cast(pl.Int32).alias("day")
    rows = snapshot.scan("interactions").filter(known).select("item_key", "price", "timestamp", moment.alias("moment"), day)
    met = rows.group_by("item_key", "price").agg(pl.col("day").min()).collect(engine="streaming")
    return Prices(_levels(_sales(rows.filter(pl.col("timestamp") >= since - LOOK_BACK), category_versions(snapshot))), _peaks(met))


def _sales(rows: pl.LazyFrame, versions: pl.DataFrame) -> pl.DataFrame:
    """code, sales: how often a category sold at a price in a month, by the category that the item had then."""
    joined = rows.join(versions.lazy(), on="item_key", how="inner")
    then = joined.filter((pl.col("moment") >= pl.col("valid_from")) & (pl.col("moment") < pl.col("valid_to")))
    return then.group_by(_level(_month())).agg(pl.len().cast(pl.Int64).alias("sales")).collect(engine="streaming")


def _levels(sales: pl.DataFrame) -> pl.DataFrame:
    """A row of no sales at the lowest price of each month makes sure that a search ends in the month, not before it."""
    lowest = sales.select((pl.col("code") // PRICES * PRICES).unique(), pl.lit(0, pl.Int64).alias("sales"))
    table = pl.concat([sales, lowest]).group_by("code").agg(pl.col("sales").sum()).sort("code")
    upto, total = (pl.col("sales").cum_sum(), pl.col("sales").sum())
    table = table.with_columns(upto.over(pl.col("code") // PRICES).alias("upto"), total.over(pl.col("code") // PRICES).alias("total"))
    below = (pl.col("upto") - pl.col("sales") / 2) / pl.col("total")
    return table.select("code", below.alias("below"), pl.col("upto") / pl.col("total"))


def _peaks(met: pl.DataFrame) -> pl.DataFrame:
    """Only the weeks in which an item cost more than ever before. met: a row a price of an item, with the first day it was sold for that.

    An item has far fewer prices than weeks. With the item in the high bits and the price in the low ones, a maximum over all rows so far
    is one over the item's own.
    """
    weekly = met.group_by(_week()).agg(pl.col("price").max())
    table = weekly.sort("code").with_columns((pl.col("code") // WEEKS * PRICES + _bits()).alias("dearest"))
    rise = pl.col("dearest") > pl.col("dearest").cum_max().shift(1)
    return table.filter(rise.fill_null(True)).select("code", pl.col("price").alias("highest"))


def _month() -> pl.Expr:
    """Months since 1970."""
    date = pl.col("day").cast(pl.Date)
    return (date.dt.year().cast(pl.Int64) - 1970) * 12 + date.dt.month() - 1


def _level(month: pl.Expr) -> pl.Expr:
    return ((pl.col("category") * MONTHS + month) * PRICES + _bits()).alias("code")


def _bits() -> pl.Expr:
    """A price as a whole number that sorts like it."""
    return (pl.col("price") + 0.0).cast(pl.Float32).reinterpret(dtype=pl.UInt32).cast(pl.Int64)


def _week() -> pl.Expr:
    return (pl.col("item_key").cast(pl.Int64) * WEEKS + pl.col("day") // DAYS_A_WEEK).alias("code")


def _last_of(table: pl.DataFrame, asked: pl.Series, side: Literal["left", "right"]) -> pl.DataFrame:
    """The last row of ``table`` at or before each code (before it, when side is ``left``); nulls where there is none."""
    place = table["code"].search_sorted(asked, side=side).cast(pl.Int64) - 1
    return table.select(pl.all().gather(place.set(place < 0, None)))


def discount(price: pl.Expr, highest: pl.Expr) -> pl.Expr:
    """1 - price / highest where that is a discount worth the name, else 0."""
    return pl.when((highest > 0) & (price <= (1 - DISCOUNT) * highest)).then(1 - price / highest).otherwise(0.0)
