"""Items and users: every expectation has a row that fails it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from expectations import items, repeats, users
from expectations.runner import Outcome, Validation, check_rows, validate
from expectations.tally import Tally


def check_items(frame: pl.DataFrame) -> Validation:
    suite = items.suite(max_bad_share=0.2)
    return validate(repeats.Repeats(repeats.SAME_ITEM).mark(frame), suite, name="articles.csv", docs=None)


def check_users(frame: pl.DataFrame, deliveries: Any) -> Validation:
    suite = users.suite(latest=deliveries.now, max_bad_share=0.2)
    return validate(repeats.Repeats(repeats.SAME_USER).mark(frame), suite, name="customers.csv", docs=None)


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


@pytest.mark.parametrize(
    ("column", "value", "reason", "among"),
    [("price", 0.0, "price is 0", "rows with a price"), ("title", None, "title is missing", "rows")],
)
def test_an_odd_item_passes_and_is_counted(deliveries: Any, column: str, value: Any, reason: str, among: str) -> None:
    frame = deliveries.spoiled(deliveries.items().with_columns(title=pl.lit("Dress"), category=pl.lit("Dresses")), column, value)
    validation = check_items(frame)
    assert validation.passed
    assert validation.failed_rows.is_empty()
    assert counted(check_rows(repeats.Repeats(repeats.SAME_ITEM).mark(frame), items.suite(max_bad_share=0.2), "a"), frame) == {
        reason: (1, among)
    }


def test_a_customer_of_twelve_passes_and_is_counted(deliveries: Any) -> None:
    frame = repeats.Repeats(repeats.SAME_USER).mark(deliveries.spoiled(deliveries.users(), "birth_year", 2012))
    outcome = check_rows(frame, users.suite(latest=deliveries.now, max_bad_share=0.2), "customers.csv")
    assert counted(outcome, frame) == {"birth year makes the customer younger than 13": (1, "rows with a birth year")}


def counted(outcome: Outcome, frame: pl.DataFrame) -> dict[str, tuple[int, str]]:
    """What warnings a block led to; that every row lacks something is none."""
    tally = Tally("items")
    tally.add(outcome, frame["sequence"])
    assert not [one for one in tally.checks if one.failed and one.severity == "critical"]
    return {one.reason: (one.failed, one.among) for one in tally.checks if one.told}


def test_two_versions_of_an_item_are_no_repeat_and_missing_ids_repeat_nothing(deliveries: Any) -> None:
    frame = deliveries.items()
    later = frame.head(1).with_columns(valid_from=pl.lit(datetime(2024, 1, 1, tzinfo=UTC)))
    versions = repeats.Repeats(repeats.SAME_ITEM).mark(pl.concat([frame, later]))
    assert versions.get_column("repeat_of").null_count() == 11
    nameless = repeats.Repeats(repeats.SAME_ITEM).mark(deliveries.spoiled(frame, "item_id", None, rows=2))
    assert nameless.get_column("repeat_of").null_count() == 10
