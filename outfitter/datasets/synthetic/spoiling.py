"""Bad rows for a month's file: copies of good rows, each broken in one way and placed right after its original."""

from __future__ import annotations

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.knobs import Ints, Shop, Stream

NO_MONTH = "31"
FUTURE_YEAR = "2196"
"""A leap year, so that every day of the history has its like there."""
DEFECTS = ("negative price", "unreadable date", "future date", "no user", "no item", "duplicate")


def spoil(shop: Shop, month: int, table: pl.DataFrame, count: int) -> pl.DataFrame:
    """``table`` (the text of a month's file, with times in order) and ``count`` bad rows more, of every kind alike often.

    The good rows stay as they are and in order, so that a shop whose bad rows are all found is the shop without bad rows.
    Originals are purchases, and no two bad rows share one.
    """
    if count == 0:
        return table
    rng = shop.rng(Stream.SPOILING, month)
    purchases = np.flatnonzero((table["event"] == "purchase").to_numpy())
    original = rng.choice(purchases, count, replace=False)
    defect = pl.Series("defect", (np.arange(count) + rng.integers(len(DEFECTS))) % len(DEFECTS))
    bad = table[original].with_columns(defect).with_columns(_broken())
    return interleaved(table, bad.drop("defect"), original)


def interleaved(good: pl.DataFrame, bad: pl.DataFrame, original: Ints) -> pl.DataFrame:
    """``good`` with the rows of ``bad`` each right after its original: int64[len(bad)], no two alike, positions in ``good``."""
    place = np.concatenate([np.arange(len(good)) * 2, original * 2 + 1])
    return pl.concat([good, bad])[np.argsort(place)]


def spoilt_by_part(shop: Shop, rows: list[int]) -> list[int]:
    """The bad rows of each part of the history, in proportion to its good ``rows``; they sum to ``shop.spoilt``."""
    ends = np.round(np.cumsum(rows) / sum(rows) * shop.spoilt).astype(np.int64)
    return [int(n) for n in np.diff(ends, prepend=0)]


def _broken() -> list[pl.Expr]:
    """The cells that a defect changes; a broken date keeps its time of day, so that broken rows are not duplicates besides."""
    text = pl.col("timestamp")
    unreadable = pl.concat_str(text.str.slice(0, 5), pl.lit(NO_MONTH), text.str.slice(7))
    future = pl.concat_str(pl.lit(FUTURE_YEAR), text.str.slice(4))
    return [
        _when("negative price", -pl.col("price"), pl.col("price")),
        _when("no user", pl.lit(None, pl.String), pl.col("user_id")).alias("user_id"),
        _when("no item", pl.lit(None, pl.String), pl.col("item_id")).alias("item_id"),
        _when("unreadable date", unreadable, _when("future date", future, text)).alias("timestamp"),
    ]


def _when(kind: str, value: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("defect") == DEFECTS.index(kind)).then(value).otherwise(otherwise)
