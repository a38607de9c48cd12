"""Strict reading: a file either is what it is said to be, or one SourceError says where it is not and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import polars as pl

from outfitter.datasets import csv_checks
from outfitter.datasets.base import SourceFile
from outfitter.datasets.cells import Cells, Part
from outfitter.errors import SourceError

__all__ = ["Cells", "Part", "read_csv", "read_parquet"]

SEQUENCE = "sequence"


def read_csv(file: SourceFile, columns: Sequence[str], separator: str = ",") -> pl.DataFrame:
    """The data rows of ``file``: every column String (an empty cell is null), and ``sequence``, the 1-based data row, Int64.

    ``columns`` must be in the header; others may be. A byte order mark, blank lines at the end and CRLF are tolerated. Raises
    SourceError when the file is missing, empty, not UTF-8, holds a NUL byte, lacks a column, names one twice, is separated by
    something else, or has a row that does not fit its header.
    """
    with _readable(file):
        counts = csv_checks.census(file, separator)
        names = csv_checks.header(file, separator)
        _check_header(file, names, columns, separator)
        rows = _parse(file, separator, names)
        if counts.quotes:
            rows = rows.with_columns(pl.all().replace("", None))  # an empty cell in quotes
        rows = rows.head(max(rows.height - counts.blank, 0))
        if _may_be_ragged(rows, counts) and (error := csv_checks.broken_row(file, separator, len(names))):
            raise error
    return _numbered(file, rows, columns)


def read_parquet(file: SourceFile, columns: Sequence[str]) -> pl.DataFrame:
    """The rows of ``file`` in their own dtypes, and ``sequence``, the 1-based row, Int64.

    Raises SourceError when the file is missing, empty, damaged or not Parquet, lacks one of ``columns``, or has no rows.
    """
    with _readable(file):
        rows = _decode(file)
        _check_columns(file, rows.columns, columns)
    return _numbered(file, rows, columns)


def _decode(file: SourceFile) -> pl.DataFrame:
    """With pyarrow: on a damaged file Polars' reader may panic or abort the whole process, where this one raises."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with file.path.open("rb") as stream:
        try:
            table = pq.ParquetFile(stream, page_checksum_verification=True).read()
            table.validate(full=True)  # text that is not UTF-8 would reach Polars unchecked
            rows = pl.from_arrow(pa.table(table.columns, names=table.column_names))  # the same of names and of field metadata
        except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
            told = f"{file.name} cannot be read as Parquet, it is cut short, damaged or something else: {_first_line(error)}"
            raise SourceError(told, "Deliver it again, whole") from error
    return rows if isinstance(rows, pl.DataFrame) else rows.to_frame()


@contextmanager
def _readable(file: SourceFile) -> Iterator[None]:
    """Turns what the file system says into SourceErrors."""
    if file.path.is_dir():
        raise SourceError(f"{file.name} is a folder, not a file", "Give the file itself")
    try:
        if file.path.stat().st_size == 0:
            raise SourceError(f"{file.name} is empty (0 bytes)", "Deliver it again: the export wrote nothing")
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{file.name} does not exist", "Check the source's folder") from error
    except OSError as error:
        raise SourceError(f"{file.name} cannot be read: {error.strerror or error}", "Check its permissions and the disk") from error


def _parse(file: SourceFile, separator: str, names: Sequence[str]) -> pl.DataFrame:
    try:
        rows = pl.read_csv(file.path, separator=separator, infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as error:
        found = csv_checks.broken_row(file, separator, len(names))
        raise found or SourceError(f"{file.name} is not a CSV file: {_first_line(error)}", csv_checks.QUOTING) from error
    if rows.width != len(names):
        raise SourceError(f"{file.name} has a header that can be read in two ways", csv_checks.QUOTING)
    rows.columns = list(names)
    return rows


def _may_be_ragged(rows: pl.DataFrame, counts: csv_checks.Census) -> bool:
    """Whether a row may not fit the header: Polars fills cells that lack with null and drops an empty one at the very end."""
    if counts.quotes:  # separators inside quotes count for nothing, and Polars mends some broken quoting in silence too
        return True
    return counts.ends_in_separator or counts.separators != (rows.height + 1) * (rows.width - 1)


def _check_header(file: SourceFile, names: Sequence[str], columns: Sequence[str], separator: str) -> None:
    if not names:
        raise SourceError(f"{file.name} is empty: it holds blank lines only", "Deliver it again: the export wrote nothing")
    if not set(columns) <= set(names):
        _check_separator(file, names, columns, separator)
    _check_columns(file, names, columns)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{file.name} names column {twice[0]!r} twice in its header", "Give every column its own name")


def _check_separator(file: SourceFile, names: Sequence[str], columns: Sequence[str], separator: str) -> None:
    for other in csv_checks.SEPARATORS.keys() - {separator}:
        found = csv_checks.header(file, other)
        if set(columns) <= set(found) or (len(names) == 1 < len(found) and set(columns) & set(found)):
            spoken = [csv_checks.SEPARATORS.get(mark, repr(mark)) for mark in (other, separator)]
            raise SourceError(
                f"{file.name} has its columns separated by {spoken[0]}, not by {spoken[1]}",
                f"Export it again with {spoken[1]} between the cells",
            )


def _check_columns(file: SourceFile, names: Sequence[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in names]
    if not missing:
        return
    near = difflib.get_close_matches(missing[0], names, n=1)
    listed = ", ".join(repr(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")
    raise SourceError(
        f"{file.name} lacks column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}; it has {listed}",
        f"Did you mean {near[0]!r}? Rename it to {missing[0]!r}" if near else "Check that it is the right file of the right source",
    )


def _numbered(file: SourceFile, rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    if rows.is_empty():
        raise SourceError(f"{file.name} has a header but no rows", "Deliver it again, or leave it out")
    if SEQUENCE in columns:
        raise SourceError(f"{file.name}: the column name {SEQUENCE!r} is taken by the row number", "Rename that column")
    rows = rows.drop(SEQUENCE, strict=False)
    return rows.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(SEQUENCE))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no details"])[0].rstrip(".")
