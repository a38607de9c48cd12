"""Small deliveries by hand, and a lake compared by what it says rather than by its keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import polars as pl

from outfitter.lake.deliveries import Delivery, Judgement, commit, place, sweep
from outfitter.lake.founding import found
from outfitter.lake.snapshot import Snapshot, live_deliveries, take_snapshot
from outfitter.lake.staging import Staged
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
    """A version of an object, its rows by table, and what validation will make of it."""

    id: str
    object: str
    modified: datetime
    judgement: Judgement
    rows: dict[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def delivery(self) -> Delivery:
        return Delivery(self.id, "test", self.object, self.modified)

    def staged(self, root: Path) -> Staged:
        """Its rows under ``root``, two a part, so that a delivery has several."""
        staged = Staged.fresh(root / self.id)
        for table, rows in self.rows.items():
            for part in rows.iter_slices(2):
                staged.add(table, part)
        return staged


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
    status: Literal["rejected", "held"] = "rejected",
) -> Arrival:
    """``set_aside``: how many more rows the file held, which fail. A stopped one is rejected, or held, for that reason."""
    tables = {"interactions": interactions, "users": users, "items": items}
    given = {name: frame for name, frame in tables.items() if frame is not None}
    rows = sum(frame.height for frame in given.values()) + set_aside
    quarantine = pl.DataFrame(
        {
            "table": ["interactions"] * set_aside,
            "row": list(range(set_aside)),
            "reasons": [["price is negative"]] * set_aside,
            "content": ["{}"] * set_aside,
        },
        schema={"table": pl.String, "row": pl.Int64, "reasons": pl.List(pl.String), "content": pl.String},
    )
    times = interactions["timestamp"] if interactions is not None else pl.Series([], dtype=pl.Datetime("us", "UTC"))
    first, last = times.min(), times.max()
    assert first is None or isinstance(first, datetime)
    assert last is None or isinstance(last, datetime)
    judgement = Judgement(
        status if stopped else "accepted", rows, set_aside, rules, f"validation of {id_}", stopped, first_event=first, last_event=last
    )
    return Arrival(id_, object_, at(day), judgement, {**given, "quarantine": quarantine})


def founded(root: Path) -> Lake:
    lake = Lake(str(root))
    found(lake, BUCKETS, "test", NOW)
    return lake


def ingest(lake: Lake, *arrivals: Arrival, swept: bool = True) -> list[bool]:
    """Clear away what a run before has left, place and commit each in turn, and clear away what they replaced; says which were news."""
    news = []
    sweep(lake)
    for one in arrivals:
        placed = place(lake.read("deliveries"), one.delivery, one.judgement.rules)
        if placed is not None:
            with TemporaryDirectory() as folder:
                commit(lake, placed, one.judgement, one.staged(Path(folder)), BUCKETS, NOW)
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
