"""Surrogate keys: a user and an item get an int32 when first seen, and a user a bucket. Ids never travel further in."""

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
    fresh = _unseen(lake, "users", "user", ids)
    rows = fresh.with_columns(bucket_of(fresh["user_id"], n_buckets), pl.lit(EPOCH).alias("valid_from"))
    if rows.height:
        lake.append("users", rows)
    return _keys(lake, "users", ids, "user_id", "user_key", "bucket")


def key_items(lake: Lake, ids: pl.Series) -> pl.DataFrame:
    """item_id, item_key for every id of ``ids``; an id not seen before becomes a stub until a catalogue names it."""
    fresh = _unseen(lake, "items", "item", ids)
    if fresh.height:
        lake.append("items", fresh.with_columns(pl.lit(EPOCH).alias("valid_from"), pl.lit(False).alias("catalogued")))
    return _keys(lake, "items", ids, "item_id", "item_key")


def _unseen(lake: Lake, table: str, thing: str, ids: pl.Series) -> pl.DataFrame:
    key, name = f"{thing}_key", f"{thing}_id"
    known = lake.scan(table).filter(pl.col("delivery_id").is_null()).select(name, key).collect()
    fresh = pl.DataFrame({name: ids.drop_nulls().unique().sort()}).join(known, on=name, how="anti", maintain_order="left")
    highest = known[key].max()
    first = highest + 1 if isinstance(highest, int) else 0
    return fresh.with_columns(pl.int_range(first, first + fresh.height, dtype=pl.Int32, eager=True).alias(key))


def _keys(lake: Lake, table: str, ids: pl.Series, *columns: str) -> pl.DataFrame:
    rows = lake.scan(table).filter(pl.col("delivery_id").is_null()).select(*columns).collect()
    return rows.join(ids.drop_nulls().unique().alias(columns[0]).to_frame(), on=columns[0], how="semi")
