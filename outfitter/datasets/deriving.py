"""A catalogue from what was bought, for a source that has none."""

from __future__ import annotations

import polars as pl

from outfitter.schema import EPOCH, ITEM_FRAME, conform


def first_mentions(interactions: pl.DataFrame) -> pl.DataFrame:
    """ITEM_FRAME, one row an item in order of first appearance, ``sequence`` that of its first mention; its id is all that is known.

    interactions: INTERACTION_FRAME; rows without an item name none. An item is known since EPOCH, as in a static catalogue.
    """
    named = interactions.filter(pl.col("item_id").is_not_null())
    first = named.group_by("item_id").agg(pl.col("sequence").min()).sort("sequence")
    return conform(first.with_columns(pl.lit(EPOCH).alias("valid_from")), ITEM_FRAME)
