"""A snapshot as it would have been taken at an earlier moment: what was to come is not hidden by a filter downstream, it is not there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from outfitter.lake.snapshot import Snapshot


@dataclass(frozen=True)
class Cut(Snapshot):
    """Whatever reads this one cannot see later than ``as_of``, however it computes.

    Rows that give a key to an id stay, as in every snapshot: they say nothing but that the id exists.
    """

    @classmethod
    def of(cls, snapshot: Snapshot, cutoff: datetime) -> Cut:
        return cls(snapshot.lake, snapshot.id, cutoff, snapshot.versions)

    def scan(self, table: str) -> pl.LazyFrame:
        rows = super().scan(table)
        if table == "interactions":
            return rows.filter(pl.col("timestamp") <= self.as_of)
        return rows.filter(pl.col("delivery_id").is_null() | (pl.col("valid_from") <= self.as_of))
