"""CSV and plain lines, block by block, strictly: a row that does not fit is an error that names its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import polars as pl

from outfitter.datasets import csv_checks
from outfitter.datasets.base import BLOCK_BYTES, SourceFile
from outfitter.datasets.blocks import Block, Encoding, blocks
from outfitter.datasets.columns import check_columns, first_line, no_rows, numbered
from outfitter.errors import SourceError

UNIT = "\x1f"  # ASCII's own separator: stands in for one of several characters


@dataclass(frozen=True)
class _Layout:
    """How one file is written."""

    file: SourceFile
    names: Sequence[str]
    separator: str
    quoted: bool

    @property
    def mark(self) -> str:
        """The one character that separates cells once ``_united`` has run."""
        return self.separator if len(self.separator) == 1 else UNIT


def read_csv(
    file: SourceFile,
    columns: Sequence[str],
    separator: str = ",",
    *,
    optional: Sequence[str] = (),
    names: Sequence[str] | None = None,
    quoted: bool = True,
    encoding: Encoding = "utf-8",
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[pl.DataFrame]:
    """The data rows of ``file``, a frame a block: ``columns`` and ``optional`` as String (an empty cell is null), and ``sequence``, the
    1-based data row, Int64, which counts on through the blocks.

    ``columns`` must be in the header, ``optional`` may be (else they are null), others are passed over. ``names`` are the columns of a
    file without a header. ``quoted``: whether quotes enclose cells, or are characters like any other. A ``separator`` of several
    characters needs ``quoted=False``. gzip, a byte order mark, blank lines at the end and CRLF are tolerated. Raises SourceError
    when the file is missing, empty, not text of ``encoding``, holds a NUL byte, lacks a column, names one twice, is separated by
    something else, or has a row that does not fit its header; rows before the first that does not fit may have been yielded.
    """
    parts = blocks(file, block_bytes, quoted=quoted, encoding=encoding)
    first = next(parts, None)
    if first is None:
        raise SourceError(f"{file.name} is empty: it holds blank lines only", "Deliver it again: the export wrote nothing")
    layout, read = _Layout(file, names or (), separator, quoted), 0
    if names is None:
        header, first = csv_checks.split_header(file, first)
        layout = replace(layout, names=_header(layout, header, columns))
    for block in chain([first], parts):
        if block.body:
            rows = _rows(layout, block)
            yield numbered(rows, columns, optional, read)
            read += rows.height
    if not read:
        raise no_rows(file, "a header")


def read_lines(file: SourceFile, *, encoding: Encoding = "utf-8", block_bytes: int = BLOCK_BYTES) -> Iterator[pl.DataFrame]:
    """The lines of ``file``, a frame a block: ``line``, stripped, null when blank, and ``sequence``, the 1-based line, Int64.

    Raises SourceError when the file is missing, empty, not text of ``encoding`` or holds a NUL byte.
    """
    read = 0
    for block in blocks(file, block_bytes, quoted=False, encoding=encoding):
        text = pl.Series("line", [block.body.decode().removesuffix("\n")]).str.split("\n").explode().str.strip_chars()
        lines = pl.DataFrame(text).with_columns(pl.when(pl.col("line") != "").then(pl.col("line")))
        yield numbered(lines, ["line"], (), read)
        read += lines.height
    if not read:
        raise no_rows(file, "blank lines")


def _header(layout: _Layout, record: bytes, columns: Sequence[str]) -> list[str]:
    """The names of the columns. Raises SourceError when they are not those asked for."""
    file, names = layout.file, csv_checks.cells(_united(record, layout.separator), layout.mark, layout.quoted)
    if not set(columns) <= set(names):
        _check_separator(layout, record, names, columns)
    check_columns(file, names, columns)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{file.name} names column {twice[0]!r} twice in its header", "Give every column its own name")
    return names


def _check_separator(layout: _Layout, record: bytes, names: Sequence[str], columns: Sequence[str]) -> None:
    for other in csv_checks.SEPARATORS.keys() - {layout.separator}:
        found = csv_checks.cells(record, other, layout.quoted)
        if set(columns) <= set(found) or (len(names) == 1 < len(found) and set(columns) & set(found)):
            spoken = [csv_checks.SEPARATORS.get(mark, repr(mark)) for mark in (other, layout.separator)]
            raise SourceError(
                f"{layout.file.name} has its columns separated by {spoken[0]}, not by {spoken[1]}",
                f"Export it again with {spoken[1]} between the cells",
            )


def _rows(layout: _Layout, block: Block) -> pl.DataFrame:
    """The rows of one block. Raises SourceError when one of them does not fit ``layout``."""
    block = replace(block, body=_united(block.body, layout.separator))
    expected = csv_checks.shape(block.body, layout.mark, layout.quoted)
    rows = _parse(layout, block)
    if layout.quoted and b'"' in block.body:
        rows = rows.with_columns(pl.when(pl.all() != "").then(pl.all()))  # an empty cell in quotes
    fits = expected.strict and expected.separators == expected.rows * (len(layout.names) - 1)
    # Polars fills cells that lack with null, drops an empty one at the very end, and mends some broken quoting, all in silence.
    if not fits or block.body.endswith(layout.mark.encode()):
        if error := _broken_row(layout, block):
            raise error
    elif rows.height != expected.rows:
        raise _unclear(layout, block)
    return rows


def _parse(layout: _Layout, block: Block) -> pl.DataFrame:
    """With a header of our own, without which Polars passes over blank lines at the start."""
    header = layout.mark.join(str(place) for place in range(len(layout.names))) + "\n"
    quote = '"' if layout.quoted else None
    try:
        rows = pl.read_csv(b"".join([header.encode(), block.body]), separator=layout.mark, quote_char=quote, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise _broken_row(layout, block) or _unclear(layout, block, first_line(error)) from error
    rows.columns = list(layout.names)
    return rows


def _broken_row(layout: _Layout, block: Block) -> SourceError | None:
    return csv_checks.broken_row(layout.file, block, layout.mark, len(layout.names), layout.quoted)


def _unclear(layout: _Layout, block: Block, why: str = "it can be read in two ways") -> SourceError:
    last = block.line + block.body.count(b"\n")
    return SourceError(f"{layout.file.name}, lines {block.line:,} to {last:,} are not CSV: {why}", csv_checks.QUOTING)


def _united(body: bytes, separator: str) -> bytes:
    return body if len(separator) == 1 else body.replace(separator.encode(), UNIT.encode())
