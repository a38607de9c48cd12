"""Which columns a file must have, and which of them it lacks."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import polars as pl

from outfitter.datasets.base import SourceFile
from outfitter.errors import SourceError

SEQUENCE = "sequence"
LISTED = 20  # names of columns that a message shows


def check_columns(file: SourceFile, names: Sequence[str], columns: Sequence[str], what: str = "column") -> None:
    """Raises SourceError when one of ``columns`` is not among ``names``, or would be taken for the number of the row."""
    if SEQUENCE in columns:
        raise SourceError(f"{file.name}: the {what} name {SEQUENCE!r} is taken by the row number", f"Rename that {what}")
    missing = [column for column in columns if column not in names]
    if not missing:
        return
    near = difflib.get_close_matches(missing[0], names, n=1)
    listed = ", ".join(repr(name) for name in names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    raise SourceError(
        f"{file.name} lacks {what}{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}; it has {listed}",
        f"Did you mean {near[0]!r}? Rename it to {missing[0]!r}" if near else "Check that it is the right file of the right source",
    )


def numbered(rows: pl.DataFrame, columns: Sequence[str], optional: Sequence[str], before: int) -> pl.DataFrame:
    """``columns``, ``optional`` (null when absent) and ``sequence``: the 1-based row, Int64, where ``before`` rows came first."""
    absent = [pl.lit(None, dtype=pl.String).alias(name) for name in optional if name not in rows.columns]
    number = pl.int_range(before + 1, before + 1 + pl.len(), dtype=pl.Int64).alias(SEQUENCE)
    return rows.with_columns(*absent, number).select(*dict.fromkeys([*columns, *optional]), SEQUENCE)


def no_rows(file: SourceFile, beside: str) -> SourceError:
    return SourceError(f"{file.name} has {beside} but no rows", "Deliver it again, or leave it out")


def first_line(error: Exception) -> str:
    """What an exception says, short enough to be part of a sentence."""
    return (str(error).splitlines() or ["no details"])[0].rstrip(".")
