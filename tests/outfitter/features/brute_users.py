"""The user features worked out event by event, straight from each definition, to hold the fast version against."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl

from outfitter.schema import EPOCH
from tests.outfitter.features.brute import DAY, Row, as_of, day, depth, known, last, mean, priced, taken_of

SESSION = timedelta(minutes=30)
PARTS = ("00_06", "06_12", "12_18", "18_24")
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def user_rows(interactions: pl.DataFrame, items: pl.DataFrame, cutoff: datetime) -> dict[int, Row]:
    """The user features by user key."""
    rows, catalogue = [_with_category(row, items) for row in known(interactions, cutoff)], as_of(items, "item_key", cutoff)
    out = {}
    for user in {row["user_key"] for row in rows}:
        mine = [row for row in rows if row["user_key"] == user]
        style = _style(taken_of(mine), catalogue)
        money = _price_sensitivity(rows, last(taken_of(mine), 365, cutoff), catalogue)
        out[user] = _history(mine, catalogue, cutoff) | style | money | _browsing(mine, cutoff) | _sessions(mine, cutoff)
    return out


def _with_category(row: Row, items: pl.DataFrame) -> Row:
    """What the catalogue called the item's category when it happened."""
    return row | {"category_then": as_of(items, "item_key", row["timestamp"]).get(row["item_key"], {}).get("category")}


def _history(mine: Sequence[Row], catalogue: dict[int, Row], cutoff: datetime) -> Row:
    taken = taken_of(mine)
    again = [row["item_key"] in {other["item_key"] for other in taken[:place]} for place, row in enumerate(taken)]
    return {
        **{f"purchases_{days}d": len(last(taken, days, cutoff)) for days in (7, 30, 90, 365)},
        **{f"spend_{days}d": sum(_paid(row) for row in priced(last(taken, days, cutoff))) for days in (30, 90, 365)},
        "mean_price": mean([row["price"] for row in priced(taken)]),
        "categories": len({catalogue.get(row["item_key"], {}).get("category") for row in taken} - {None}),
        "repurchase_share": mean(again),
        "first_event_day": day(mine[0]),
        "last_event_day": day(mine[-1]),
        "last_purchase_day": day(taken[-1]) if taken else None,
        "last_items": [row["item_key"] for row in taken][-50:],
        "bucket": mine[0]["bucket"],
    }


def _paid(row: Row) -> float:
    return row["price"] * (1 if row["quantity"] is None else row["quantity"])  # type: ignore[no-any-return]


def _style(taken: Sequence[Row], catalogue: dict[int, Row]) -> Row:
    out: Row = {}
    for kind, slots in (("category", 16), ("colour", 8), ("brand", 8)):
        weights = [0.0] * slots
        for row in taken:
            name = catalogue.get(row["item_key"], {}).get(kind)
            if name is not None:
                age = (taken[-1]["timestamp"] - EPOCH) // DAY - (row["timestamp"] - EPOCH) // DAY
                weights[zlib.crc32(name.encode()) % slots] += 0.5 ** (age / 90)
        shares = [weight / sum(weights) for weight in weights] if any(weights) else [None] * slots
        some = [share for share in shares if share]
        out |= {f"{kind}_share_{slot:02}": share for slot, share in enumerate(shares)}
        out[f"{kind}_favourite"] = max(some, default=None)
        out[f"{kind}_entropy"] = -sum(share * math.log(share) for share in some) if some else None
    return out


def _price_sensitivity(everyone: Sequence[Row], year: Sequence[Row], catalogue: dict[int, Row]) -> Row:
    depths = [depth(everyone, row) for row in priced(year)]
    ranks = [rank for row in priced(year) if (rank := _percentile(everyone, row, catalogue)) is not None]
    return {
        "price_percentile_365d": mean(ranks),
        "discount_share_365d": mean([depth > 0 for depth in depths]),
        "discount_depth_365d": mean(depths),
    }


def _percentile(everyone: Sequence[Row], row: Row, catalogue: dict[int, Row]) -> float | None:
    category = catalogue.get(row["item_key"], {}).get("category")
    this = row["timestamp"].replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = (this - DAY).replace(day=1)
    month = [one for one in priced(taken_of(everyone)) if before <= one["timestamp"] < this]
    like = [one for one in month if one["category_then"] == category]
    if category is None:
        return None
    return mean([(one["price"] < row["price"]) + (one["price"] == row["price"]) / 2 for one in like])


def _browsing(mine: Sequence[Row], cutoff: datetime) -> Row:
    year, quarter = last(mine, 365, cutoff), last(mine, 90, cutoff)
    timed = [row for row in year if row["timestamp"] != row["timestamp"].replace(hour=0, minute=0, second=0, microsecond=0)]
    looked = {row["item_key"] for row in quarter if row["event"] in ("view", "click")}
    took = {row["item_key"] for row in taken_of(quarter)}
    return {
        "views_30d": sum(row["event"] in ("view", "click") for row in last(mine, 30, cutoff)),
        "carts_30d": sum(row["event"] == "cart" for row in last(mine, 30, cutoff)),
        "view_to_purchase_90d": mean([item in took for item in looked]),
        **{f"hours_{name}": mean([row["timestamp"].hour // 6 == part for row in timed]) for part, name in enumerate(PARTS)},
        **{f"weekday_{name}": mean([row["timestamp"].weekday() == number for row in year]) for number, name in enumerate(WEEK)},
    }


def _sessions(mine: Sequence[Row], cutoff: datetime) -> Row:
    sessions = [[mine[0]]]
    for before, row in pairwise(mine):
        if row["timestamp"] - before["timestamp"] > SESSION:
            sessions.append([])
        sessions[-1].append(row)
    starts = [session[0]["timestamp"] for session in sessions]
    lengths = [(session[-1]["timestamp"] - session[0]["timestamp"]) / timedelta(minutes=1) for session in sessions]
    timed = any((row["timestamp"] - EPOCH) % DAY for row in mine)
    return {
        "sessions_30d": sum(start > cutoff - timedelta(days=30) for start in starts),
        "session_events": mean([len(session) for session in sessions]),
        "session_minutes": mean(lengths) if timed else None,
        "session_gap_days": mean([(after - before) / DAY for before, after in pairwise(starts)]),
    }
