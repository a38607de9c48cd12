"""Recommendations in words: what a user took, next to what they are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.registry.batches import lists_of

TALKATIVE = (4, 12)  # a history that says something and still fits on a screen
SHOWN = 6


def story(snapshot: Snapshot, batch_id: str, as_of: datetime, targets: list[str], user_key: int | None = None) -> dict[str, Any]:
    """One user's last items and list, named in words; of the first user with a history of readable length when none is named.

    Returns user_id, history (oldest first) and recommended (best first).
    """
    known = (pl.col("timestamp") <= as_of) & pl.col("event").is_in(targets)
    taken = snapshot.scan("interactions").filter(known).sort("timestamp", "sequence", "user_key", "item_key")
    user = _someone(taken) if user_key is None else user_key
    names = words(snapshot)
    past = taken.filter(pl.col("user_key") == user).select("item_key").collect()["item_key"].to_list()
    return {
        "user_id": _id(snapshot, user),
        "history": [names[key] for key in past[-SHOWN:]],
        "recommended": [names[key] for key in _list(snapshot.lake, batch_id, user)[:SHOWN]],
    }


def words(snapshot: Snapshot) -> dict[int, str]:
    """Each item in words: its title, or what else is known of it with its id."""
    items = snapshot.items().select("item_key", "item_id", "title", "category", "colour").collect()
    return {row["item_key"]: _words(row) for row in items.iter_rows(named=True)}


def _words(row: dict[str, Any]) -> str:
    if row["title"]:
        return str(row["title"])
    known = " ".join(row[name] for name in ("colour", "category") if row[name])
    return f"{known or 'item'} {row['item_id']}"


def _someone(taken: pl.LazyFrame) -> int:
    counts = taken.group_by("user_key").len().sort("user_key").collect()
    readable = counts.filter(pl.col("len").is_between(*TALKATIVE))
    return int((readable if readable.height else counts)["user_key"][0])


def _id(snapshot: Snapshot, user_key: int) -> str:
    return str(snapshot.users().filter(pl.col("user_key") == user_key).select("user_id").collect().item())


def _list(lake: Lake, batch_id: str, user_key: int) -> list[int]:
    rows = lists_of(lake, batch_id).filter(pl.col("user_key") == user_key).select("items").collect()
    return [int(key) for key in rows["items"][0]] if rows.height else []
