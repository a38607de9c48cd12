"""The catalogue as the features need it: names as numbers, each distinct name worked out once."""

from __future__ import annotations

import zlib
from datetime import datetime

import polars as pl

from outfitter.features.spec import SLOTS
from outfitter.lake.snapshot import Snapshot

END_OF_TIME = 2**62
CATEGORIES = 1 << 19  # what an int64 leaves beside a month and a price (``prices``)


def goods(snapshot: Snapshot, cutoff: datetime) -> pl.DataFrame:
    """item_key, category (a number), category_slot, colour_slot, brand_slot as of ``cutoff``; null where the catalogue says nothing."""
    items = snapshot.items(cutoff).select("item_key", *SLOTS).collect()
    for kind, count in SLOTS.items():
        distinct = items[kind].drop_nulls().unique()
        slots = pl.Series(f"{kind}_slot", [slot_of(name, count) for name in distinct], dtype=pl.UInt8)
        items = items.join(pl.DataFrame([distinct, slots]), on=kind, how="left", maintain_order="left")
    coded = items.join(category_codes(snapshot), on="category", how="left", maintain_order="left")
    return coded.select("item_key", pl.col("code").alias("category"), *(f"{kind}_slot" for kind in SLOTS))


def slot_of(name: str, count: int) -> int:
    """The slot of a name: feature hashing (Weinberger et al. 2009), without their sign since shares are not negative.

    CRC-32 of its UTF-8 bytes modulo ``count``: the same on every machine, so no vocabulary has to be kept.
    """
    return zlib.crc32(name.encode()) % count


def category_codes(snapshot: Snapshot) -> pl.DataFrame:
    """category, code int64: a number for each category that the catalogue ever named; above half a million, some share one."""
    named = snapshot.scan("items").select(pl.col("category").drop_nulls().unique().sort()).collect()
    return named.with_columns((pl.int_range(pl.len(), dtype=pl.Int64) % CATEGORIES).alias("code"))


def category_versions(snapshot: Snapshot) -> pl.DataFrame:
    """item_key, category (code), valid_from, valid_to: the category of an item at a moment, in microseconds since 1970."""
    rows = snapshot.scan("items").filter(pl.col("catalogued")).select("item_key", "valid_from", "delivery_id", "category").collect()
    rows = rows.sort("item_key", "valid_from", "delivery_id").unique(["item_key", "valid_from"], keep="last", maintain_order=True)
    start = pl.col("valid_from").dt.timestamp("us")
    rows = rows.with_columns(start, start.shift(-1).over("item_key").fill_null(END_OF_TIME).alias("valid_to"))
    coded = rows.join(category_codes(snapshot), on="category", how="inner")
    return coded.select("item_key", pl.col("code").alias("category"), "valid_from", "valid_to")
