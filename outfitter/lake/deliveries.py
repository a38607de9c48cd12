"""The ledger of what arrived, and the one order in which a delivery is written.

A delivery is one version of one object of a source, known by the hash of its content. It is written as keys, users, items,
interactions, quarantine and last its row in the ledger, and counts from that row on. What a process killed before that row has left is
swept away before the next run writes anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from outfitter.datasets.base import Role
from outfitter.lake.keys import key_items, key_users
from outfitter.lake.staging import Staged, slices
from outfitter.lake.tables import Lake

SLICE = 4_000_000
"""Rows of interactions that are sorted and committed at once: about half a gigabyte."""
CONTENT_TABLES = ("users", "items", "interactions", "quarantine")

Status = Literal["accepted", "rejected", "held"]
ASIDE = ("rejected", "held")


@dataclass(frozen=True)
class Delivery:
    """One version of one object of a source: what its row in the ledger will say of where it came from."""

    id: str
    source: str
    object: str
    modified: datetime
    role: Role = "interactions"
    tag: str = ""
    generation: int = 0


@dataclass(frozen=True)
class Judgement:
    """What validation made of a delivery, as the ledger will have it; ``rows_quarantined`` counts the rows that failed by themselves."""

    status: Status
    rows_in: int
    rows_quarantined: int
    rules: str
    validation_id: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    first_event: datetime | None = None
    last_event: datetime | None = None
    profile: str = "{}"


def content_hash(path: Path) -> str:
    """The first 32 hex digits of the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def place(ledger: pl.DataFrame, delivery: Delivery, rules: str) -> Delivery | None:
    """Where a delivery stands in its object's history, or None when the ledger has nothing new to learn from it.

    Not new are: the same content again under whatever name, and a version older than the one accepted (newest modification wins,
    ties by hash). A content that was rejected or held is judged again only when the rules have changed.
    """
    same = ledger.filter((pl.col("delivery_id") == delivery.id) & pl.col("status").is_in(ASIDE))
    if same.filter(pl.col("rules") == rules).height:
        return None
    if delivery.id in live_ids(ledger) or outdated(ledger, delivery):
        return None
    return _next(ledger, delivery)


def place_all(ledger: pl.DataFrame, offered: Sequence[Delivery], rules: str) -> list[Delivery]:
    """Those of ``offered`` (one an object) that are new, each with its place.

    A content that is known only under an object which is itself about to be replaced is new again under its other name: files get
    renamed and rotated, and their rows must not go with the old name.
    """
    placed = {delivery.object: place(ledger, delivery, rules) for delivery in offered}
    replaced = [name for name, delivery in placed.items() if delivery is not None]
    leaving = set(live_ids(ledger)) - set(live_ids(ledger.filter(~pl.col("object").is_in(replaced))))
    found: dict[str, Delivery] = {}
    for delivery in offered:
        new = placed[delivery.object] or (_next(ledger, delivery) if delivery.id in leaving else None)
        if new is not None:
            found.setdefault(new.id, new)
    return list(found.values())


def outdated(ledger: pl.DataFrame, delivery: Delivery) -> bool:
    """Whether a newer version of the same object was accepted before, and this content counts nowhere."""
    accepted = live_rows(ledger).filter(pl.col("object") == delivery.object)
    newest = [(row["modified"], row["delivery_id"]) for row in accepted.iter_rows(named=True)]
    return bool(newest) and (delivery.modified, delivery.id) < newest[0] and delivery.id not in live_ids(ledger)


def known_tags(ledger: pl.DataFrame, rules: str) -> set[tuple[str, str]]:
    """(object, tag) of every version that need not be fetched to know that it is nothing new: the last one judged of its object."""
    last = ledger.sort("generation").group_by("object", maintain_order=True).last()
    settled = last.filter((pl.col("status") == "accepted") | (pl.col("rules") == rules))
    return set(settled.filter(pl.col("tag") != "").select("object", "tag").rows())


def _next(ledger: pl.DataFrame, delivery: Delivery) -> Delivery:
    return replace(delivery, generation=ledger.filter(pl.col("object") == delivery.object).height)


def live_rows(ledger: pl.DataFrame) -> pl.DataFrame:
    """The ledger's rows of the deliveries that count: the newest accepted version of each object that has not been withdrawn since."""
    said = ledger.filter(~pl.col("status").is_in(ASIDE)).sort("generation")
    newest = said.group_by("object", maintain_order=True).last().select(ledger.columns)
    return newest.filter(pl.col("status") == "accepted")


