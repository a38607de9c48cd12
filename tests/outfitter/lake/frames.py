"""Small deliveries by hand, and a lake compared by what it says rather than by its keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from expectations.judging import SET_ASIDE
from outfitter.lake.deliveries import Delivery, Judgement, commit, place, sweep
from outfitter.lake.founding import found
from outfitter.lake.snapshot import Snapshot, live_deliveries, take_snapshot
from outfitter.lake.tables import Lake
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME, USER_FRAME, conform

NOW = datetime(2024, 3, 1, tzinfo=UTC)
BUCKETS = 2
Rows = Iterable[tuple[Any, ...]]


def at(days: float) -> datetime:
    """A moment so many days after ``NOW``; before it when negative."""
    return NOW + timedelta(days=days)


def bought(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """INTERACTION_FRAME out of (user, item, days after NOW[, event[, price[, quantity]]])."""
    full = [(*row, *("purchase", 10.0, 1)[len(row) - 3 :]) for row in rows]
    columns = ["user_id", "item_id", "days", "event", "price", "quantity"]
    frame = pl.DataFrame(full, schema=columns, orient="row").with_row_index("sequence", offset=1)
    return conform(
        frame.with_columns(pl.Series("timestamp", [at(row[2]) for row in full], dtype=pl.Datetime("us", "UTC"))), INTERACTION_FRAME
    )


def listed(*ids: str, valid_from: datetime = EPOCH, **attributes: Any) -> pl.DataFrame:
    """ITEM_FRAME of these ids, all with the same attributes."""
    frame = pl.DataFrame({"item_id": list(ids)}).with_row_index("sequence", offset=1)
    values = {name: pl.lit(value) for name, value in attributes.items()}
    return conform(frame.with_columns(pl.lit(valid_from).alias("valid_from"), **values), ITEM_FRAME)


def people(*ids: str, **attributes: Any) -> pl.DataFrame:
    """USER_FRAME of these ids, all with the same attributes."""
    frame = pl.DataFrame({"user_id": list(ids)}).with_row_index("sequence", offset=1)
    values = {name: pl.lit(value) for name, value in attributes.items()}
    return conform(frame.with_columns(pl.lit(EPOCH).alias("valid_from"), **values), USER_FRAME)


@dataclass(frozen=True)
class Arrival:
    """A version of an object, and what validation will make of it."""

    id: str
    object: str
    modified: datetime
    judgement: Judgement

    @property
    def delivery(self) -> Delivery:
        return Delivery(self.id, "test", self.object, self.modified)


def arrival(
    id_: str,
    object_: str,
    day: float = 0,
    interactions: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    set_aside: int = 0,
    stopped: str = "",
    rules: str = "rules",
) -> Arrival:
    """``set_aside``: how many more rows the file held, which fail. A stopped one has all of its rows set aside."""
    rows = sum(frame.height for frame in (interactions, users, items) if frame is not None) + set_aside
    aside = rows if stopped else set_aside
    why = [stopped or "price is negative"]
    quarantine = pl.DataFrame(
        {"table": ["interactions"] * aside, "row": list(range(aside)), "reasons": [why] * aside, "content": ["{}"] * aside},
        schema=SET_ASIDE,
    )
    judgement = Judgement(interactions, users, items, quarantine, rows, aside, rules, f"validation of {id_}", stopped)
    return Arrival(id_, object_, at(day), judgement)


def founded(root: Path) -> Lake:
    lake = Lake(str(root))
    found(lake, BUCKETS, "test", NOW)
    return lake


def ingest(lake: Lake, *arrivals: Arrival, swept: bool = True) -> list[bool]:
    """Place and commit each in turn, and clear away what they replaced; says which of them were news."""
    news = []
    for one in arrivals:
        placed = place(lake.read("deliveries"), one.delivery, one.judgement.rules)
        if placed is not None:
            commit(lake, placed, one.judgement, BUCKETS, NOW)
        news.append(placed is not None)
    if swept:
        sweep(lake)
    return news


def filled(root: Path, *arrivals: Arrival, taken_at: datetime = NOW) -> Snapshot:
    """The snapshot of a new lake that took in these arrivals."""
    lake = founded(root)
    ingest(lake, *arrivals)
    return take_snapshot(lake, taken_at)


def contents(snapshot: Snapshot) -> dict[str, list[tuple[Any, ...]]]:
    """What a snapshot says, by ids and in one order, whatever keys its users and items happened to get."""
    users, items = snapshot.users().collect(), snapshot.items().select("item_key", "item_id").collect()
    rows = snapshot.scan("interactions").collect().join(users.drop("bucket"), on="user_key").join(items, on="item_key")
    described = snapshot.scan("users").filter(pl.col("delivery_id").is_not_null()).collect()
    catalogue = snapshot.scan("items").filter(pl.col("delivery_id").is_not_null()).collect()
    aside = snapshot.lake.read("quarantine").select("delivery_id", "object", "table", "row", pl.col("reasons").list.join("; "))
    ledger = live_deliveries(snapshot.lake).select("object", "delivery_id", "status", "rows_in", "rows_accepted", "rows_quarantined")
    live = ledger.filter(pl.col("status") == "accepted")["delivery_id"]
    return {
        "interactions": _told(rows.drop("user_key", "item_key", "tags", strict=False)),
        "users": _told(users.drop("user_key")),
        "described": _told(described.drop("user_key")),
        "catalogue": _told(catalogue.drop("item_key", "tags")),
        "quarantine": _told(aside.filter(pl.col("delivery_id").is_in(live.implode()))),
        "live": _told(ledger.filter(pl.col("status") == "accepted")),
    }


def _told(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(frame.select(sorted(frame.columns)).rows(), key=repr)
