"""The feature list: every feature's name, unit, window and definition, once. It makes the Feast views, the packing and the checks.

Offline each feature is a named Float32 column; online a user or item has one packed array in the order of this list. What ages
without an event is stored as the day it happened (unit ``day``, days since 1970 as a fraction) and turned into an age when read; a
Float32 keeps a day to within two minutes, a count up to 16.7 million exactly, and everything else to seven digits. ``docs/features.md``
is written from here by ``python -m outfitter.features.spec``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from outfitter.schema import COUNT, KEY, STRING, UTC_TIME, Schema

FEATURES_VERSION = 2
LAST_ITEMS = 50
COUNT_DAYS = (7, 30, 90, 365)
SPEND_DAYS = (30, 90, 365)
SLOTS = {"category": 16, "colour": 8, "brand": 8}
HALF_LIFE_DAYS = 90
SESSION_GAP_MINUTES = 30
DISCOUNT = 0.05
MAX_BASKET = 20
SHRINKAGE = 5
DAY_PARTS = ("00_06", "06_12", "12_18", "18_24")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Unit = Literal[
    "events", "money", "share", "day", "categories", "users", "items", "sessions", "minutes", "days", "years", "nats", "events a day"
]


@dataclass(frozen=True)
class Feature:
    """One number about a user or an item as of a cut-off, null where there is nothing to tell.

    window: the days before the cut-off outside of which events do not matter; None where every event so far does. A user's features
    change without an event of the user only when an event leaves such a window.
    """

    name: str
    unit: Unit
    definition: str
    window: int | None = None
    dtype: pl.DataType = field(default_factory=pl.Float32)


def _history() -> list[Feature]:
    counts = [Feature(f"purchases_{days}d", "events", f"target events in the {days} days before the cut-off", days) for days in COUNT_DAYS]
    spend = "price times quantity (one where none is given) of target events in the {} days before the cut-off"
    return [
        *counts,
        *(Feature(f"spend_{days}d", "money", spend.format(days), days) for days in SPEND_DAYS),
        Feature("mean_price", "money", "mean unit price of all target events so far"),
        Feature("categories", "categories", "number of categories among target events so far"),
        Feature("repurchase_share", "share", "share of target events on an item the user had taken before"),
        Feature("first_event_day", "day", "day of the user's first event (tenure)"),
        Feature("last_event_day", "day", "day of the user's last event (recency)"),
        Feature("last_purchase_day", "day", "day of the user's last target event"),
    ]


def _browsing() -> list[Feature]:
    part = "share of the user's events of the last 365 days between {} and {} o'clock UTC; events exactly at midnight have no time of day"
    weekday = "share of the user's events of the last 365 days on a {} (UTC)"
    rate = "share of the items viewed or clicked in the 90 days before the cut-off that the user took in them too"
    return [
        Feature("views_30d", "events", "views and clicks in the 30 days before the cut-off", 30),
        Feature("carts_30d", "events", "cart events in the 30 days before the cut-off", 30),
        Feature("view_to_purchase_90d", "share", rate, 90),
        *(Feature(f"hours_{name}", "share", part.format(*name.split("_")), 365) for name in DAY_PARTS),
        *(Feature(f"weekday_{name}", "share", weekday.format(name.capitalize()), 365) for name in WEEKDAYS),
    ]


def _style() -> list[Feature]:
    share = "share of {0} slot {1} (CRC-32 of the name modulo {2}) in target events with a known {0}; weights halve every {3} days"
    slots = [
        Feature(f"{kind}_share_{slot:02}", "share", share.format(kind, slot, count, HALF_LIFE_DAYS))
        for kind, count in SLOTS.items()
        for slot in range(count)
    ]
    top = [Feature(f"{kind}_favourite", "share", f"share of the user's fullest {kind} slot") for kind in SLOTS]
    spread = [Feature(f"{kind}_entropy", "nats", f"entropy of the user's {kind} shares: 0 when all lie in one slot") for kind in SLOTS]
    return [*slots, *top, *spread]


def _price_sensitivity() -> list[Feature]:
    rank = "mean share of the category's sales in the calendar month before each target event's month that were cheaper, ties half"
    below = f"at least {DISCOUNT:.0%} below the item's highest price in earlier weeks (since 1970)"
    year = "target events with a price of the last 365 days"
    return [
        Feature("price_percentile_365d", "share", f"{rank}; over {year}, where such sales exist", 365),
        Feature("discount_share_365d", "share", f"share of {year} {below}", 365),
        Feature("discount_depth_365d", "share", f"mean of 1 - price / that highest price, 0 where not {below}; over {year}", 365),
    ]


def _sessions() -> list[Feature]:
    session = f"(a session ends with {SESSION_GAP_MINUTES} minutes without an event)"
    return [
        Feature("sessions_30d", "sessions", f"sessions begun in the 30 days before the cut-off {session}", 30),
        Feature("session_events", "events", "mean events a session, all so far"),
        Feature("session_minutes", "minutes", "mean minutes from the first to the last event of a session; null without times of day"),
        Feature("session_gap_days", "days", "mean days from the beginning of a session to that of the next"),
    ]


USER_FEATURES = (*_history(), *_browsing(), *_style(), *_price_sensitivity(), *_sessions())
USER_WINDOWS = tuple(sorted({feature.window for feature in USER_FEATURES if feature.window is not None}))
"""The days after which an event of a user stops to count for some feature."""

ITEM_FEATURES = (
    *(Feature(f"sales_{days}d", "events", f"target events in the {days} days before the cut-off", days) for days in COUNT_DAYS),
    Feature("trend", "events a day", "daily target events over the last 7 days less those over the last 30", 30),
    Feature("buyers_30d", "users", "different users with a target event in the 30 days before the cut-off", 30),
    Feature("mean_price_30d", "money", "mean unit price of target events in the 30 days before the cut-off", 30),
    Feature("list_price", "money", "price in the catalogue as of the cut-off"),
    Feature(
        "item_discount_share_30d",
        "share",
        f"share of target events with a price in the last 30 days at least {DISCOUNT:.0%} below the item's highest price in earlier weeks",
        30,
    ),
    Feature("item_repurchase_share", "share", "share of target events by users who had taken the item before"),
    Feature("first_sale_day", "day", "day of the item's first target event (age)"),
    Feature("last_sale_day", "day", "day of the item's last target event"),
    Feature("buyer_age_90d", "years", "mean age (year of the cut-off less year of birth) over target events of the last 90 days", 90),
    Feature("buyer_age_spread_90d", "years", "standard deviation of that age", 90),
    Feature(
        "copurchase_30d",
        "share",
        f"highest n/(n+{SHRINKAGE}) * n/sqrt(a*b) with any other item, where n baskets of the last 30 days hold both, a and b the one and "
        f"the other; a basket is a user's items of one UTC day, those of more than {MAX_BASKET} items make no pairs",
        30,
    ),
    Feature("basket_items_30d", "items", "mean number of different items in the baskets of the last 30 days that hold the item", 30),
    Feature("return_rate_365d", "share", "returns per target event in the last 365 days; null where the source has no returns", 365),
)


def names(features: tuple[Feature, ...]) -> list[str]:
    return [feature.name for feature in features]


def _table(key: str, features: tuple[Feature, ...], extra: Mapping[str, pl.DataType]) -> Schema:
    return {"materialization": STRING, "cutoff": UTC_TIME, key: KEY, **{f.name: f.dtype for f in features}, **extra}


FEATURE_TABLES: Mapping[str, Schema] = {
    "user_features": _table("user_key", USER_FEATURES, {"last_items": pl.List(pl.Int64()), "bucket": COUNT}),
    "item_features": _table("item_key", ITEM_FEATURES, {}),
}
"""Delta tables of feature rows; ``materialization`` is the fingerprint of the run that computed them."""


def features_table(features: tuple[Feature, ...]) -> str:
    """The Markdown table of a list that ``docs/features.md`` holds."""
    rows = ["| feature | dtype | unit | window | definition |", "|---|---|---|---|---|"]
    for one in features:
        window = "" if one.window is None else f"{one.window} days"
        rows.append(f"| `{one.name}` | {one.dtype} | {one.unit} | {window} | {one.definition} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(f"{features_table(USER_FEATURES)}\n{features_table(ITEM_FEATURES)}")
