"""What a CSV reader leaves unsaid: which line is broken and how, found with bounded memory."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from outfitter.datasets.base import SourceFile
from outfitter.errors import SourceError

BLOCK = 1 << 20  # bytes read at a time, and the longest header line accepted
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
SIGNATURES = {
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or export the sheet as CSV",
    b"\x28\xb5\x2f\xfd": "a zstd archive: unpack it first",
    b"PAR1": "a Parquet file: give it a name and a source that say so",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
}
QUOTING = "Quote a cell that holds a separator, a quote or a line break, and double the quotes inside it"


@dataclass
class Census:
    """Counts over the whole file: ``blank`` is the number of empty lines at its end."""

    size: int = 0
    lines: int = 0
    returns: int = 0
    quotes: int = 0
    separators: int = 0
    blank: int = 0
    ends_in_separator: bool = False


def census(file: SourceFile, separator: str) -> Census:
    """Read ``file`` once, block by block. Raises SourceError at the first byte that is not UTF-8 text, and when it is empty."""
    decoder, counts, mark = codecs.getincrementaldecoder("utf-8")(), Census(), separator.encode()
    ends_in_return = False
    for block in _blocks(file.path):
        pending = len(decoder.getstate()[0])  # bytes of a character that the previous block cut in two
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            raise _not_utf8(file, counts, block, error.start - pending) from error
        if b"\0" in block:
            raise _null_byte(file, counts, block)
        counts.blank = _blank_at_end(block, counts.blank)
        counts.ends_in_separator = block.endswith(mark)
        ends_in_return = block.endswith(b"\r")  # a line of nothing else, which no newline ends
        counts.size += len(block)
        counts.lines += block.count(b"\n")
        counts.returns += block.count(b"\r")
        counts.quotes += block.count(b'"')
        counts.separators += block.count(mark)
    if decoder.getstate()[0]:
        raise _not_utf8(file, counts, b"", -len(decoder.getstate()[0]))
    if counts.returns and not counts.lines:
        raise SourceError(f"{file.name} ends its lines with carriage returns alone", "Save it with line feeds (Unix or Windows)")
    counts.blank = max(counts.blank + ends_in_return - 1, 0)  # the first line break ends the last row
    return counts


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


def _blank_at_end(block: bytes, before: int) -> int:
    """Newlines after the last byte that is not a line break, over this block and the ones before."""
    rest = block.rstrip(b"\r\n")
    return block[len(rest) :].count(b"\n") + (0 if rest else before)


def _not_utf8(file: SourceFile, counts: Census, block: bytes, at: int) -> SourceError:
    line = counts.lines + block[: max(at, 0)].count(b"\n") + 1
    return SourceError(
        f"{file.name} is not UTF-8 text: the byte at offset {counts.size + at:,} in line {line:,} cannot be decoded",
        _signature(file) or "Convert it to UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8",
    )


def _null_byte(file: SourceFile, counts: Census, block: bytes) -> SourceError:
    at = block.index(b"\0")
    line = counts.lines + block[:at].count(b"\n") + 1
    return SourceError(
        f"{file.name} holds a NUL byte at offset {counts.size + at:,} in line {line:,}: it is damaged or not text",
        _signature(file) or "Deliver it again; if it was written as UTF-16, save it as UTF-8",
    )


def _signature(file: SourceFile) -> str:
    with file.path.open("rb") as stream:
        start = stream.read(4)
    return next((f"It looks like {what}" for magic, what in SIGNATURES.items() if start.startswith(magic)), "")


def header(file: SourceFile, separator: str) -> list[str]:
    """The first record that is not blank, cells stripped; empty when there is none. Raises SourceError when it never ends."""
    with file.path.open("rb") as stream:
        start = stream.read(BLOCK)
    if len(start) == BLOCK and b"\n" not in start:
        raise SourceError(f"{file.name} has no line break in its first {BLOCK:,} bytes, so no header", "Check that it is a CSV file")
    text = start.decode("utf-8-sig", errors="ignore")  # checked before; only a character cut at the block's end is ignored
    try:
        record = next((cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if cells), [])
    except csv.Error as error:
        raise SourceError(f"{file.name} has a header that cannot be read: {error}", QUOTING) from error
    return [name.strip() for name in record]


def broken_row(file: SourceFile, separator: str, width: int) -> SourceError | None:
    """The first row that is not ``width`` cells or breaks the quoting, as the error to raise; None when there is none."""
    last: list[str] = [""]
    with file.path.open(encoding="utf-8-sig", newline="\n") as stream:
        rows = csv.reader(_remember(stream, last), delimiter=separator, strict=True)
        line = 1
        try:
            for cells in rows:
                if (cells or width > 1) and len(cells) != width and not _only_blank_follows(cells, rows):
                    return _wrong_width(file, line, len(cells), width)
                if rows.line_num == line and last[0].count('"') % 2:
                    return SourceError(f"{file.name}, line {line:,}: a quote inside a cell that is not quoted", QUOTING)
                line = rows.line_num + 1
        except csv.Error as error:
            return SourceError(f"{file.name}, line {line:,}: the quoting is broken ({error})", QUOTING)
    return None


def _remember(stream: Iterator[str], last: list[str]) -> Iterator[str]:
    """The lines, kept in ``last``; a carriage return inside one is data here, where the csv module would call it an error."""
    for line in stream:
        last[0] = line
        yield line.rstrip("\r\n").replace("\r", " ") + "\n"


def _only_blank_follows(cells: list[str], rows: Iterator[list[str]]) -> bool:
    return not cells and not any(rows)


def _wrong_width(file: SourceFile, line: int, found: int, width: int) -> SourceError:
    what = "is blank" if not found else f"has {found} cell{'' if found == 1 else 's'}, too {'few' if found < width else 'many'}"
    return SourceError(f"{file.name}, line {line:,} {what}: the header has {width}", f"Correct that line. {QUOTING}")