def live_ids(ledger: pl.DataFrame) -> list[str]:
    """The ids of the deliveries that count."""
    return live_rows(ledger)["delivery_id"].to_list()


def commit(lake: Lake, delivery: Delivery, judgement: Judgement, staged: Staged, n_buckets: int, at: datetime) -> None:
    """Write a judged delivery, once. Of one that is not accepted only the failing rows and the row in the ledger are written.

    The rows that it replaces stay until ``sweep``: were they deleted first, a run cut short would have lost them. Nothing that an
    earlier run left half-written may lie in the tables (``sweep`` before the first commit of a run).
    """
    transaction = f"{delivery.id}:{delivery.object}:{delivery.generation}"
    if lake.committed("deliveries", transaction):
        return
    if delivery.id in lake.read("deliveries")["delivery_id"]:  # its rows lie there under another name, or failed before
        for table in CONTENT_TABLES:
            lake.delete_rows(table, "delivery_id", [delivery.id])
    if judgement.status == "accepted":
        _write_content(lake, delivery, staged, n_buckets)
    _append(lake, "quarantine", staged.read("quarantine"), delivery)
    lake.append("deliveries", _ledger_row(delivery, judgement, at), transaction)


def _write_content(lake: Lake, delivery: Delivery, staged: Staged, n_buckets: int) -> None:
    """Keys first, then the accepted rows, ids exchanged for keys."""
    users = key_users(lake, _ids(staged, "user_id", "users"), n_buckets)
    items = key_items(lake, _ids(staged, "item_id", "items"))
    described, catalogue = staged.read("users"), staged.read("items")
    if described is not None:
        _append(lake, "users", described.join(users, on="user_id", maintain_order="left"), delivery)
    if catalogue is not None:
        rows = catalogue.join(items, on="item_id", maintain_order="left").with_columns(pl.lit(True).alias("catalogued"))
        _append(lake, "items", rows, delivery)
    for group in slices(staged, "interactions", SLICE):
        rows = pl.scan_parquet(group).join(users.lazy(), on="user_id").join(items.lazy(), on="item_id").drop("user_id", "item_id").collect()
        _append(lake, "interactions", rows.sort("bucket", "user_key", "timestamp", "sequence"), delivery)


def _append(lake: Lake, table: str, rows: pl.DataFrame | None, delivery: Delivery) -> None:
    if rows is not None and rows.height:
        lake.append(table, rows.with_columns(pl.lit(delivery.id).alias("delivery_id"), pl.lit(delivery.object).alias("object")))


def _ids(staged: Staged, column: str, table: str) -> pl.Series:
    """The different ids that the delivery's rows name."""
    named = [rows.select(column) for name in (table, "interactions") if (rows := staged.scan(name)) is not None]
    if not named:
        return pl.Series(column, [], dtype=pl.String)
    return pl.concat(named).unique().collect(engine="streaming")[column]


def sweep(lake: Lake) -> list[str]:
    """Delete the rows of every delivery that does not count, replaced by a newer one or cut short, and return their ids."""
    ledger = lake.read("deliveries").sort("generation")
    live = set(live_ids(ledger))
    judged = ledger.group_by("object", "delivery_id", maintain_order=True).last()
    aside = set(judged.filter(pl.col("status").is_in(ASIDE))["delivery_id"])
    gone: set[str] = set()
    for table in CONTENT_TABLES:
        dead = sorted(set(lake.distinct(table, "delivery_id")) - (live | aside if table == "quarantine" else live))
        if dead:
            lake.delete_rows(table, "delivery_id", dead)
        gone |= set(dead)
    return sorted(gone)


def _ledger_row(delivery: Delivery, judgement: Judgement, at: datetime) -> pl.DataFrame:
    accepted = judgement.status == "accepted"
    row: dict[str, Any] = {
        "delivery_id": delivery.id,
        "source": delivery.source,
        "object": delivery.object,
        "modified": delivery.modified,
        "tag": delivery.tag,
        "generation": delivery.generation,
        "role": delivery.role,
        "status": judgement.status,
        "rows_in": judgement.rows_in,
        "rows_accepted": judgement.rows_in - judgement.rows_quarantined if accepted else 0,
        "rows_quarantined": judgement.rows_quarantined if accepted else judgement.rows_in,
        "first_event": judgement.first_event if accepted else None,
        "last_event": judgement.last_event if accepted else None,
        "reason": judgement.reason or None,
        "warnings": list(judgement.warnings),
        "profile": judgement.profile,
        "rules": judgement.rules,
        "validation_id": judgement.validation_id,
        "ingested_at": at,
    }
    return pl.DataFrame([row], infer_schema_length=None)
