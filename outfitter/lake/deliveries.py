"""The ledger of what arrived, and the one order in which a delivery is written.

A delivery is a file, known by the hash of its content. It is written as keys, users, items, interactions, quarantine and last its
row in the ledger, and counts from that row on. Whatever a process killed before it has left is put right by the next run: written
again when the same content is still there, swept away when the source holds something else by then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
    if delivery.id in _live_ids(ledger) or outdated(ledger, delivery):
        return None
    return _next(ledger, delivery)


def place_all(ledger: pl.DataFrame, offered: Sequence[Delivery], rules: str) -> list[Delivery]:
    """Those of ``offered`` (one an object) that are new, each with its place.

    A content that is known only under an object which is itself about to be replaced is new again under its other name: files get
    renamed and rotated, and their rows must not go with the old name.
    """
    placed = {delivery.object: place(ledger, delivery, rules) for delivery in offered}
    replaced = [name for name, delivery in placed.items() if delivery is not None]
    leaving = set(_live_ids(ledger)) - set(_live_ids(ledger.filter(~pl.col("object").is_in(replaced))))
    found: dict[str, Delivery] = {}
    for delivery in offered:
        new = placed[delivery.object] or (_next(ledger, delivery) if delivery.id in leaving else None)
        if new is not None:
            found.setdefault(new.id, new)
    return list(found.values())


def outdated(ledger: pl.DataFrame, delivery: Delivery) -> bool:
    """Whether a newer version of the same object was accepted before, and this content counts nowhere."""
    accepted = ledger.filter((pl.col("object") == delivery.object) & (pl.col("status") == "accepted")).sort("generation").tail(1)
    newest = [(row["modified"], row["delivery_id"]) for row in accepted.iter_rows(named=True)]
    return bool(newest) and (delivery.modified, delivery.id) < newest[0] and delivery.id not in _live_ids(ledger)


def _next(ledger: pl.DataFrame, delivery: Delivery) -> Delivery:
    return replace(delivery, generation=ledger.filter(pl.col("object") == delivery.object).height)


def _live_ids(ledger: pl.DataFrame) -> list[str]:
    accepted = ledger.filter(pl.col("status") == "accepted").sort("generation")
    return accepted.group_by("object", maintain_order=True).last()["delivery_id"].to_list()


def commit(lake: Lake, delivery: Delivery, judgement: Judgement, n_buckets: int, at: datetime) -> None:
    """Write a judged delivery, once. A rejected one leaves its quarantine and its row in the ledger, nothing else.

    The rows that it replaces stay until ``sweep``: were they deleted first, a run cut short would have lost them.
    """
    transaction = f"{delivery.id}:{delivery.object}:{delivery.generation}"
    if lake.committed("deliveries", transaction):
        return
    tables = {} if judgement.stopped else _keyed(lake, judgement, n_buckets)
    for table, rows in {**tables, "quarantine": judgement.quarantine}.items():
        _write(lake, table, rows, delivery)
    lake.append("deliveries", _ledger_row(delivery, judgement, at), transaction)


def _write(lake: Lake, table: str, rows: pl.DataFrame, delivery: Delivery) -> None:
    """Put ``rows`` in the place of whatever a run cut short, or an earlier judgement, has left of the same content."""
    lake.delete(table, "delivery_id", delivery.id)
    if rows.height:
        lake.append(table, rows.with_columns(pl.lit(delivery.id).alias("delivery_id"), pl.lit(delivery.object).alias("object")))


def sweep(lake: Lake) -> None:
    """Delete the rows of every delivery that does not count: replaced by a newer one, or cut short and never finished."""
    ledger = lake.read("deliveries").sort("generation")
    live = set(_live_ids(ledger))
    judged = ledger.group_by("object", "delivery_id", maintain_order=True).last()
    rejected = set(judged.filter(pl.col("status") == "rejected")["delivery_id"])
    for table, kept in {"users": live, "items": live, "interactions": live, "quarantine": live | rejected}.items():
        present = lake.scan(table).select(pl.col("delivery_id").drop_nulls().unique()).collect()["delivery_id"]
        for dead in sorted(set(present) - kept):
            lake.delete(table, "delivery_id", dead)


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
