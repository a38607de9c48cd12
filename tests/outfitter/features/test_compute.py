"""Every feature against its definition worked out row by row, and nothing of the future in any of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from outfitter.features.compute import item_features, user_features
from outfitter.features.spec import FEATURE_TABLES, ITEM_FEATURES, LAST_ITEMS, USER_FEATURES, names
from outfitter.schema import INTERACTIONS, conform
from tests.outfitter.features.brute import CUTOFF, TARGETS, item_rows, random_items, random_rows, user_rows

CUTOFFS = [CUTOFF, CUTOFF - timedelta(days=40), CUTOFF + timedelta(days=30)]
SEEDS = range(4)


def users_at(rows: pl.DataFrame, items: pl.DataFrame, cutoff: datetime, **given: Any) -> pl.DataFrame:
    return user_features(rows.lazy(), items.lazy(), cutoff, TARGETS, **given)


def items_at(rows: pl.DataFrame, items: pl.DataFrame, cutoff: datetime) -> pl.DataFrame:
    return item_features(rows.lazy(), items.lazy(), cutoff, TARGETS)


def agree(found: pl.DataFrame, key: str, wanted: dict[int, dict[str, Any]]) -> None:
    assert found[key].to_list() == sorted(wanted)
    for row in found.iter_rows(named=True):
        for name, want in wanted[row[key]].items():
            got = row[name]
            assert got == (want if want is None or isinstance(want, list) else pytest.approx(want, rel=1e-6, abs=1e-6)), (row[key], name)


@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("seed", SEEDS)
def test_user_features_are_what_their_definitions_say(seed: int, cutoff: datetime) -> None:
    rows, items = random_rows(seed), random_items(seed)
    agree(users_at(rows, items, cutoff), "user_key", user_rows(rows, items, cutoff, TARGETS))


@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("seed", SEEDS)
def test_item_features_are_what_their_definitions_say(seed: int, cutoff: datetime) -> None:
    rows, items = random_rows(seed), random_items(seed)
    agree(items_at(rows, items, cutoff), "item_key", item_rows(rows, items, cutoff, TARGETS))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_comes_later_changes_nothing(seed: int) -> None:
    rows, items = random_rows(seed), random_items(seed)
    past = rows.filter(pl.col("timestamp") <= CUTOFF)
    assert 0 < past.height < rows.height
    assert users_at(rows, items, CUTOFF).equals(users_at(past, items, CUTOFF))
    assert items_at(rows, items, CUTOFF).equals(items_at(past, items, CUTOFF))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_the_rows_changes_nothing(seed: int) -> None:
    rows, items = random_rows(seed), random_items(seed)
    mixed = rows.sample(fraction=1, shuffle=True, seed=1)
    assert users_at(mixed, items, CUTOFF).equals(users_at(rows, items, CUTOFF))
    assert items_at(mixed, items, CUTOFF).equals(items_at(rows, items, CUTOFF))


def test_some_users_are_those_of_all() -> None:
    rows, items = random_rows(1), random_items(1)
    some = users_at(rows, items, CUTOFF, users=pl.Series([5, 2, 99], dtype=pl.Int32))
    assert some["user_key"].to_list() == [2, 5]
    assert some.equals(users_at(rows, items, CUTOFF).filter(pl.col("user_key").is_in([2, 5])))
    assert users_at(rows, items, CUTOFF, users=pl.Series([], dtype=pl.Int32)).is_empty()


def test_an_event_at_the_cutoff_is_known_and_one_just_after_is_not() -> None:
    items = random_items(0)
    for shift, seen in ((timedelta(0), 1), (timedelta(microseconds=1), 0)):
        assert users_at(_one(CUTOFF + shift), items, CUTOFF).height == seen


def test_a_window_ends_where_its_days_begin() -> None:
    """Exactly seven days ago is the eighth day."""
    items = random_items(0)
    week = timedelta(days=7)
    assert users_at(_one(CUTOFF - week), items, CUTOFF)["purchases_7d"].to_list() == [0]
    assert users_at(_one(CUTOFF - week + timedelta(microseconds=1)), items, CUTOFF)["purchases_7d"].to_list() == [1]


def _one(moment: datetime, **values: Any) -> pl.DataFrame:
    row = {"user_key": 1, "item_key": 1, "timestamp": moment, "sequence": 1, "event": "purchase", "price": 10.0, "quantity": 1, "bucket": 0}
    return conform(pl.DataFrame([{**row, **values}], schema_overrides={"price": pl.Float64, "quantity": pl.Int32}), INTERACTIONS)


def test_without_a_quantity_one_was_bought() -> None:
    assert users_at(_one(CUTOFF, quantity=None), random_items(0), CUTOFF)["spend_90d"].to_list() == [10]


def test_who_only_looked_is_known_but_took_nothing() -> None:
    row = users_at(_one(CUTOFF, event="view"), random_items(0), CUTOFF).row(0, named=True)
    assert (row["purchases_365d"], row["spend_90d"], row["categories"], row["last_items"]) == (0, 0, 0, [])
    assert row["mean_price"] is row["repurchase_share"] is None
    assert row["last_event_day"] == row["first_event_day"] == pytest.approx(19783)


def test_the_last_items_are_the_newest_fifty_oldest_first() -> None:
    many = pl.concat([_one(CUTOFF - timedelta(hours=hours), item_key=hours, sequence=hours) for hours in range(LAST_ITEMS + 5)])
    found = users_at(many, random_items(0, items=60), CUTOFF)["last_items"].to_list()[0]
    assert found == list(range(LAST_ITEMS - 1, -1, -1))


def test_a_day_is_kept_to_within_three_minutes() -> None:
    moment = CUTOFF - timedelta(days=3, hours=5, minutes=17)
    found = users_at(_one(moment), random_items(0), CUTOFF)["last_event_day"][0]
    assert abs(found - moment.timestamp() / 86400) * 24 * 60 < 3


def test_nothing_in_nothing_out() -> None:
    none = random_rows(0).clear()
    assert users_at(none, random_items(0), CUTOFF).is_empty()
    catalogue = random_items(0)
    assert items_at(none, catalogue, CUTOFF)["item_key"].to_list() == catalogue.filter("catalogued")["item_key"].to_list()


def test_the_columns_are_the_list() -> None:
    rows, items = random_rows(0), random_items(0)
    found = users_at(rows, items, CUTOFF), items_at(rows, items, CUTOFF)
    assert found[0].columns == ["user_key", *names(USER_FEATURES), "last_items", "bucket"]
    assert found[1].columns == ["item_key", *names(ITEM_FEATURES)]
    for frame, features in zip(found, (USER_FEATURES, ITEM_FEATURES), strict=True):
        assert {frame.schema[name] for name in names(features)} == {pl.Float32()}
    for table, frame in zip(FEATURE_TABLES.values(), found, strict=True):
        assert set(frame.columns) == set(table) - {"materialization", "cutoff"}
