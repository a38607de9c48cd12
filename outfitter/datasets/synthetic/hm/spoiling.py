"""Bad rows for transactions: copies of good rows, each broken in one way and placed right after its original.

A copy that is not broken is no bad row here: identical rows are quantities.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.knobs import Shop, Stream
from outfitter.datasets.synthetic.spoiling import FUTURE_YEAR, NO_MONTH, interleaved
from outfitter.errors import SourceError

BAD_ROWS_FILE = "bad_rows.csv"
NO_PRICE = "n/a"
DEFECTS = ("no customer", "no article", "unreadable price", "negative price", "unreadable date", "future date")
KIND = "kind"


def bad_rows(folder: Path) -> pl.DataFrame:
    """What ``write_hm_shop`` broke on purpose: file, row (1-based, the header does not count) and kind, one of ``DEFECTS``.

    Empty for a shop without bad rows. Raises SourceError when ``folder`` has no list of them.
    """
    listed = folder / BAD_ROWS_FILE
    if not listed.is_file():
        raise SourceError(f"{folder} has no {BAD_ROWS_FILE}", "It is not a shop that 'outfitter synth --format hm' has written")
    return pl.read_csv(listed, schema={"file": pl.String, "row": pl.Int64, KIND: pl.String})


def spoil(shop: Shop, part: int, table: pl.DataFrame, count: int) -> pl.DataFrame:
    """``table`` with a column ``kind`` more, null for its own rows, and ``count`` bad rows, of every kind alike often.

    table: rows as ``Sales`` makes them, more than ``count``. No two bad rows share an original.
    """
    good = table.with_columns(pl.lit(None, pl.String).alias(KIND))
    if count == 0:
        return good
    rng = shop.rng(Stream.SPOILING, part)
    original = rng.choice(len(table), count, replace=False)
    kind = pl.Series(KIND, DEFECTS).gather((np.arange(count) + rng.integers(len(DEFECTS))) % len(DEFECTS))
    bad = table[original].with_columns(kind).with_columns(_broken())
    return interleaved(good, bad, original)


def _broken() -> list[pl.Expr]:
    date, price, nothing = pl.col("t_dat"), pl.col("price"), pl.lit(None, pl.String)
    negative, unreadable = pl.concat_str(pl.lit("-"), price), pl.lit(NO_PRICE)
    no_month = pl.concat_str(date.str.slice(0, 5), pl.lit(NO_MONTH), date.str.slice(7))
    future = pl.concat_str(pl.lit(FUTURE_YEAR), date.str.slice(4))
    return [
        _when("no customer", nothing, pl.col("customer_id")).alias("customer_id"),
        _when("no article", nothing, pl.col("article_id")).alias("article_id"),
        _when("unreadable price", unreadable, _when("negative price", negative, price)).alias("price"),
        _when("unreadable date", no_month, _when("future date", future, date)).alias("t_dat"),
    ]


def _when(kind: str, value: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    return pl.when(pl.col(KIND) == kind).then(value).otherwise(otherwise)
