"""The feature list worked out row by row, straight from each definition, to hold the fast version against."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from outfitter.features.spec import LAST_ITEMS
from outfitter.schema import INTERACTIONS, conform

CUTOFF = datetime(2024, 3, 1, tzinfo=UTC)
TARGETS = ("purchase", "rent")
CATEGORIES = ["coat", "shirt", "shoe", None]
Row = dict[str, Any]


def random_rows(seed: int, rows: int = 300, users: int = 8, items: int = 12) -> pl.DataFrame:
    """INTERACTIONS around ``CUTOFF``, with ties in time, events exactly at edges of windows, and absent prices and quantities."""
    rng = np.random.default_rng(seed)
    edges = [timedelta(0), *(timedelta(days=days) for days in (7, 30, 90, 365)), timedelta(days=-1), timedelta(microseconds=1)]
    odd = [timedelta(seconds=int(rng.integers(-20, 400) * 43200)) for _ in range(rows)]
    back = [edges[rng.integers(len(edges))] if rng.random() < 0.3 else delta for delta in odd]
    user = rng.integers(0, users, rows)
    frame = pl.DataFrame(
        {
            "user_key": user,
            "item_key": rng.integers(0, items, rows),
            "timestamp": [CUTOFF - delta for delta in back],
            "sequence": rng.permutation(rows),
            "event": rng.choice(["purchase", "rent", "view", "return"], rows, p=[0.5, 0.2, 0.2, 0.1]),
            "price": [None if rng.random() < 0.1 else float(rng.integers(1, 100)) for _ in range(rows)],
            "quantity": [None if rng.random() < 0.1 else int(rng.integers(1, 4)) for _ in range(rows)],
            "bucket": user % 3,
        }
    )
    return conform(frame, INTERACTIONS)


def random_items(seed: int, items: int = 14) -> pl.DataFrame:
    """The last two of them nobody can have met: one is catalogued, one is a stub."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "item_key": pl.Series(range(items), dtype=pl.Int32),
            "category": [CATEGORIES[rng.integers(len(CATEGORIES))] for _ in range(items)],
            "price": [None if rng.random() < 0.2 else float(rng.integers(1, 100)) for _ in range(items)],
            "catalogued": [*(bool(rng.random() < 0.6) for _ in range(items - 2)), True, False],
        }
    )


def user_rows(interactions: pl.DataFrame, items: pl.DataFrame, cutoff: datetime, targets: Collection[str]) -> dict[int, Row]:
    """The user features by user key."""
    category = dict(items.select("item_key", "category").rows())
    known = _known(interactions, cutoff)
    users = {row["user_key"] for row in known}
    return {user: _user([row for row in known if row["user_key"] == user], category, cutoff, targets) for user in users}


def _user(mine: Sequence[Row], category: dict[int, str | None], cutoff: datetime, targets: Collection[str]) -> Row:
    taken = [row for row in mine if row["event"] in targets]
    in_90 = [row for row in _last(taken, 90, cutoff) if row["price"] is not None]
    again = [row["item_key"] in {other["item_key"] for other in taken[:place]} for place, row in enumerate(taken)]
    return {
        **{f"purchases_{days}d": len(_last(taken, days, cutoff)) for days in (7, 30, 90, 365)},
        "spend_90d": sum(row["price"] * (1 if row["quantity"] is None else row["quantity"]) for row in in_90),
        "mean_price": _mean([row["price"] for row in taken if row["price"] is not None]),
        "categories": len({category[row["item_key"]] for row in taken} - {None}),
        "repurchase_share": _mean(again),
        "first_event_day": _day(mine[0]),
        "last_event_day": _day(mine[-1]),
        "last_items": [row["item_key"] for row in taken][-LAST_ITEMS:],
        "bucket": mine[0]["bucket"],
    }


def item_rows(interactions: pl.DataFrame, items: pl.DataFrame, cutoff: datetime, targets: Collection[str]) -> dict[int, Row]:
    """The item features by item key."""
    taken = [row for row in _known(interactions, cutoff) if row["event"] in targets]
    pairs = [(row["user_key"], row["item_key"]) for row in taken]
    earlier = [(row, pairs[place] in pairs[:place]) for place, row in enumerate(taken)]
    out = {}
    for item in items.iter_rows(named=True):
        mine = [(row, again) for row, again in earlier if row["item_key"] == item["item_key"]]
        if item["catalogued"] or mine:
            out[item["item_key"]] = _item([row for row, _ in mine], [again for _, again in mine], item["price"], cutoff)
    return out


def _item(mine: Sequence[Row], again: Sequence[bool], price: float | None, cutoff: datetime) -> Row:
    month = _last(mine, 30, cutoff)
    return {
        **{f"sales_{days}d": len(_last(mine, days, cutoff)) for days in (7, 30, 90)},
        "trend": len(_last(mine, 7, cutoff)) / 7 - len(month) / 30,
        "buyers_30d": len({row["user_key"] for row in month}),
        "mean_price_30d": _mean([row["price"] for row in month if row["price"] is not None]),
        "list_price": price,
        "item_repurchase_share": _mean(again),
        "first_sale_day": _day(min(mine, key=_time)) if mine else None,
        "last_sale_day": _day(max(mine, key=_time)) if mine else None,
    }


def _known(interactions: pl.DataFrame, cutoff: datetime) -> list[Row]:
    rows = [row for row in interactions.iter_rows(named=True) if row["timestamp"] <= cutoff]
    return sorted(rows, key=lambda row: (row["timestamp"], row["sequence"]))


def _last(rows: Sequence[Row], days: int, cutoff: datetime) -> list[Row]:
    return [row for row in rows if row["timestamp"] > cutoff - timedelta(days=days)]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _time(row: Row) -> datetime:
    return row["timestamp"]  # type: ignore[no-any-return]


def _day(row: Row) -> float:
    return (row["timestamp"] - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1)  # type: ignore[no-any-return]
