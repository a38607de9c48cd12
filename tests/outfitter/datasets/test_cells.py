"""Cells into values: what cannot be read is null and named, and a required column must hold something."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitter.datasets.base import SourceFile
from outfitter.datasets.reading import Cells
from outfitter.errors import SourceError
from outfitter.schema import INTERACTION_FRAME, REAL, STRING

FUZZ = settings(max_examples=150, deadline=None)
DAYS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z")


def cells(**columns: list[object]) -> Cells:
    frame = pl.DataFrame(columns, strict=False).with_row_index("sequence", offset=1).with_columns(pl.col("sequence").cast(pl.Int64))
    return Cells(frame, SourceFile(Path("orders.csv"), "orders.csv", "interactions"))


def test_cells_become_values_and_what_cannot_be_read_is_named() -> None:
    source = cells(
        who=[" 007 ", "", None, "8", "9"],
        day=["2021-10-11", "2021-10-11 10:00:00", "2021-10-11T10:00:00+0200", "31.31.2020", ""],
        cost=["1.5", "nan", "inf", "abc", " 2 "],
        n=["49.0", "49.5", "3000000000", "", "7"],
    )
    frame = source.frame(
        {
            "user_id": source.text("who"),
            "timestamp": source.moment("day", DAYS),
            "price": source.real("cost"),
            "value": source.real("cost"),  # the same column twice is named once
            "quantity": source.integer("n"),
            "event": source.literal("purchase", STRING),
        },
        INTERACTION_FRAME,
        ["user_id", "timestamp"],
    )
    assert frame.schema == dict(INTERACTION_FRAME)
    assert frame["user_id"].to_list() == ["007", None, None, "8", "9"]
    hours = [datetime(2021, 10, 11, hour, tzinfo=UTC) for hour in (0, 10, 8)]
    assert frame["timestamp"].to_list() == [*hours, None, None]
    assert frame["price"].to_list() == [1.5, None, None, None, 2.0]
    assert frame["quantity"].to_list() == [49, None, None, None, 7]
    assert frame["event"].to_list() == ["purchase"] * 5
    assert frame["sequence"].to_list() == [1, 2, 3, 4, 5]
    named = [None, "cost 'nan'; n '49.5'", "cost 'inf'; n '3000000000'", "day '31.31.2020'; cost 'abc'", None]
    assert frame["unreadable"].to_list() == named


def test_typed_columns_are_taken_as_they_are() -> None:
    source = cells(
        day=[datetime(2021, 10, 11, 5), None],
        ms=[1_633_910_400_000, -1],
        stars=[float("nan"), 4.0],
        who=[3, 4],
    )
    moment = source.moment("day", DAYS).values
    assert (moment.dtype, moment.to_list()) == (pl.Datetime("us", "UTC"), [datetime(2021, 10, 11, 5, tzinfo=UTC), None])
    assert source.epoch("ms", "ms").values.to_list() == [datetime(2021, 10, 11, tzinfo=UTC), None]
    assert source.real("stars").values.to_list() == [None, 4.0]
    assert source.text("who").values.to_list() == ["3", "4"]
    dated = Cells(pl.DataFrame({"day": [datetime(2021, 10, 11).date()], "sequence": [1]}), SourceFile(Path("x"), "x", "items"))
    assert dated.moment("day", DAYS).values.to_list() == [datetime(2021, 10, 11, tzinfo=UTC)]


def test_dates_that_python_cannot_hold_are_unreadable() -> None:
    assert cells(day=["+12345-01-01", "0000-01-01"]).moment("day", DAYS).values.to_list() == [None, None]
    far = pl.Series("day", [2**62, 0]).cast(pl.Datetime("ms"))
    frame = pl.DataFrame([far, pl.Series("sequence", [1, 2])])
    read = Cells(frame, SourceFile(Path("x"), "x", "items")).moment("day", DAYS)
    assert read.values.to_list() == [None, datetime(1970, 1, 1, tzinfo=UTC)]


def test_a_required_column_must_hold_something_readable() -> None:
    source = cells(item_id=["", " "], date=["", "xx"], ok=["a", None])
    with pytest.raises(SourceError, match=r"orders\.csv: column 'item_id' is empty in every row"):
        source.frame({"item_id": source.text("item_id")}, INTERACTION_FRAME, ["item_id"])
    message = r"none of the 1 values of column 'date' can be read as a date: first is 'xx' in row 2\. Expected e\.g\. 2021-10-11"
    with pytest.raises(SourceError, match=message):
        source.frame({"timestamp": source.moment("date", DAYS)}, INTERACTION_FRAME, ["timestamp"])
    assert source.frame({"item_id": source.text("ok")}, INTERACTION_FRAME, ["item_id"])["item_id"].to_list() == ["a", None]


def test_nested_columns_are_refused() -> None:
    with pytest.raises(SourceError, match=r"column 'who' holds List\(String\)"):
        cells(who=[["a"], ["b"]]).text("who")


@FUZZ
@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_any_text_is_read_or_named(texts: list[str]) -> None:
    source = cells(x=[*texts])
    frame = source.frame(
        {"timestamp": source.moment("x", DAYS), "price": source.real("x"), "quantity": source.integer("x")}, INTERACTION_FRAME, []
    )
    empty = source.text("x").values.is_null()
    read = frame["timestamp"].is_not_null() & frame["price"].is_not_null() & frame["quantity"].is_not_null()
    assert (empty | read | frame["unreadable"].is_not_null()).all()
    assert frame.filter(empty)["unreadable"].null_count() == empty.sum()
    assert frame["price"].is_finite().all()
    assert frame.schema["price"] == REAL
