"""Lakes of a few random rows, written as a delivery would leave them, so that buckets and catalogue versions are real."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.schema import INTERACTIONS, ITEMS, USERS, conform

BUCKETS = 3


def snapshot_of(folder: Path, interactions: pl.DataFrame, items: pl.DataFrame, users: pl.DataFrame | None = None) -> Snapshot:
    """A lake in ``folder`` that holds these rows of the lake's tables, and a snapshot of it."""
    lake = Lake(str(folder))
    given = {"interactions": interactions, "items": items, "users": pl.DataFrame({"user_key": []}) if users is None else users}
    schemas = {"interactions": INTERACTIONS, "items": ITEMS, "users": USERS}
    lake.create("lake")
    lake.append("lake", pl.DataFrame({"n_buckets": [BUCKETS], "source": ["test"], "schema_version": [1]}))
    for table, rows in given.items():
        lake.create(table)
        lake.append(table, conform(rows, schemas[table]))
    return Snapshot(lake, "test", datetime(2100, 1, 1, tzinfo=UTC), {table: lake.version(table) for table in given})
