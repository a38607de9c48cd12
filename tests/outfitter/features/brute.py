"""Random shops with every awkward case in them, and the plain words that the brute-force features are written in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from outfitter.schema import EPOCH, INTERACTIONS, ITEMS, USERS, conform

CUTOFF = datetime(2024, 3, 1, tzinfo=UTC)
TARGETS = ("purchase", "rent")
CATEGORIES, COLOURS, BRANDS = ["coat", "shirt", "shoe", None], ["red", "blue", "", None], ["ours", "theirs", None]
TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
Row = dict[str, Any]


def random_rows(seed: int, rows: int = 300, users: int = 8, items: int = 12) -> pl.DataFrame:
    """INTERACTIONS around ``CUTOFF``: ties in time, edges of windows, midnights, bursts a few minutes apart, absent prices."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, rows)
    back = [_back(rng) for _ in range(rows)]
    for row in range(1, rows):
        if rng.random() < 0.4:  # another event of the session, or just not of it
            back[row], user[row] = back[row - 1] - timedelta(minutes=int(rng.choice([0, 1, 29, 30, 31]))), user[row - 1]
    frame = pl.DataFrame(
        {
            "user_key": user,
            "item_key": rng.integers(0, items, rows),
            "timestamp": [CUTOFF - delta for delta in back],
            "sequence": rng.permutation(rows),
            "event": rng.choice(["purchase", "rent", "view", "click", "cart", "return"], rows, p=[0.35, 0.15, 0.2, 0.1, 0.1, 0.1]),
            "price": [None if rng.random() < 0.1 else float(rng.choice([0, 5, 8, 9, 10, 12, 19, 20, 40])) for _ in range(rows)],
            "quantity": [None if rng.random() < 0.1 else int(rng.integers(1, 4)) for _ in range(rows)],
            "bucket": user % 3,
            "delivery_id": ["d"] * rows,
        }
    )
    return conform(frame, INTERACTIONS)


def _back(rng: np.random.Generator) -> timedelta:
    edges = [timedelta(0), *(timedelta(days=days) for days in (7, 30, 90, 365)), -DAY, TICK]
    if rng.random() < 0.3:
        return edges[rng.integers(len(edges))] + int(rng.integers(-1, 2)) * TICK
    if rng.random() < 0.5:  # few days and baskets of several, as in a busy month
        return int(rng.integers(0, 40)) * DAY / 4
    return timedelta(seconds=int(rng.integers(-20, 400) * 43200))


def random_items(seed: int, items: int = 14) -> pl.DataFrame:
    """ITEMS: a key row each, and catalogue rows, some of which come or change late. The last two nobody can have met: one is a stub."""
    rng = np.random.default_rng(seed)
    rows = [_item_row(item, EPOCH, None) for item in range(items)]
    for item in range(items - 1):
        for number in range(1 if item == items - 2 else int(rng.choice([0, 1, 1, 1, 2]))):
            late = CUTOFF - int(rng.integers(-30, 300)) * DAY
            row = _item_row(item, EPOCH if number == 0 and rng.random() < 0.7 else late, f"d{number}")
            names = {"category": CATEGORIES, "colour": COLOURS, "brand": BRANDS}
            row |= {name: values[rng.integers(len(values))] for name, values in names.items()}
            rows.append(row | {"price": None if rng.random() < 0.2 else float(rng.integers(1, 100))})
    return conform(pl.DataFrame(rows, schema_overrides=dict(ITEMS), infer_schema_length=None), ITEMS)


def _item_row(item: int, valid_from: datetime, delivery: str | None) -> Row:
    blank = {"category": None, "colour": None, "brand": None, "price": None}
    named = {"item_key": item, "item_id": str(item), "valid_from": valid_from}
    return {**named, "delivery_id": delivery, "catalogued": bool(delivery), **blank}


def random_users(seed: int, users: int = 8) -> pl.DataFrame:
    """USERS: a key row each, and descriptions, of which some come late and some know no year of birth."""
    rng = np.random.default_rng(seed)
    rows = [{"user_key": user, "user_id": str(user), "bucket": user % 3, "valid_from": EPOCH} for user in range(users)]
    for user in range(users):
        for number in range(int(rng.choice([0, 1, 2]))):
            late = CUTOFF - int(rng.integers(-30, 90)) * DAY
            born = None if rng.random() < 0.2 else int(rng.integers(1940, 2005))
            rows.append({**rows[user], "valid_from": late if number else EPOCH, "birth_year": born, "delivery_id": f"d{number}"})
    return conform(pl.DataFrame(rows, infer_schema_length=None), USERS)


def known(interactions: pl.DataFrame, cutoff: datetime) -> list[Row]:
    """What had happened by then, in the order in which it did."""
    rows = [row for row in interactions.iter_rows(named=True) if row["timestamp"] <= cutoff]
    return sorted(rows, key=lambda row: (row["timestamp"], row["sequence"]))


def as_of(rows: pl.DataFrame, key: str, moment: datetime) -> dict[int, Row]:
    """The newest description of each item or user by then."""
    told = [row for row in rows.iter_rows(named=True) if row["delivery_id"] and row["valid_from"] <= moment]
    return {row[key]: row for row in sorted(told, key=lambda row: (row["valid_from"], row["delivery_id"]))}


def last(rows: Sequence[Row], days: int, cutoff: datetime) -> list[Row]:
    return [row for row in rows if row["timestamp"] > cutoff - timedelta(days=days)]


def taken_of(rows: Collection[Row]) -> list[Row]:
    return [row for row in rows if row["event"] in TARGETS]


def priced(rows: Collection[Row]) -> list[Row]:
    return [row for row in rows if row["price"] is not None]


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def day(row: Row) -> float:
    return (row["timestamp"] - EPOCH) / DAY  # type: ignore[no-any-return]


def highest_before(rows: Sequence[Row], row: Row) -> float | None:
    """The highest price at which the item sold in a week before that of ``row``, weeks counted from 1970."""
    week = timedelta(days=7)
    earlier = [one for one in priced(taken_of(rows)) if one["item_key"] == row["item_key"]]
    return max((one["price"] for one in earlier if (one["timestamp"] - EPOCH) // week < (row["timestamp"] - EPOCH) // week), default=None)


def depth(rows: Sequence[Row], row: Row) -> float:
    highest = highest_before(rows, row)
    return 1 - row["price"] / highest if highest and row["price"] <= 0.95 * highest else 0.0
