"""A batch is stopped by a single bad list, and the summary that is judged counts exactly."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from expectations import recommendations
from expectations.runner import Validation, validate
from outfitter.schema import conform

K = 3


def lists(items: list[list[int]], scores: list[list[float | None]] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {"user_key": range(len(items)), "items": items, "scores": scores or [[3.0, 2.0, 2.0][: len(one)] for one in items]},
        schema={"user_key": pl.Int32(), "items": pl.List(pl.Int32()), "scores": pl.List(pl.Float32())},
    )


def summary(frame: pl.DataFrame, available: int = 8, repeats: bool = False) -> pl.DataFrame:
    seen = pl.DataFrame({"user_key": [0, 0], "item_key": [7, 7]}, schema={"user_key": pl.Int32(), "item_key": pl.Int32()})
    return recommendations.summary(frame, k=K, available=pl.Series(range(available), dtype=pl.Int32), seen=seen, repeats=repeats)


def check(frame: pl.DataFrame, *, repeats: bool = False, users: int = 2) -> Validation:
    suite = recommendations.suite(k=K, users=users, repeats=repeats)
    return validate(frame, suite, name="batch", docs=None, row_label="user_key")


GOOD = [[1, 2, 3], [4, 5, 6]]


def test_a_good_batch_passes() -> None:
    validation = check(summary(lists(GOOD)))
    assert validation.passed
    assert validation.failed_rows.is_empty()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("n_items", 4, "the list has more than 3 items"),
        ("n_missing", 1, "the list is shorter than it could be"),
        ("n_distinct", 2, "an item stands in the list twice"),
        ("n_unavailable", 1, "an item is not available"),
        ("n_seen", 1, "an item was bought before"),
        ("ordered", False, "scores are not in descending order"),
        ("finite", False, "a score is missing or not a finite number"),
        ("user_key", None, "user key is missing"),
    ],
)
def test_a_single_bad_list_stops_the_batch(column: str, value: Any, reason: str) -> None:
    good = conform(summary(lists(GOOD)), recommendations.SUMMARY)
    bad = good.with_columns(pl.Series(column, [value, good[column][1]], dtype=good.schema[column]))
    if column == "n_items":
        bad = bad.with_columns(n_distinct=pl.col("n_items"))
    validation = check(bad)
    assert validation.stops == (f"{reason} in 1 of 2 lists; none may be",)
    assert validation.failed_rows.get_column("position").to_list() == [0]


def test_the_number_of_users_must_be_the_expected_one_and_each_has_one_list() -> None:
    assert check(summary(lists(GOOD)), users=3).stops == ("the number of users is not 3: found 2",)
    twice = summary(lists(GOOD)).with_columns(user_key=pl.lit(1, pl.Int32))
    assert check(twice).stops == ("user has more than one list in 2 of 2 lists; none may be",)
    assert check(summary(lists(GOOD)).drop("finite")).stops == ("a column is missing: finite",)
    assert check(summary(lists([])), users=0).stops == ("there are no rows: found 0",)


def test_shorter_lists_and_repeats_pass_where_they_are_allowed() -> None:
    again = lists([[7, 2, 3], [4, 5, 6]])
    assert check(summary(again, repeats=True), repeats=True).passed
    assert check(summary(again)).stops == ("an item was bought before in 1 of 2 lists; none may be",)
    short = "the list is shorter than it could be in 1 of 2 lists; none may be"
    assert check(summary(lists([[1, 2], [4, 5, 6]]))).stops == (short,)


def test_a_list_may_be_short_only_for_the_user_who_has_had_the_rest() -> None:
    """Item 7 is one of three that may be shown, and user 0 has had it."""
    seen = pl.DataFrame({"user_key": [0], "item_key": [7]}, schema={"user_key": pl.Int32(), "item_key": pl.Int32()})
    three = pl.Series([1, 2, 7], dtype=pl.Int32)
    told = recommendations.summary(lists([[1, 2], [1, 2]]), k=K, available=three, seen=seen, repeats=False)
    assert told["n_missing"].to_list() == [0, 1]
    assert recommendations.summary(lists([[1, 2], [1, 2]]), k=K, available=three, seen=seen, repeats=True)["n_missing"].to_list() == [1, 1]


def test_the_summary_counts_exactly() -> None:
    frame = lists([[7, 7, 9], [], [1, 2]], [[1.0, 2.0, None], [], [float("inf"), 0.0]])
    told = summary(frame)
    assert dict(told.schema) == dict(recommendations.SUMMARY)
    assert told.rows() == [
        (0, 3, 2, 0, 1, 2, False, False),
        (1, 0, 0, 3, 0, 0, True, True),
        (2, 2, 2, 1, 0, 0, True, False),
    ]


def test_scores_must_be_as_many_as_items() -> None:
    assert summary(lists(GOOD, [[1.0], [3.0, 2.0, 1.0]])).get_column("finite").to_list() == [False, True]
