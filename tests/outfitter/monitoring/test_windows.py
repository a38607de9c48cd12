"""The rows that a drift check compares: each as it was known when it happened."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from outfitter.features.asof import Windows
from outfitter.lake.snapshot import Snapshot
from outfitter.monitoring.windows import CATEGORICAL, NUMERICAL, reference_window, window_rows
from tests.outfitter.lake.frames import NOW, arrival, at, bought, filled, listed

SALES = ("purchase",)
EVENTS = bought(
    ("ann", "coat", -30, "view"),
    ("ann", "coat", -20, "purchase", 50.0, 2),
    ("bob", "coat", -12.5),
    ("ann", "hat", -10, "view"),
    ("ann", "hat", -10, "purchase", 20.0),
    ("ann", "stub", -3),
    ("bob", "hat", 0),
    ("bob", "hat", 1),
)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    goods = listed("coat", "hat", category="warm", colour="red", brand="ours")
    return filled(tmp_path, arrival("e", "events.csv", interactions=EVENTS), arrival("c", "items.csv", items=goods))


def test_a_window_ends_with_its_end_and_begins_after_its_beginning(snapshot: Snapshot) -> None:
    assert window_rows(snapshot, at(-20), at(0), SALES).height == 5
    assert window_rows(snapshot, at(-21), at(-1), SALES).height == 5
    assert window_rows(snapshot, at(1), at(9), SALES).is_empty()


def test_a_row_tells_what_was_known_then(snapshot: Snapshot) -> None:
    rows = window_rows(snapshot, at(-40), at(0), SALES)
    assert rows.columns == [*NUMERICAL, *CATEGORICAL]
    told = rows.select("event", "price", "quantity", "days_since_first_sale", "user_purchases_before", "category").rows()
    assert told == [
        ("view", 10.0, 1, None, 0, "warm"),
        ("purchase", 50.0, 2, 0, 0, "warm"),
        ("purchase", 10.0, 1, 7, 0, "warm"),
        ("view", 10.0, 1, 0, 1, "warm"),
        ("purchase", 20.0, 1, 0, 1, "warm"),
        ("purchase", 10.0, 1, 0, 2, None),
        ("purchase", 10.0, 1, 10, 1, "warm"),
    ]


def test_looking_is_no_sale(snapshot: Snapshot) -> None:
    """The coat was first looked at ten days before it was first sold."""
    row = window_rows(snapshot, at(-13), at(-12), SALES).row(0, named=True)
    assert (row["days_since_first_sale"], row["user_purchases_before"]) == (7, 0)
    assert window_rows(snapshot, at(-13), at(-12), ("view",)).row(0, named=True)["days_since_first_sale"] == 17


def test_later_rows_change_nothing(snapshot: Snapshot, tmp_path: Path) -> None:
    past = filled(
        tmp_path / "past",
        arrival("e", "events.csv", interactions=EVENTS.filter(EVENTS["timestamp"] <= at(-3))),
        arrival("c", "items.csv", items=listed("coat", "hat", category="warm", colour="red", brand="ours")),
    )
    assert window_rows(snapshot, at(-40), at(-3), SALES).equals(window_rows(past, at(-40), at(-3), SALES))


def test_weekdays_are_names_not_numbers(snapshot: Snapshot) -> None:
    """The first of March 2024 was a Friday, the fifth day of the week."""
    assert window_rows(snapshot, at(-1), at(0), SALES)["weekday"].to_list() == ["5"]


def test_the_reference_is_what_the_models_learnt_their_rows_from() -> None:
    windows = Windows.before(NOW, 28)
    assert reference_window(windows, 6) == (windows.test_from - timedelta(weeks=6), windows.test_from)
