"""A content that comes back under another name, the old one being gone, is the same delivery: no row is written for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from outfitter.lake.deliveries import Delivery, live_rows
from outfitter.lake.tables import Lake


@dataclass(frozen=True)
class Rename:
    """``delivery`` names the new object; ``old`` is the one that the source no longer has."""

    old: str
    delivery: Delivery


def renames(ledger: pl.DataFrame, offered: Sequence[Delivery], present: Collection[str]) -> list[Rename]:
    """The offered contents that count under a name which is not ``present`` in the source any more. One name a content."""
    live = dict(live_rows(ledger).select("delivery_id", "object").rows())
    found: dict[str, Rename] = {}
    for delivery in offered:
        old = live.get(delivery.id)
        if old is not None and old != delivery.object and old not in present:
            found.setdefault(delivery.id, Rename(old, delivery))
    return list(found.values())


def record(lake: Lake, found: Sequence[Rename], at: datetime) -> None:
    """Write into the ledger, in one commit, that the old names are withdrawn and the new ones hold what was accepted under them.

    Were only the new name written, a correction under it would count beside the rows that the old name still stands for.
    """
    ledger = lake.read("deliveries")
    if rows := [row for one in found for row in _rows(ledger, one, at)]:
        lake.append("deliveries", pl.DataFrame(rows, schema_overrides=dict(ledger.schema), infer_schema_length=None))


def _rows(ledger: pl.DataFrame, rename: Rename, at: datetime) -> list[dict[str, Any]]:
    old, new = rename.old, rename.delivery
    (known,) = live_rows(ledger).filter(pl.col("object") == old).to_dicts()
    gone = {"status": "withdrawn", "generation": _next(ledger, old), "reason": f"renamed to {new.object}"}
    here = {"object": new.object, "modified": new.modified, "tag": new.tag, "generation": _next(ledger, new.object)}
    return [{**known, **gone, "ingested_at": at}, {**known, **here, "reason": f"renamed from {old}", "ingested_at": at}]


def _next(ledger: pl.DataFrame, name: str) -> int:
    return ledger.filter(pl.col("object") == name).height
