"""Surrogate keys and buckets: an id becomes an int32 when it is first seen, and keeps it."""

from __future__ import annotations

import zlib

import polars as pl

from outfitter.lake.tables import Lake
from outfitter.schema import EPOCH

BIG_SHOP = 1_000_000


def default_buckets(n_users: int) -> int:
    """8 below a million users, else 64: a bucket's rows then fit comfortably in memory."""
    return 8 if n_users < BIG_SHOP else 64


def bucket_of(user_ids: pl.Series, n_buckets: int) -> pl.Series:
    """int32 bucket of each id: CRC-32 of its UTF-8 bytes modulo ``n_buckets``, the same on every machine and version."""
    buckets = [zlib.crc32(user_id.encode()) % n_buckets for user_id in user_ids]
    return pl.Series("bucket", buckets, dtype=pl.Int32)


def key_users(lake: Lake, ids: pl.Series, n_buckets: int) -> pl.DataFrame:
    """user_id, user_key, bucket for every id of ``ids``; ids not seen before get the next keys, in sorted order."""
    known = lake.scan("users").filter(pl.col("delivery_id").is_null()).select("user_id", "user_key", "bucket").collect()
    fresh = _unseen(known, "user", ids)
    if fresh.is_empty():
        return _named(known, ids, "user_id")
    fresh = fresh.with_columns(bucket_of(fresh["user_id"], n_buckets))
    lake.append("users", fresh.with_columns(pl.lit(EPOCH).alias("valid_from")))
    return _named(pl.concat([known, fresh.select(known.columns)]), ids, "user_id")


def key_items(lake: Lake, ids: pl.Series) -> pl.DataFrame:
    """item_id, item_key for every id of ``ids``; an id not seen before becomes a stub until a catalogue names it."""
    known = lake.scan("items").filter(pl.col("delivery_id").is_null()).select("item_id", "item_key").collect()
    fresh = _unseen(known, "item", ids)
    if fresh.height:
        lake.append("items", fresh.with_columns(pl.lit(EPOCH).alias("valid_from"), pl.lit(False).alias("catalogued")))
    return _named(pl.concat([known, fresh.select(known.columns)]), ids, "item_id")


def _unseen(known: pl.DataFrame, thing: str, ids: pl.Series) -> pl.DataFrame:
    key, name = f"{thing}_key", f"{thing}_id"
    fresh = pl.DataFrame({name: ids.drop_nulls().unique()}).join(known, on=name, how="anti").sort(name)
    highest = known[key].max()
    first = highest + 1 if isinstance(highest, int) else 0
    return fresh.with_columns(pl.int_range(first, first + fresh.height, dtype=pl.Int32, eager=True).alias(key))


def _named(known: pl.DataFrame, ids: pl.Series, column: str) -> pl.DataFrame:
    return known.join(ids.drop_nulls().unique().alias(column).to_frame(), on=column, how="semi")
