"""Figures gathered block by block are those of the whole, and a profile survives being stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from expectations.measuring import Ids, Measuring
from expectations.profile import Check, Measures, Place, Profile

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def rows(n: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "user_id": rng.integers(0, 500, n).astype(str),
            "item_id": rng.zipf(1.5, n).astype(str),
            "timestamp": [MONDAY + timedelta(hours=float(hour)) for hour in rng.uniform(0, 24 * 20, n)],
            "price": rng.lognormal(3, 0.7, n),
        },
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    )


def measured(*blocks: pl.DataFrame) -> Measuring:
    measuring = Measuring()
    for block in blocks:
        measuring.add(block, interactions=True)
    return measuring


def test_figures_are_those_of_the_whole() -> None:
    frame = rows(5_000)
    told = measured(frame[:1_000], frame[1_000:1_001], frame[1_001:]).measures
    assert told == measured(frame).measures
    assert (told.first_event, told.last_event) == (frame["timestamp"].min(), frame["timestamp"].max())
    assert (told.items, told.users) == (frame["item_id"].n_unique(), frame["user_id"].n_unique())
    assert told.weekday_days == (3, 3, 3, 3, 3, 3, 2)
    assert list(told.weekday_rows) == frame["timestamp"].dt.weekday().value_counts().sort("timestamp")["count"].to_list()


def test_the_median_price_is_good_to_one_percent() -> None:
    frame = rows(5_001)
    told = measured(frame).measures
    assert told.median_price == pytest.approx(frame["price"].median(), rel=0.01)
    assert told.price_spread == pytest.approx(0.7, rel=0.05)
    assert told.priced == 5_001
    odd = frame.with_columns(price=pl.lit(0.0))
    assert (measured(odd).measures.median_price, measured(odd).measures.priced) == (None, 0)


def test_ids_are_counted_exactly() -> None:
    frame = rows(3_000)
    ids = Ids("item_id")
    for at in range(0, 3_000, 700):
        ids.add(frame["item_id"][at : at + 700])
    assert ids.counts.sort("item_id").rows() == frame.group_by("item_id").len().sort("item_id").rows()
    assert ids.different == frame["item_id"].n_unique()


def test_nothing_measured_is_told_as_nothing() -> None:
    assert Measuring().measures == Measures()


def test_a_profile_survives_being_stored() -> None:
    checks = (
        Check("interactions", "price is 0", "warning", "rows with a price", 2, 9),
        Check("items", "x", "critical", "rows", 1, 1, errors=("e",)),
    )
    profile = Profile(10, 1, ("items: title",), checks, measured(rows(50)).measures, "abc", Place(new_items=3, gap_days=1.0))
    assert Profile.from_json(profile.to_json()) == profile
    assert Profile.from_json(profile.to_json()).first_event == profile.first_event
    assert profile.reasons == {"x": 1}
