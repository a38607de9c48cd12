"""The feature list: every feature's name, unit and definition, once. It makes the Feast views, the packing and the checks.

Offline each feature is a named Float32 column; online a user or item has one packed array in the order of this list. What ages
without an event is stored as the day it happened (unit ``day``, days since 1970 as a fraction) and turned into an age when read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from outfitter.schema import COUNT, KEY, STRING, UTC_TIME, Schema

FEATURES_VERSION = 1
LAST_ITEMS = 50
Unit = Literal["events", "money", "share", "day", "categories", "users", "events a day"]


@dataclass(frozen=True)
class Feature:
    """One number about a user or an item as of a cut-off. dtype Float32, null where there is nothing to tell."""

    name: str
    unit: Unit
    definition: str


USER_FEATURES = (
    Feature("purchases_7d", "events", "target events in the 7 days before the cut-off"),
    Feature("purchases_30d", "events", "target events in the 30 days before the cut-off"),
    Feature("purchases_90d", "events", "target events in the 90 days before the cut-off"),
    Feature("purchases_365d", "events", "target events in the 365 days before the cut-off"),
    Feature("spend_90d", "money", "price times quantity (one where none is given) of target events in the 90 days before the cut-off"),
    Feature("mean_price", "money", "mean unit price of all target events so far"),
    Feature("categories", "categories", "number of categories among target events so far"),
    Feature("repurchase_share", "share", "share of target events on an item the user had taken before"),
    Feature("first_event_day", "day", "day of the user's first event"),
    Feature("last_event_day", "day", "day of the user's last event"),
)
ITEM_FEATURES = (
    Feature("sales_7d", "events", "target events in the 7 days before the cut-off"),
    Feature("sales_30d", "events", "target events in the 30 days before the cut-off"),
    Feature("sales_90d", "events", "target events in the 90 days before the cut-off"),
    Feature("trend", "events a day", "daily target events over the last 7 days less those over the last 30"),
    Feature("buyers_30d", "users", "different users with a target event in the 30 days before the cut-off"),
    Feature("mean_price_30d", "money", "mean unit price of target events in the 30 days before the cut-off"),
    Feature("list_price", "money", "price in the catalogue as of the cut-off"),
    Feature("item_repurchase_share", "share", "share of target events by users who had taken the item before"),
    Feature("first_sale_day", "day", "day of the item's first target event"),
    Feature("last_sale_day", "day", "day of the item's last target event"),
)


def names(features: tuple[Feature, ...]) -> list[str]:
    return [feature.name for feature in features]


def _table(key: str, features: tuple[Feature, ...], extra: Mapping[str, pl.DataType]) -> Schema:
    columns = {name: pl.Float32() for name in names(features)}
    return {"materialization": STRING, "cutoff": UTC_TIME, key: KEY, **columns, **extra}


FEATURE_TABLES: Mapping[str, Schema] = {
    "user_features": _table("user_key", USER_FEATURES, {"last_items": pl.List(pl.Int64()), "bucket": COUNT}),
    "item_features": _table("item_key", ITEM_FEATURES, {}),
}
"""Delta tables of feature rows; ``materialization`` is the fingerprint of the run that computed them."""
