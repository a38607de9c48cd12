"""Keeping the lake in few files: small ones merged, and what nothing names any more removed after a week."""

from __future__ import annotations

import json

import polars as pl

from outfitter.lake.tables import Lake
from outfitter.schema import TABLES

NAMED_BY = ("batches", "promotions", "drift")
"""Tables whose rows name the snapshot that they rest on: those snapshots stay readable for good."""
NEWEST = 3


def tidy(lake: Lake, files_per_bucket: int) -> dict[str, int]:
    """Merge the files of every table whose partitions hold more than that many; returns how many files went, by table.

    A merge is a commit of its own with the same rows. Files that no version needs which a snapshot in use names are removed a week
    after they were replaced, so that a reader who has opened an old version can finish.
    """
    merged = {table: gone for table in TABLES if (gone := lake.compact(table, files_per_bucket))}
    for table in merged:
        lake.vacuum(table, versions_in_use(lake, table))
    return merged


def versions_in_use(lake: Lake, table: str) -> list[int]:
    """The versions of ``table`` that a published batch, a promotion, a drift check or one of the newest snapshots names."""
    snapshots = lake.read("snapshots").sort("created_at")
    named = pl.concat([lake.scan(name).select("snapshot_id") for name in NAMED_BY]).collect()["snapshot_id"]
    kept = pl.concat([snapshots.filter(pl.col("snapshot_id").is_in(named.implode())), snapshots.tail(NEWEST)])
    versions = [json.loads(text) for text in kept["versions"]]
    return sorted({one[table] for one in versions if table in one})
