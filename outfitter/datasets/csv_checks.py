"""What a CSV reader leaves unsaid: how many cells there ought to be, and which line is broken and how."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from outfitter.datasets.base import SourceFile
from outfitter.datasets.blocks import PIECE, Block
from outfitter.errors import SourceError

if TYPE_CHECKING:
    from _csv import Reader

HEADER = 1 << 20  # the longest header accepted, in bytes
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
QUOTING = "Quote a cell that holds a separator, a quote or a line break, and double the quotes inside it"
QUOTE, BREAK, RETURN = b'"\n\r'


@dataclass(frozen=True)
class Shape:
    """Counts over a block. ``strict``: each quote opens or closes a whole cell, or is one of two inside a quoted cell."""

    rows: int
    separators: int  # outside quotes
    strict: bool = True


def shape(body: bytes, separator: str, quoted: bool) -> Shape:
    """The shape of whole records."""
    view, mark = np.frombuffer(body, np.uint8), ord(separator)
    open_end = int(not body.endswith(b"\n"))
    if quoted and b'"' in body:
        return _quoted_shape(view, mark, open_end)
    breaks = separators = 0
    for start in range(0, len(view), PIECE):
        piece = view[start : start + PIECE]
        breaks += int(np.count_nonzero(piece == BREAK))
        separators += int(np.count_nonzero(piece == mark))
    return Shape(breaks + open_end, separators)


def _quoted_shape(view: np.ndarray, mark: int, open_end: int) -> Shape:
    quotes = np.flatnonzero(view == QUOTE)
    if quotes.size % 2 or not _strict(view, quotes, mark):
        return Shape(0, 0, strict=False)
    counts, odd = {BREAK: 0, mark: 0}, False
    for start in range(0, len(view), PIECE):
        piece = view[start : start + PIECE]
        inside = np.bitwise_xor.accumulate(piece == QUOTE) ^ odd
        for sign in counts:
            counts[sign] += int(np.count_nonzero((piece == sign) & ~inside))
        odd = bool(inside[-1])
    return Shape(counts[BREAK] + open_end, counts[mark])


def _strict(view: np.ndarray, quotes: np.ndarray, mark: int) -> bool:
    """Whether each opening quote follows a separator or line break, each closing one precedes one, or both are the two of a pair."""
    opening, closing = quotes[::2], quotes[1::2]
    pairs = closing[:-1] + 1 == opening[1:]
    before, after = view[opening[1:][~pairs] - 1], view[closing[:-1][~pairs] + 1]
    first = opening[0] == 0 or view[opening[0] - 1] in (mark, BREAK)
    last = closing[-1] == len(view) - 1 or view[closing[-1] + 1] in (mark, BREAK, RETURN)
    return bool(first and last and np.isin(before, (mark, BREAK)).all() and np.isin(after, (mark, BREAK, RETURN)).all())


def split_header(file: SourceFile, block: Block) -> tuple[bytes, Block]:
    """The first record of a file's first block that is not blank, empty when there is none, and the block without it.

    Raises SourceError when the record never ends or when lines end in carriage returns alone.
    """
    body, end = block.body, 0
    while end < len(body) and not body[:end].strip(b"\r\n"):
        end = _line_end(body, end)
    while body.count(b'"', 0, end) % 2 and end < len(body):
        end = _line_end(body, end)
    if end > HEADER:
        raise SourceError(f"{file.name} has no line break in its first {HEADER:,} bytes, so no header", "Check that it is a CSV file")
    if body.count(b'"', 0, end) % 2:
        raise SourceError(f"{file.name} has a header that cannot be read: a quote in it is never closed", QUOTING)
    header = body[:end].strip(b"\r\n")
    if b"\r" in header and b"\n" not in body:
        raise SourceError(f"{file.name} ends its lines with carriage returns alone", "Save it with line feeds (Unix or Windows)")
    if b"\r" in header.replace(b"\r\n", b""):
        raise SourceError(f"{file.name} has a header that can be read in two ways: it holds a carriage return", QUOTING)
    return header, Block(body[end:], block.line + body.count(b"\n", 0, end))


def _line_end(body: bytes, after: int) -> int:
    found = body.find(b"\n", after)
    return len(body) if found < 0 else found + 1


def cells(record: bytes, separator: str, quoted: bool = True) -> list[str]:
    """The cells of one record, stripped."""
    rows = _reader(io.StringIO(record.decode(), newline=""), separator, quoted, strict=False)
    return [cell.strip() for row in rows for cell in row]


def broken_row(file: SourceFile, block: Block, separator: str, width: int, quoted: bool) -> SourceError | None:
    """The first row of ``block`` that is not ``width`` cells or breaks the quoting, as the error to raise; None when there is none."""
    last: list[str] = [""]
    stream = io.TextIOWrapper(io.BytesIO(block.body), encoding="utf-8", newline="\n")
    rows = _reader(_remember(stream, last), separator, quoted, strict=True)
    read = 0
    try:
        for found in rows:
            if (found or width > 1) and len(found) != width:
                return _wrong_width(file, block.line + read, len(found), width)
            if quoted and rows.line_num == read + 1 and last[0].count('"') % 2:
                return SourceError(f"{file.name}, line {block.line + read:,}: a quote inside a cell that is not quoted", QUOTING)
            read = rows.line_num
    except csv.Error as error:
        return SourceError(f"{file.name}, line {block.line + read:,}: the quoting is broken ({error})", QUOTING)
    return None


def _reader(lines: Iterable[str], separator: str, quoted: bool, *, strict: bool) -> Reader:
    if quoted:
        return csv.reader(lines, delimiter=separator, strict=strict)
    return csv.reader(lines, delimiter=separator, strict=strict, quoting=csv.QUOTE_NONE)


def _remember(stream: Iterator[str], last: list[str]) -> Iterator[str]:
    """The lines, kept in ``last``; a carriage return inside one is data here, where the csv module would call it an error."""
    for line in stream:
        last[0] = line
        yield line.rstrip("\r\n").replace("\r", " ") + "\n"


def _wrong_width(file: SourceFile, line: int, found: int, width: int) -> SourceError:
    what = "is blank" if not found else f"has {found} cell{'' if found == 1 else 's'}, too {'few' if found < width else 'many'}"
    return SourceError(f"{file.name}, line {line:,} {what}: the header has {width}", f"Correct that line. {QUOTING}")
