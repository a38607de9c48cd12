"""Where a delivery waits between being read and being committed: a folder of Parquet parts, one a block and table.

Nothing here counts. What a killed run has left is cleared away by the next one; what is rejected or held is parked, whole, until a person
has looked at it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from outfitter.lake.failures import readable_failures


@dataclass(frozen=True)
class Staged:
    """The rows of one delivery under ``folder``: passing ones in the frame schemas, failing ones as the quarantine takes them."""

    folder: Path

    @classmethod
    def fresh(cls, folder: Path) -> Staged:
        """An empty one, whatever lay there."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return cls(folder)

    def add(self, table: str, rows: pl.DataFrame | None) -> None:
        """Write the next part of a table; an absent or empty one leaves nothing."""
        if rows is None or rows.is_empty():
            return
        number = len(self.parts(table))
        with readable_failures(f"staged {table}"):
            rows.write_parquet(self.folder / f"{table}-{number:05d}.parquet", compression="lz4")

    def parts(self, table: str) -> list[Path]:
        """The files of a table, in the order of the delivery's rows."""
        return sorted(self.folder.glob(f"{table}-*.parquet"))

    def scan(self, table: str) -> pl.LazyFrame | None:
        """The rows of a table, lazily, or None when there are none."""
        parts = self.parts(table)
        return pl.scan_parquet(parts) if parts else None

    def read(self, table: str) -> pl.DataFrame | None:
        rows = self.scan(table)
        return None if rows is None else rows.collect()

    def park(self, at: Path) -> None:
        """Move everything to ``at``, in place of what lies there."""
        shutil.rmtree(at, ignore_errors=True)
        at.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.folder, at)

    def drop(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def slices(staged: Staged, table: str, rows: int) -> list[list[Path]]:
    """The parts of a table in groups of at least ``rows`` rows each, the last one excepted: what is sorted and written at once."""
    groups: list[list[Path]] = [[]]
    height = 0
    for part in staged.parts(table):
        if height >= rows:
            groups.append([])
            height = 0
        groups[-1].append(part)
        height += pl.scan_parquet(part).select(pl.len()).collect().item()
    return [group for group in groups if group]


def count_users(every: list[Staged]) -> int:
    """About how many different users the deliveries name (HyperLogLog, a few percent off): what a new lake's buckets are chosen by."""
    parts = [part for staged in every for table in ("users", "interactions") for part in staged.parts(table)]
    if not parts:
        return 0
    ids = pl.concat([pl.scan_parquet(part).select("user_id") for part in parts])
    return int(ids.select(pl.col("user_id").approx_n_unique()).collect(engine="streaming").item())
