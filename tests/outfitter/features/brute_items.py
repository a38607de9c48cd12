"""The item features worked out row by row, straight from each definition, to hold the fast version against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from statistics import pstdev

import polars as pl

from tests.outfitter.features.brute import Row, as_of, day, depth, known, last, mean, priced, taken_of

Baskets = dict[tuple[int, object], set[int]]


def item_rows(interactions: pl.DataFrame, items: pl.DataFrame, users: pl.DataFrame, cutoff: datetime) -> dict[int, Row]:
    """The item features by item key."""
    rows = known(interactions, cutoff)
    catalogue, people, baskets = as_of(items, "item_key", cutoff), as_of(users, "user_key", cutoff), _baskets(taken_of(rows), cutoff)
    out = {}
    for item in set(items["item_key"]):
        mine = [row for row in taken_of(rows) if row["item_key"] == item]
        if item in catalogue or mine:
            price = catalogue.get(item, {}).get("price")
            returns = _returns(rows, item, len(last(mine, 365, cutoff)), cutoff)
            sales = _sales(rows, mine, cutoff) | _buyers(mine, people, cutoff) | _together(item, baskets)
            out[item] = sales | {"list_price": price, "return_rate_365d": returns}
    return out


def _sales(everything: Sequence[Row], mine: Sequence[Row], cutoff: datetime) -> Row:
    month = last(mine, 30, cutoff)
    return {
        **{f"sales_{days}d": len(last(mine, days, cutoff)) for days in (7, 30, 90, 365)},
        "trend": len(last(mine, 7, cutoff)) / 7 - len(month) / 30,
        "buyers_30d": len({row["user_key"] for row in month}),
        "mean_price_30d": mean([row["price"] for row in priced(month)]),
        "item_discount_share_30d": mean([depth(everything, row) > 0 for row in priced(month)]),
        "first_sale_day": day(mine[0]) if mine else None,
        "last_sale_day": day(mine[-1]) if mine else None,
    }


def _buyers(mine: Sequence[Row], people: dict[int, Row], cutoff: datetime) -> Row:
    born = [people.get(row["user_key"], {}).get("birth_year") for row in last(mine, 90, cutoff)]
    ages = [cutoff.year - year for year in born if year is not None]
    again = [row["user_key"] in {other["user_key"] for other in mine[:place]} for place, row in enumerate(mine)]
    spread = pstdev(ages) if ages else None
    return {"buyer_age_90d": mean(ages), "buyer_age_spread_90d": spread, "item_repurchase_share": mean(again)}


def _baskets(taken: Sequence[Row], cutoff: datetime) -> Baskets:
    baskets: Baskets = {}
    for row in last(taken, 30, cutoff):
        baskets.setdefault((row["user_key"], row["timestamp"].date()), set()).add(row["item_key"])
    return baskets


def _together(item: int, baskets: Baskets) -> Row:
    holding = [basket for basket in baskets.values() if item in basket]
    ties = []
    for other in set().union(*holding) - {item}:
        both = sum(other in basket for basket in holding if len(basket) <= 20)
        count = sum(other in basket for basket in baskets.values())
        ties.append(both / (both + 5) * both / math.sqrt(len(holding) * count))
    strength = max(ties, default=0.0) if holding else None
    return {"copurchase_30d": strength, "basket_items_30d": mean([len(basket) for basket in holding])}


def _returns(everything: Sequence[Row], item: int, sales: int, cutoff: datetime) -> float | None:
    returned = [row["item_key"] for row in last(everything, 365, cutoff) if row["event"] == "return"]
    return returned.count(item) / sales if returned and sales else None
