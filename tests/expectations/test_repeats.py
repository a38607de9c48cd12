"""Repeats are found over all blocks, exactly, and the first row counts."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.repeats import REPEAT, Repeats

ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1.0, 2.0, None])), min_size=1, max_size=40)


def frame(rows: list[tuple[str | None, float | None]]) -> pl.DataFrame:
    told = pl.DataFrame(rows, schema={"id": pl.String, "price": pl.Float64}, orient="row")
    return told.with_columns(sequence=pl.int_range(101, 101 + pl.len(), dtype=pl.Int64))


def expected(rows: list[tuple[str | None, float | None]]) -> list[int | None]:
    """By the definition: the number of the first row alike, for every row after it that has an id."""
    firsts: dict[tuple[str | None, float | None], int] = {}
    found = []
    for number, row in enumerate(rows, start=101):
        first = firsts.setdefault(row, number)
        found.append(first if row[0] is not None and first != number else None)
    return found


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 12))
def test_a_repeat_names_the_first_row_alike_whatever_the_blocks(rows: list[tuple[str | None, float | None]], size: int) -> None:
    repeats, whole = Repeats(["id", "price"]), frame(rows)
    marked = pl.concat([repeats.mark(whole[at : at + size]) for at in range(0, len(rows), size)])
    assert marked[REPEAT].to_list() == expected(rows)
    assert marked.drop(REPEAT).equals(whole)


def test_an_empty_block_changes_nothing() -> None:
    repeats = Repeats(["id"])
    assert repeats.mark(frame([("a", 1.0)]))[REPEAT].to_list() == [None]
    assert repeats.mark(frame([("a", 1.0)]).clear())[REPEAT].to_list() == []
    assert repeats.mark(frame([("b", 1.0), ("a", 2.0)]).with_columns(sequence=pl.col("sequence") + 1))[REPEAT].to_list() == [None, 101]


def test_a_million_rows_that_differ_in_little_are_no_repeats() -> None:
    numbers = pl.DataFrame({"user": pl.int_range(1_000_000, eager=True) // 1_000, "item": pl.int_range(1_000_000, eager=True) % 1_000})
    rows = numbers.with_columns(pl.all().cast(pl.String), sequence=pl.int_range(pl.len(), dtype=pl.Int64))
    repeats = Repeats(["user", "item"])
    assert repeats.mark(rows[:600_000])[REPEAT].null_count() == 600_000
    assert repeats.mark(rows[600_000:])[REPEAT].null_count() == 400_000
    assert repeats.mark(rows.tail(3).with_columns(sequence=pl.col("sequence") + 3))[REPEAT].to_list() == [999_997, 999_998, 999_999]
