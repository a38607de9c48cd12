"""Rows that repeat an earlier one, found exactly and once, in Polars.

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


def with_repeats(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """``frame`` with ``repeat_of`` (Int64): null, or the ``sequence`` of the first earlier row alike in all of ``by``.

    The first column of ``by`` is an id; where it is null there is nothing to repeat. Rows keep their order, and the order is
    what makes a row earlier.
    """
    place = pl.int_range(pl.len())
    is_repeat = pl.col(by[0]).is_not_null() & (place.over(list(by)) > 0)
    return frame.with_columns(pl.when(is_repeat).then(pl.col("sequence").first().over(list(by))).alias(REPEAT))
