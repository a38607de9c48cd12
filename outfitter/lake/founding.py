"""A lake is founded once: how many buckets it has and whose data it holds never change under its feet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from outfitter.errors import LakeError
from outfitter.lake.tables import Lake
from outfitter.schema import TABLES

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Facts:
    """What was decided when the lake was founded."""

    n_buckets: int
    source: str
    synthetic_time: bool = False


def facts(lake: Lake) -> Facts | None:
    """The founding facts, or None where no lake has been founded yet (or founding was cut short).

    Raises LakeError when the tables are of another schema version than this code.
    """
    if not lake.exists("lake") or (rows := lake.read("lake")).is_empty():
        return None
    row = rows.row(0, named=True)
    if row["schema_version"] != SCHEMA_VERSION:
        raise LakeError(
            f"the lake '{lake.root}' has schema version {row['schema_version']}, this program reads {SCHEMA_VERSION}",
            "Use the version of outfitter that wrote it, or start a new home.",
        )
    return Facts(row["n_buckets"], row["source"], row["synthetic_time"])


def found(lake: Lake, n_buckets: int, source: str, at: datetime, synthetic_time: bool = False) -> Facts:
    """Make all tables, and last the row that says the lake exists; returns the facts of a lake that is there already."""
    if (known := facts(lake)) is not None:
        return known
    for table in TABLES:
        lake.create(table)
    row = {"n_buckets": n_buckets, "source": source, "synthetic_time": synthetic_time, "schema_version": SCHEMA_VERSION, "created_at": at}
    lake.append("lake", pl.DataFrame([row]), transaction="founded")
    return Facts(n_buckets, source, synthetic_time)


def refuse_other_source(lake: Lake, source: str) -> None:
    """Raises LakeError when the lake holds another source's data: two shops in one lake would learn from each other."""
    known = facts(lake)
    if known and known.source != source:
        raise LakeError(
            f"the lake '{lake.root}' holds data of source '{known.source}', not '{source}'",
            f"Give '{source}' a home of its own: OUTFITTER_HOME=.outfitter-{source} outfitter run --source {source} --path DIR",
        )
