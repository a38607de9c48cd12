"""Every expectation on interactions has a row that fails it and nine that pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from expectations import interactions, repeats
from expectations.runner import Validation, check_rows, validate
from expectations.tally import Tally
from outfitter.schema import EVENTS

SPOILED = [
    ("user_id", None, ["user id is missing"]),
    ("item_id", None, ["item id is missing"]),
    ("timestamp", None, ["timestamp is missing"]),
    ("timestamp", datetime(2024, 3, 1, 0, 0, 1, tzinfo=UTC), ["timestamp lies in the future"]),
    ("event", None, ["event is missing"]),
    ("event", "cart", ["event is not one of this source's: cart"]),
    ("value", -1.0, ["value lies outside 0 to 100"]),
    ("value", float("nan"), ["value lies outside 0 to 100"]),
    ("quantity", 0, ["quantity is less than one"]),
    ("price", -0.01, ["price is negative"]),
    ("price", float("inf"), ["price is not a plausible number"]),
    ("price", float("nan"), ["price is not a plausible number"]),
    ("unreadable", "price 'abc'", ["cannot be read: price 'abc'"]),
]


def check(frame: pl.DataFrame, deliveries: Any, *, share: float = 0.2, duplicates: bool = False) -> Validation:
    events = ["rating", "purchase"]
    suite = interactions.suite(latest=deliveries.now, events=events, max_bad_share=share, duplicates=duplicates)
    return validate(frame, suite, name="orders.csv", docs=None)


def test_a_faultless_delivery_passes(deliveries: Any) -> None:
    frame = repeats.Repeats(repeats.SAME_INTERACTION).mark(deliveries.interactions())
    validation = check(frame, deliveries, duplicates=True)
    assert validation.passed
    assert validation.failed_rows.is_empty()
    assert validation.statistics["rows"] == 10


@pytest.mark.parametrize(("column", "value", "reasons"), SPOILED)
def test_one_bad_row_is_set_aside_with_its_reason(deliveries: Any, column: str, value: Any, reasons: list[str]) -> None:
    validation = check(deliveries.spoiled(deliveries.interactions(), column, value), deliveries)
    assert validation.passed
    assert validation.failed_rows.to_dicts() == [{"position": 3, "row": 4, "reasons": reasons}]


def test_a_rating_without_a_value_fails_and_a_purchase_without_one_does_not(deliveries: Any) -> None:
    validation = check(deliveries.interactions().with_columns(value=pl.lit(None, pl.Float64)), deliveries, share=0.9)
    assert validation.stops == ("value of a rating is missing in 100.0% of 5 ratings; at most 90% may be",)
    assert validation.failed_rows.get_column("position").to_list() == [0, 2, 4, 6, 8]


def test_the_latest_moment_itself_is_not_the_future(deliveries: Any) -> None:
    assert check(deliveries.spoiled(deliveries.interactions(), "timestamp", deliveries.now), deliveries).failed_rows.is_empty()


def test_a_row_collects_all_its_reasons_in_the_order_of_the_suite(deliveries: Any) -> None:
    frame = deliveries.spoiled(deliveries.interactions(), "price", -1.0)
    frame = deliveries.spoiled(frame, "timestamp", deliveries.now + timedelta(days=1))
    assert check(frame, deliveries).failed_rows["reasons"].to_list() == [["timestamp lies in the future", "price is negative"]]


def test_an_identical_row_is_set_aside_only_where_it_is_a_duplicate(deliveries: Any) -> None:
    frame = deliveries.interactions()
    again = frame.tail(1).with_columns(sequence=pl.lit(11, pl.Int64))
    doubled = repeats.Repeats(repeats.SAME_INTERACTION).mark(pl.concat([frame, again]))
    assert doubled.get_column("repeat_of").to_list() == [None] * 10 + [10]
    found = check(doubled, deliveries, duplicates=True).failed_rows
    assert found.to_dicts() == [{"position": 10, "row": 11, "reasons": ["identical to an earlier row"]}]
    assert check(doubled, deliveries).failed_rows.is_empty()


def test_more_bad_rows_than_the_share_stop_the_delivery(deliveries: Any) -> None:
    two, three = (deliveries.spoiled(deliveries.interactions(), "user_id", None, rows) for rows in (2, 3))
    assert check(two, deliveries).passed
    stopped = check(three, deliveries)
    assert not stopped.passed
    assert stopped.stops == ("user id is missing in 30.0% of 10 rows; at most 20% may be",)
    assert stopped.failed_rows.height == 3


@pytest.mark.parametrize(
    ("column", "value", "rows", "reason"),
    [
        ("price", 0.0, 1, "price is 0"),
        ("price", None, 1, "price of a purchase is missing"),
        ("quantity", 1001, 1, "quantity is above 1,000"),
        ("timestamp", datetime(1994, 12, 31, tzinfo=UTC), 2, "timestamp lies before 1995"),
    ],
)
def test_an_odd_row_passes_and_is_counted(deliveries: Any, column: str, value: Any, rows: int, reason: str) -> None:
    priced = deliveries.interactions().with_columns(price=pl.lit(5.0))
    frame = deliveries.spoiled(priced, column, value, rows)
    tally = tallied(frame, deliveries)
    assert [(one.reason, one.failed, one.severity) for one in tally.checks if one.failed] == [(reason, rows, "warning")]
    assert check(frame, deliveries).failed_rows.is_empty()


def test_positions_are_not_held_to_a_shop_of_this_century(deliveries: Any) -> None:
    early = deliveries.interactions().with_columns(timestamp=pl.lit(datetime(1970, 1, 2, tzinfo=UTC)))
    assert "timestamp lies before 1995" in {one.reason for one in tallied(early, deliveries).checks if one.failed}
    assert "timestamp lies before 1995" not in {one.reason for one in tallied(early, deliveries, timed=False).checks}


def test_a_source_without_prices_is_not_told_of_it(deliveries: Any) -> None:
    tally = tallied(deliveries.interactions().with_columns(price=pl.lit(None, pl.Float64)), deliveries)
    assert [(one.reason, one.failed, one.total, one.told) for one in tally.checks if one.failed] == [
        ("price of a purchase is missing", 5, 5, False)
    ]


def tallied(frame: pl.DataFrame, deliveries: Any, *, timed: bool = True) -> Tally:
    suite = interactions.suite(latest=deliveries.now, events=["rating", "purchase"], max_bad_share=0.2, duplicates=False, timed=timed)
    tally = Tally("interactions")
    tally.add(check_rows(frame, suite, "orders.csv"), frame["sequence"])
    return tally


def test_every_event_of_the_schema_can_be_asked_for(deliveries: Any) -> None:
    suite = interactions.suite(latest=deliveries.now, events=EVENTS, max_bad_share=0, duplicates=False)
    frame = deliveries.spoiled(deliveries.interactions(), "event", "cart")
    assert validate(frame, suite, name="orders.csv", docs=None).passed


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_outside_its_range_is_refused(deliveries: Any, share: float) -> None:
    with pytest.raises(ValueError, match="max_bad_share"):
        interactions.suite(latest=deliveries.now, events=EVENTS, max_bad_share=share, duplicates=False)
