"""From a Polars frame to the narrowest pandas frame that answers what a suite asks.

The library copies the whole frame for every expectation, several times, so width is what a validation costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

_NULLNESS = "expect_column_values_to_not_be_null"
_NAMES = "expect_table_columns_to_match_set"
_LOOKED_AT, _CATEGORIES = 10_000, 100  # text with few different values in its first rows is kept as codes


def for_pandas(frame: pl.DataFrame, suite: ExpectationSuite) -> pd.DataFrame:
    """``frame`` with what ``suite`` reads, rows numbered from 0.

    Columns that no expectation reads are left out, or empty where one asks which columns there are. Where only the presence of a value is
    asked, 1 stands for it. Numbers become float64: of others the library compares one value at a time, in Python. Pandas cannot tell a
    NaN from an absent number; as infinity it still fails every bound.
    """
    import pandas as pd

    read = _read(suite)
    kept = frame.columns if any(one.configuration.type == _NAMES for one in suite.expectations) else [n for n in frame.columns if n in read]
    columns = {name: _narrowed(frame[name], read.get(name, set())) for name in kept}
    return pd.DataFrame({name: column.to_pandas() for name, column in columns.items()}).copy()  # in one piece: each later copy is faster


def _narrowed(column: pl.Series, asked: set[str]) -> pl.Series:
    absent = column.null_count()
    if not asked or (absent == len(column) and column.dtype == pl.String):
        return pl.Series(column.name, [None], dtype=pl.Float32).new_from_index(0, len(column))
    if asked == {_NULLNESS}:
        return _presence(column, absent)
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(float("inf"))
    if column.dtype == pl.String and column.head(_LOOKED_AT).n_unique() <= _CATEGORIES:
        return column.cast(pl.Categorical)
    return column


def _presence(column: pl.Series, absent: int) -> pl.Series:
    """1 where there is a value; of one byte when there is one everywhere, for integers have no word for none."""
    if not absent:
        return pl.Series(column.name, [1], dtype=pl.Int8).new_from_index(0, len(column))
    there = pl.when(pl.col(column.name).is_not_null()).then(pl.lit(1, pl.Float32))
    return column.to_frame().select(there.alias(column.name)).to_series()


def _read(suite: ExpectationSuite) -> Mapping[str, set[str]]:
    """For each column that ``suite`` reads the types of the expectations that do."""
    read: dict[str, set[str]] = {}
    for one in suite.expectations:
        told = one.configuration
        for name, use in _columns(told.kwargs, told.type):
            read.setdefault(name, set()).add(use)
    return read


def _columns(kwargs: Mapping[str, Any], use: str) -> Iterable[tuple[str, str]]:
    yield from ((str(kwargs[key]), use) for key in ("column", "column_A", "column_B") if key in kwargs)
    if kwargs.get("row_condition"):
        yield str(kwargs["row_condition"]["column"]["name"]), "condition"
