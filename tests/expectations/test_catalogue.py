"""Items and users: every expectation has a row that fails it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from expectations import items, repeats, users
from expectations.runner import Validation, validate


def check_items(frame: pl.DataFrame) -> Validation:
    suite = items.suite(max_bad_share=0.2)
    return validate(repeats.with_repeats(frame, repeats.SAME_ITEM), suite, name="articles.csv", docs=None)


def check_users(frame: pl.DataFrame, deliveries: Any) -> Validation:
    suite = users.suite(latest=deliveries.now, max_bad_share=0.2)
    return validate(repeats.with_repeats(frame, repeats.SAME_USER), suite, name="customers.csv", docs=None)


def test_faultless_deliveries_pass(deliveries: Any) -> None:
    for validation in (check_items(deliveries.items()), check_users(deliveries.users(), deliveries)):
        assert validation.passed
        assert validation.failed_rows.is_empty()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("item_id", None, "item id is missing"),
        ("item_id", "01", "item id stands in an earlier row"),
        ("price", -5.0, "price is negative"),
        ("price", float("nan"), "price is not a plausible number"),
        ("unreadable", "price '5,-'", "cannot be read: price '5,-'"),
    ],
)
def test_a_bad_item_is_set_aside(deliveries: Any, column: str, value: Any, reason: str) -> None:
    validation = check_items(deliveries.spoiled(deliveries.items(), column, value))
    assert validation.passed
    assert validation.failed_rows.to_dicts() == [{"position": 3, "row": 4, "reasons": [reason]}]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("user_id", None, "user id is missing"),
        ("user_id", "u1", "user id stands in an earlier row"),
        ("birth_year", 1899, "birth year lies outside 1904 to 2024"),
        ("birth_year", 2025, "birth year lies outside 1904 to 2024"),
        ("unreadable", "birth_year '19x'", "cannot be read: birth_year '19x'"),
    ],
)
def test_a_bad_user_is_set_aside(deliveries: Any, column: str, value: Any, reason: str) -> None:
    validation = check_users(deliveries.spoiled(deliveries.users(), column, value), deliveries)
    assert validation.passed
    assert validation.failed_rows.to_dicts() == [{"position": 3, "row": 4, "reasons": [reason]}]


def test_missing_columns_and_empty_deliveries_stop(deliveries: Any) -> None:
    assert check_items(deliveries.items().drop("price")).stops == ("a column is missing: price",)
    assert check_items(deliveries.items().clear()).stops == ("there are no rows: found 0",)
    assert check_users(deliveries.users().drop("region"), deliveries).stops == ("a column is missing: region",)
    assert check_users(deliveries.users().clear(), deliveries).stops == ("there are no rows: found 0",)


def test_two_versions_of_an_item_are_no_repeat_and_missing_ids_repeat_nothing(deliveries: Any) -> None:
    frame = deliveries.items()
    later = frame.head(1).with_columns(valid_from=pl.lit(datetime(2024, 1, 1, tzinfo=UTC)))
    versions = repeats.with_repeats(pl.concat([frame, later]), repeats.SAME_ITEM)
    assert versions.get_column("repeat_of").null_count() == 11
    nameless = repeats.with_repeats(deliveries.spoiled(frame, "item_id", None, rows=2), repeats.SAME_ITEM)
    assert nameless.get_column("repeat_of").null_count() == 10
