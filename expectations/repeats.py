"""Rows that repeat an earlier one of the same delivery, found exactly and once, block by block.

Great Expectations can say that values are not unique, but it then fails every copy; here the first row counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from outfitter.schema import INTERACTION_FRAME

REPEAT = "repeat_of"

SAME_INTERACTION = tuple(name for name in INTERACTION_FRAME if name not in ("sequence", "unreadable"))
SAME_ITEM = ("item_id", "valid_from")  # a catalogue may hold several versions of an item, each from its own day
SAME_USER = ("user_id", "valid_from")

_SEEDS = {"low": 1, "high": 2}
_KEY = tuple(_SEEDS)


class Repeats:
    """What has been met of a delivery so far.

    A row is remembered by two independent 64-bit hashes of ``by`` and its ``sequence``: 24 bytes a distinct row, 0.8 GB at 32 million.
    One hash would not do: among n = 32 million rows some two share 64 bits with chance n(n-1)/2^65, 1 in 36,000 a delivery, and a good
    row would be set aside; with 128 bits the chance is below 1e-23.
    """

    def __init__(self, by: Sequence[str]) -> None:
        self._by = list(by)
        self._met: list[pl.DataFrame] = []

    def mark(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The next block with ``repeat_of`` (Int64): null, or the ``sequence`` of the first earlier row alike in all of ``by``.

        Rows keep their order, and the order is what makes a row earlier. The first column of ``by`` is an id; where it is null
        there is nothing to repeat.
        """
        rows = self._hashed(frame)
        known = self._known(rows)
        again = pl.concat([known, _within(rows).join(known, on="place", how="anti")])
        fresh = rows.filter(~pl.col("place").is_in(again["place"].implode())) if again.height else rows
        self._met.append(fresh.select(*_KEY, pl.col("sequence").alias("first")))
        return frame.with_columns(_placed(again, frame.height))

    def _hashed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``place`` in the block, ``sequence`` and the hashes of the rows with an id."""
        hashes = [pl.struct(self._by).hash(seed).alias(name) for name, seed in _SEEDS.items()]
        rows = frame.select(pl.int_range(pl.len()).alias("place"), "sequence", *hashes)
        return rows.filter(frame[self._by[0]].is_not_null()) if frame[self._by[0]].null_count() else rows

    def _known(self, rows: pl.DataFrame) -> pl.DataFrame:
        """``place`` and ``first`` of the rows that an earlier block had. Joined on one hash: on two, the join would copy both sides."""
        if not self._met:
            return pl.DataFrame(schema={"place": pl.Int64(), "first": pl.Int64()})
        met = pl.concat(self._met, rechunk=False)
        found = rows.select("place", *_KEY).join(met, on="low", how="inner", suffix="_met")
        return found.filter(pl.col("high") == pl.col("high_met")).select("place", "first")


def _within(rows: pl.DataFrame) -> pl.DataFrame:
    """``place`` and ``first`` of the rows that repeat one of their own block. Few share a hash, and only those are looked at closely."""
    twice = rows.filter(pl.col("low").is_duplicated())
    first = pl.col("sequence").first().over(_KEY)
    return twice.select("place", first.alias("first"), later=pl.int_range(pl.len()).over(_KEY) > 0).filter("later").drop("later")


def _placed(again: pl.DataFrame, height: int) -> pl.Series:
    if again.is_empty():
        return pl.Series(REPEAT, [None], dtype=pl.Int64).new_from_index(0, height)
    places = pl.DataFrame({"place": pl.int_range(height, eager=True)})
    return places.join(again, on="place", how="left", maintain_order="left")["first"].alias(REPEAT)
