"""What a snapshot holds: the deliveries that counted when it was taken, and whether its rows can still be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from outfitter.errors import LakeError
from outfitter.lake.snapshot import CONTENT, HELD, Snapshot, open_snapshot
from outfitter.lake.tables import Lake

GONE = (OSError, pl.exceptions.PolarsError)
"""What is raised over a file that was removed."""


def snapshots(lake: Lake) -> dict[str, dict[str, Any]]:
    """Every snapshot by its id, oldest first: as_of, and created_at, when it was first taken."""
    rows = lake.read("snapshots").sort("created_at").unique("snapshot_id", keep="first", maintain_order=True)
    return {row["snapshot_id"]: row for row in rows.select("snapshot_id", "as_of", "created_at").iter_rows(named=True)}


def held_by(lake: Lake, snapshot_id: str) -> list[str]:
    """The ids of the deliveries in a snapshot, ascending.

    Of one that was taken before they were written down, those that its rows name, which leaves out deliveries without an accepted row.
    Raises LakeError when there is no such snapshot, or it is of that time and its files are gone.
    """
    known = _recorded(lake, pl.col("snapshot_id") == snapshot_id)
    return known[snapshot_id] if snapshot_id in known else _named(open_snapshot(lake, snapshot_id))


def holding(lake: Lake, delivery_id: str) -> tuple[dict[str, int], list[str]]:
    """The snapshots that hold a delivery, with how many they hold, oldest first; and those of which it can no longer be told."""
    known: dict[str, list[str]] = _recorded(lake, pl.lit(True))
    unknown: list[str] = []
    for snapshot_id in snapshots(lake):
        if snapshot_id not in known:
            try:
                known[snapshot_id] = _named(open_snapshot(lake, snapshot_id))
            except LakeError:
                unknown.append(snapshot_id)
    found = {snapshot_id: len(known[snapshot_id]) for snapshot_id in snapshots(lake) if delivery_id in known.get(snapshot_id, ())}
    return found, unknown


def require_readable(snapshot: Snapshot) -> Snapshot:
    """The snapshot itself. Raises LakeError when files that it names were removed: only those in use are kept for good."""
    try:
        for table in CONTENT:
            snapshot.scan(table).select(pl.len()).collect()  # opens every file, and reads its footer alone
    except GONE as error:
        raise LakeError(
            f"the rows of snapshot '{snapshot.id}' are gone: the lake keeps those that a batch, a decision or a drift check names",
            "Restore the lake's files from a backup.",
        ) from error
    return snapshot


def _recorded(lake: Lake, which: pl.Expr) -> dict[str, list[str]]:
    if not lake.exists(HELD):
        return {}
    rows = lake.scan(HELD).filter(which).collect()
    return dict(rows.select("snapshot_id", "delivery_ids").rows())


def _named(snapshot: Snapshot) -> list[str]:
    try:
        found = [set(snapshot.lake.distinct(table, "delivery_id", version)) for table, version in _content(snapshot).items()]
    except GONE as error:
        raise LakeError(f"the rows of snapshot '{snapshot.id}' are gone", "Restore the lake's files from a backup.") from error
    return sorted(set().union(*found))


def _content(snapshot: Snapshot) -> Mapping[str, int]:
    return {table: snapshot.versions[table] for table in CONTENT}
