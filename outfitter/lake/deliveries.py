"""The ledger of what arrived, and the one order in which a delivery is written.

A delivery is a file, known by the hash of its content. It is written as keys, users, items, interactions, quarantine and last its
row in the ledger, each append under a transaction id, so that a process killed between two commits finishes on the next run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from outfitter.lake.keys import key_items, key_users
from outfitter.lake.tables import Lake

CHUNK = 1 << 20


@dataclass(frozen=True)
class Delivery:
    """One version of one object of a source: what its row in the ledger will say of where it came from."""

    id: str
    source: str
    object: str
    modified: datetime
    generation: int = 0
    replaces: str | None = None  # the accepted delivery of the same object that this one takes the place of


@dataclass(frozen=True)
class Judgement:
    """What validation made of a delivery: the rows that pass, and those that do not with their reasons."""

    interactions: pl.DataFrame | None
    users: pl.DataFrame | None
    items: pl.DataFrame | None
    quarantine: pl.DataFrame  # table, row, reasons, content
    rows_in: int
    rows_quarantined: int
    rules: str
    validation_id: str
    stopped: str = ""

    @property
    def status(self) -> Literal["accepted", "rejected"]:
        return "rejected" if self.stopped else "accepted"


def content_hash(path: Path) -> str:
    """The first 32 hex digits of the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:32]


def describe(path: Path, name: str, source: str) -> Delivery:
    """The delivery that a file is."""
    modified = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    return Delivery(content_hash(path), source, name, modified)


def place(ledger: pl.DataFrame, delivery: Delivery, rules: str) -> Delivery | None:
    """Where a delivery stands in its object's history, or None when the ledger has nothing new to learn from it.

    Not new are: the same content again under whatever name, and a version older than the one accepted (newest modification wins,
    ties by hash). A rejected content is judged again only when the rules have changed.
    """
    same = ledger.filter(pl.col("delivery_id") == delivery.id)
    if same.filter((pl.col("status") == "rejected") & (pl.col("rules") == rules)).height:
        return None
    history = ledger.filter(pl.col("object") == delivery.object).sort("generation")
    accepted = history.filter(pl.col("status") == "accepted").tail(1).rows(named=True)
    live = set(_live_ids(ledger))
    if delivery.id in live:
        return None
    if accepted and (delivery.modified, delivery.id) < (accepted[0]["modified"], accepted[0]["delivery_id"]):
        return None
    return replace(delivery, generation=history.height, replaces=accepted[0]["delivery_id"] if accepted else None)


def _live_ids(ledger: pl.DataFrame) -> list[str]:
    accepted = ledger.filter(pl.col("status") == "accepted").sort("generation")
    return accepted.group_by("object", maintain_order=True).last()["delivery_id"].to_list()


def commit(lake: Lake, delivery: Delivery, judgement: Judgement, n_buckets: int, at: datetime) -> None:
    """Write a judged delivery. A rejected one leaves its quarantine and its row in the ledger, nothing else."""
    if not judgement.stopped:
        keyed = _keyed(lake, judgement, n_buckets)
        for table in ("users", "items", "interactions"):
            _write(lake, table, keyed.get(table), delivery, delivery.replaces)
    _write(lake, "quarantine", judgement.quarantine, delivery, delivery.id if judgement.stopped else delivery.replaces)
    lake.append("deliveries", _ledger_row(delivery, judgement, at), transaction=_transaction(delivery))


def _transaction(delivery: Delivery) -> str:
    return f"{delivery.id}:{delivery.object}:{delivery.generation}"


def _write(lake: Lake, table: str, rows: pl.DataFrame | None, delivery: Delivery, outdated: str | None) -> None:
    """Put ``rows`` in the place of the ``outdated`` delivery's. Cut short after the deletion, the next run does both again."""
    if lake.committed(table, _transaction(delivery)):
        return
    if outdated and delivery.generation:
        lake.delete(table, "delivery_id", outdated)
    if rows is not None and rows.height:
        named = rows.with_columns(pl.lit(delivery.id).alias("delivery_id"), pl.lit(delivery.object).alias("object"))
        lake.append(table, named, transaction=_transaction(delivery))


def _keyed(lake: Lake, judgement: Judgement, n_buckets: int) -> dict[str, pl.DataFrame]:
    """The accepted rows by table, ids exchanged for keys."""
    frames = [frame for frame in (judgement.users, judgement.interactions) if frame is not None]
    users = key_users(lake, _ids(frames, "user_id"), n_buckets)
    frames = [frame for frame in (judgement.items, judgement.interactions) if frame is not None]
    items = key_items(lake, _ids(frames, "item_id"))
    out: dict[str, pl.DataFrame] = {}
    if judgement.users is not None:
        out["users"] = judgement.users.join(users, on="user_id", maintain_order="left")
    if judgement.items is not None:
        out["items"] = judgement.items.join(items, on="item_id", maintain_order="left").with_columns(pl.lit(True).alias("catalogued"))
    if judgement.interactions is not None:
        rows = judgement.interactions.join(users, on="user_id").join(items, on="item_id")
        out["interactions"] = rows.sort("bucket", "user_key", "timestamp", "sequence")
    return out


def _ids(frames: list[pl.DataFrame], column: str) -> pl.Series:
    return pl.concat([frame[column] for frame in frames]) if frames else pl.Series(column, [], dtype=pl.String)


def _ledger_row(delivery: Delivery, judgement: Judgement, at: datetime) -> pl.DataFrame:
    times = judgement.interactions["timestamp"] if judgement.interactions is not None and not judgement.stopped else None
    return pl.DataFrame(
        {
            "delivery_id": [delivery.id],
            "source": [delivery.source],
            "object": [delivery.object],
            "modified": [delivery.modified],
            "generation": [delivery.generation],
            "status": [judgement.status],
            "rows_in": [judgement.rows_in],
            "rows_accepted": [0 if judgement.stopped else judgement.rows_in - judgement.rows_quarantined],
            "rows_quarantined": [judgement.rows_in if judgement.stopped else judgement.rows_quarantined],
            "first_event": [times.min() if times is not None else None],
            "last_event": [times.max() if times is not None else None],
            "reason": [judgement.stopped or None],
            "rules": [judgement.rules],
            "validation_id": [judgement.validation_id],
            "ingested_at": [at],
        }
    )
