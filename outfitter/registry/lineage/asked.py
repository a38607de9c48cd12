"""What a model was asked with: a user's events and feature values as of a moment, and what was known of the items shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from outfitter.features.arrays import model_inputs
from outfitter.features.rows import MICROSECONDS_A_DAY
from outfitter.features.spec import USER_FEATURES
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.registry.stories import words
from outfitter.schema import EPOCH
from outfitter.settings import EventRule

LAST = 10


def shown(snapshot: Snapshot, pairs: Sequence[tuple[int, float]], as_of: datetime) -> list[dict[str, Any]]:
    """rank, item_key, item_id, words and score of a list of (item key, score), best first."""
    keys = [key for key, _ in pairs]
    items = snapshot.items(as_of).filter(pl.col("item_key").is_in(keys)).select("item_key", "item_id").collect()
    ids, named = dict(items.rows()), words(snapshot)
    return [
        {"rank": rank, "item_key": key, "item_id": ids[key], "words": named[key], "score": score}
        for rank, (key, score) in enumerate(pairs, start=1)
    ]


def history_of(snapshot: Snapshot, user: Mapping[str, Any], as_of: datetime, events: Mapping[str, EventRule]) -> dict[str, Any]:
    """The user's events up to ``as_of`` that speak for an item: how many there are, the last ones, and how many each delivery told."""
    mine = (pl.col("bucket") == user["bucket"]) & (pl.col("user_key") == user["user_key"]) & (pl.col("timestamp") <= as_of)
    speaking = pl.col("event").is_in([name for name, rule in events.items() if rule.weight > 0])
    rows = snapshot.scan("interactions").filter(mine & speaking).sort("timestamp", "sequence", "item_key").collect()
    last = rows.tail(LAST).select("timestamp", "event", "item_key", "delivery_id")
    named = words(snapshot) if rows.height else {}
    return {
        "events": rows.height,
        "items": rows["item_key"].n_unique(),
        "by_event": dict(Counter(rows["event"].to_list()).most_common()),
        "last": [{**row, "words": named[row["item_key"]]} for row in last.iter_rows(named=True)],
        "deliveries": dict(Counter(rows["delivery_id"].to_list()).most_common()),
    }


def described_by(snapshot: Snapshot, items: Sequence[int], user: Mapping[str, Any], as_of: datetime) -> tuple[list[str], list[str]]:
    """The deliveries whose rows describe these items as of then, and those that describe the user; ascending."""
    catalogue = snapshot.items(as_of).filter(pl.col("item_key").is_in(list(items))).select("delivery_id").collect()
    person = snapshot.scan("users").filter((pl.col("user_key") == user["user_key"]) & (pl.col("valid_from") <= as_of))
    return tuple(sorted(rows["delivery_id"].drop_nulls().unique()) for rows in (catalogue, person.select("delivery_id").collect()))  # type: ignore[return-value]


def features_of(
    features: Lake, materialization: str | None, as_of: datetime, user: Mapping[str, Any], missing: list[str]
) -> dict[str, Any]:
    """materialization, cutoff and ``values``: each feature by name with unit, definition, value, ``as_read`` and ``as_seen``.

    as_read: a day as its age in days at ``as_of``, all else as it is. as_seen: the number that a model gets (``model_inputs``). None is
    what is not known, and a user without a row knows nothing.
    """
    told: dict[str, Any] = {"materialization": materialization, "cutoff": as_of, "values": None, "row": False}
    if materialization is None or not features.exists("user_features"):
        return told
    mine = (pl.col("bucket") == user["bucket"]) & (pl.col("user_key") == user["user_key"]) & (pl.col("cutoff") == as_of)
    rows = features.scan("user_features").filter(mine & (pl.col("materialization") == materialization)).collect()
    if rows.is_empty():
        missing.append(f"user '{user['user_id']}' has no feature row as of {as_of:%Y-%m-%d %H:%M}: nothing they did was known by then")
        return told
    seen = model_inputs(rows, USER_FEATURES, as_of)[0]
    today = (as_of - EPOCH).total_seconds() * 1_000_000 / MICROSECONDS_A_DAY
    values = []
    for feature, number in zip(USER_FEATURES, seen, strict=True):
        value = rows[feature.name][0]
        read = max(0.0, today - value) if feature.unit == "day" and value is not None else value
        known = {"value": value, "as_read": read, "as_seen": None if value is None else float(number)}
        values.append({"name": feature.name, "unit": feature.unit, "definition": feature.definition, **known})
    return {**told, "values": values, "row": True}
