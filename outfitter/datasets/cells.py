"""Cells into values: what cannot be read becomes null and is named, row by row, in ``unreadable``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from outfitter.datasets.base import SourceFile
from outfitter.errors import SourceError
from outfitter.schema import LONG, REAL, STRING, UTC_TIME, Schema, conform

LAST_SECOND = 253_402_300_799  # the year 9999 ends: what Python can hold as a datetime
SHOWN = 60  # characters of an unreadable cell that are quoted
PLAIN = (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Date, pl.Datetime, pl.Null)


@dataclass(frozen=True)
class Part:
    """Values for one canonical column.

    ``raw`` is the source's text, null where the cell is empty, so a null value beside a raw text is an unreadable cell.
    ``column`` is the source's name, None for a constant; ``kind`` and ``example`` are words for messages.
    """

    values: pl.Series
    raw: pl.Series
    column: str | None = None
    kind: str = "text"
    example: str = ""


class Cells:
    """Reads the columns of one block of a source file: ``frame`` has ``sequence``, as the readers give it."""

    def __init__(self, frame: pl.DataFrame, file: SourceFile) -> None:
        self._rows = frame
        self._file = file

    def text(self, column: str) -> Part:
        """Stripped strings, an empty one is null. Raises SourceError when the column holds lists, bytes or the like."""
        raw = self._raw(column)
        return Part(raw, raw, column)

    def real(self, column: str) -> Part:
        """Float64; NaN and infinities are unreadable."""
        raw = self._raw(column)
        source = self._rows[column] if self._rows[column].dtype.is_numeric() else raw
        number = source.cast(REAL, strict=False)
        return Part(_where(number.is_finite(), number), raw, column, "a number", "12.50")

    def integer(self, column: str) -> Part:
        """Int64; 49.0 is 49 (what a spreadsheet makes of whole numbers beside empty cells), 49.5 is unreadable."""
        raw = self._raw(column)
        source = self._rows[column]
        number = (source if source.dtype.is_integer() else raw.str.replace(r"\.0*$", "")).cast(LONG, strict=False)
        return Part(number, raw, column, "a whole number", "12")

    def moment(self, column: str, formats: Sequence[str]) -> Part:
        """UTC microseconds from text in one of ``formats`` (strptime; tried in order), dates or datetimes; naive means UTC."""
        raw, source = self._raw(column), self._rows[column]
        if source.dtype in (pl.Date, pl.Datetime):
            when = _utc(source)
        else:
            when = _parsed(raw, formats[0])
            for later in formats[1:]:
                if when.null_count() > raw.null_count():
                    when = when.zip_with(when.is_not_null(), _parsed(raw, later))
        return Part(when, raw, column, "a date", datetime(2021, 10, 11, tzinfo=UTC).strftime(formats[0]))

    def epoch(self, column: str, unit: Literal["s", "ms"]) -> Part:
        """UTC microseconds from whole seconds or milliseconds since 1970."""
        count = self.integer(column)
        scale = 1_000_000 if unit == "s" else 1_000
        last = LAST_SECOND * 1_000_000 // scale
        when = (_where(count.values.is_between(0, last), count.values) * scale).cast(UTC_TIME)
        return Part(when, count.raw, column, f"a time in {unit} since 1970", str(1_633_910_400 * (1_000_000 // scale)))

    def literal(self, value: object, dtype: pl.DataType) -> Part:
        """``value`` in every row."""
        values = pl.Series([value], dtype=dtype).new_from_index(0, self._rows.height)
        return Part(values, pl.Series([None], dtype=STRING).new_from_index(0, self._rows.height))

    def given(self, column: str, values: pl.Series, kind: str, example: str = "", failed: pl.Series | None = None) -> Part:
        """``values`` that an adapter computed from ``column``.

        Unreadable is where they are null beside a cell with text; with ``failed`` (Boolean), only where that is true too.
        """
        raw = self._raw(column)
        return Part(values, raw if failed is None else _where(failed, raw), column, kind, example)

    def derived(self, values: pl.Series) -> Part:
        """``values`` that an adapter computed and that cannot fail: null means absent."""
        return Part(values, values)

    def frame(self, parts: Mapping[str, Part], schema: Schema, required: Sequence[str]) -> pl.DataFrame:
        """A frame of ``schema`` with ``sequence`` and ``unreadable``; what ``parts`` does not name is null.

        ``required`` names keys of ``parts``. Raises SourceError when one of them is empty, or unreadable, in every row of a file's first
        block (the one with ``sequence`` 1): then the file is not what it is said to be, while in a later block only its rows are bad.
        """
        values = {name: part.values.cast(schema[name], strict=False).alias(name) for name, part in parts.items()}
        if self._rows.height and self._rows["sequence"][0] == 1:
            for name in required:
                self._check_required(parts[name], values[name])
        bad: dict[str, pl.Series] = {}
        for name, part in parts.items():
            if part.column is not None:
                failed = values[name].is_null() & part.raw.is_not_null()
                bad[part.column] = failed | bad[part.column] if part.column in bad else failed
        read = pl.DataFrame([*values.values(), self._rows["sequence"]])
        return conform(read.with_columns(self._unreadable(bad)), schema)

    def _raw(self, column: str) -> pl.Series:
        source = self._rows[column]
        if not (source.dtype.is_numeric() or isinstance(source.dtype, PLAIN)):
            raise SourceError(
                f"{self._file.name}: column {column!r} holds {source.dtype}, not plain values",
                "Export it as text, numbers or dates",
            )
        text = _spelled(source).str.strip_chars()
        return _where(text != "", text)

    def _check_required(self, part: Part, values: pl.Series) -> None:
        if values.null_count() == len(values):
            raise self._all_empty(part) if part.raw.null_count() == len(values) else self._all_unreadable(part)

    def _all_empty(self, part: Part) -> SourceError:
        return SourceError(f"{self._file.name}: column {part.column!r} is empty in every row", "Check the export")

    def _all_unreadable(self, part: Part) -> SourceError:
        row = int((part.raw.is_not_null()).arg_max() or 0)
        count = len(part.raw) - part.raw.null_count()
        return SourceError(
            f"{self._file.name}: none of the {count:,} values of column {part.column!r} can be read as {part.kind}: "
            f"first is '{_short(str(part.raw[row]))}' in row {self._rows['sequence'][row]:,}",
            f"Expected e.g. {part.example}" if part.example else "Check the export",
        )

    def _unreadable(self, bad: Mapping[str, pl.Series]) -> pl.Series:
        """Null, or the failed cells of a row as text; strings are made only for the columns that have any."""
        named = [
            pl.when(failed).then(pl.format("{} '{}'", pl.lit(column), self._raw(column).str.head(SHOWN))).alias(str(place))
            for place, (column, failed) in enumerate(bad.items())
            if failed.any()
        ]
        if not named:
            return self.literal(None, STRING).values.alias("unreadable")
        text = pl.select(named).select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True).alias("unreadable"))["unreadable"]
        return _where(text != "", text)


def _where(keep: pl.Series, values: pl.Series) -> pl.Series:
    """``values`` with null where ``keep`` is false or null."""
    drop = ~keep.fill_null(False)
    return values.set(drop, None) if drop.any() else values


def _spelled(source: pl.Series) -> pl.Series:
    """As text; a date too far away to be written as one (Polars panics on it) as its count of days or ticks."""
    if source.dtype not in (pl.Date, pl.Datetime):
        return source.cast(STRING)
    text = _where(_holdable(source), source).cast(STRING)
    return text.zip_with(text.is_not_null(), source.to_physical().cast(STRING))


def _holdable(when: pl.Series) -> pl.Series:
    """Whether Python can hold it as a datetime, in any time zone."""
    return when.dt.year().is_between(2, 9998)


def _extremes(when: pl.Series) -> pl.Series:
    """The first and the last, as a series: Polars cannot hand out a moment that Python cannot hold."""
    frame = when.alias("when").to_frame()
    return pl.concat([frame.select(pl.col("when").min()), frame.select(pl.col("when").max())])["when"].drop_nulls()


def _parsed(raw: pl.Series, form: str) -> pl.Series:
    return _utc(raw.str.to_datetime(form, time_unit="us", strict=False))


def _utc(when: pl.Series) -> pl.Series:
    """Dates and datetimes of any unit as UTC microseconds; without a time zone they are UTC already."""
    if not _holdable(_extremes(when)).fill_null(False).all():
        when = _where(_holdable(when), when)
    when = when if isinstance(when.dtype, pl.Datetime) else when.cast(pl.Datetime("us"))
    zone = when.dtype.time_zone if isinstance(when.dtype, pl.Datetime) else None
    when = when.dt.convert_time_zone("UTC") if zone else when.dt.replace_time_zone("UTC")
    return when.dt.cast_time_unit("us")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
