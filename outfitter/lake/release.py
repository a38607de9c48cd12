"""Letting a parked delivery in after all, on a person's word."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from outfitter.errors import LakeError
from outfitter.lake.deliveries import CONTENT_TABLES, Delivery, Judgement, commit, outdated, sweep
from outfitter.lake.founding import facts
from outfitter.lake.staging import Staged
from outfitter.lake.tables import Lake

MOST_NAMED = 5


def find(lake: Lake, named: str) -> dict[str, Any]:
    """The newest ledger row of the delivery whose id begins with ``named``, or of the object called that.

    Raises LakeError when nothing, or more than one delivery, answers to it.
    """
    if facts(lake) is None:
        raise LakeError(f"the lake '{lake.root}' is empty", "Run 'outfitter ingest' first.")
    ledger = lake.read("deliveries").sort("ingested_at", "generation", maintain_order=True)
    rows = ledger.filter(pl.col("object") == named)
    if rows.is_empty():
        rows = ledger.filter(pl.col("delivery_id").str.starts_with(named))
        fitting = rows.unique("delivery_id", keep="last", maintain_order=True).select("delivery_id", "object").rows()
        if len(fitting) > 1:
            told = ", ".join(f"{one} ({name})" for one, name in fitting[:MOST_NAMED]) + (", ..." if len(fitting) > MOST_NAMED else "")
            raise LakeError(f"{len(fitting)} deliveries begin with '{named}': {told}", "Give more of the id.")
    if rows.is_empty():
        raise LakeError(f"the ledger knows no delivery or object '{named}'", "See 'outfitter deliveries --all'.")
    return rows.tail(1).row(0, named=True)


def release(lake: Lake, aside: Path, named: str, reason: str, at: datetime) -> dict[str, Any]:
    """Commit the rows of a held or rejected delivery that passed by themselves; returns its new row in the ledger.

    aside: the folder of parked deliveries. Rows that failed stay in quarantine. Raises LakeError when the delivery counts already, when a
    newer version of its object does, or when nothing of it was kept because its file could not be read.
    """
    if not reason.strip():
        raise LakeError("a release needs a reason", "Say why these rows may go in after all: it is kept in the ledger (--reason TEXT).")
    row = find(lake, named)
    delivery = Delivery(row["delivery_id"], row["source"], row["object"], row["modified"], row["role"], row["tag"])
    parked = Staged(aside / delivery.id)
    if row["status"] == "accepted":
        raise LakeError(f"{delivery.object} ({delivery.id[:8]}) has been accepted already", "There is nothing to release.")
    ledger = lake.read("deliveries")
    if outdated(ledger, delivery):
        raise LakeError(f"a newer version of {delivery.object} has been accepted since {delivery.id[:8]}", "There is nothing to release.")
    if not row["validation_id"]:
        raise LakeError(
            f"nothing of {delivery.object} ({delivery.id[:8]}) was kept: {row['reason']}", "Mend the file and deliver it again."
        )
    if not any(parked.parts(table) for table in CONTENT_TABLES):
        raise LakeError(
            f"the rows of {delivery.object} ({delivery.id[:8]}) are not in '{parked.folder}' any more",
            "Change the file in any way, a blank line at its end will do, and deliver it again: it is then judged anew.",
        )
    known = facts(lake)
    assert known is not None
    generation = ledger.filter(pl.col("object") == delivery.object).height
    sweep(lake)
    commit(lake, _again(delivery, generation), _accepted(row, parked, reason), parked, known.n_buckets, at)
    parked.drop()
    return find(lake, delivery.id)


def _again(delivery: Delivery, generation: int) -> Delivery:
    return Delivery(delivery.id, delivery.source, delivery.object, delivery.modified, delivery.role, delivery.tag, generation)


def _accepted(row: dict[str, Any], parked: Staged, reason: str) -> Judgement:
    """The old judgement, overruled; the range of events comes from the rows, for the ledger has none of what it did not take."""
    rows = parked.scan("interactions")
    ends = pl.col("timestamp").min().alias("first"), pl.col("timestamp").max().alias("last")
    first, last = rows.select(*ends).collect().row(0) if rows is not None else (None, None)
    return Judgement(
        "accepted",
        row["rows_in"],
        parked_failures(parked, row["role"]),
        row["rules"],
        row["validation_id"],
        f"released ({reason}); was {row['status']}: {row['reason']}",
        tuple(row["warnings"] or ()),
        first,
        last,
        row["profile"],
    )


def parked_failures(parked: Staged, role: str) -> int:
    """How many rows of the delivery's own table failed by themselves."""
    rows = parked.scan("quarantine")
    return 0 if rows is None else int(rows.filter(pl.col("table") == role).select(pl.struct("table", "row").n_unique()).collect().item())
