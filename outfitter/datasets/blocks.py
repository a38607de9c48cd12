"""A text file as blocks of whole records: cut at line ends outside quotes, checked to be text, in memory bounded by the block."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal

import numpy as np

from outfitter.datasets.base import SourceFile
from outfitter.errors import SourceError

Encoding = Literal["utf-8", "latin-1"]
Stream = BufferedReader | gzip.GzipFile

PIECE = 1 << 20  # bytes looked at at a time: what fits a core's cache
RECORD = 16 << 20  # bytes after which a record that does not end is taken for broken quoting
GZIP, BOM = b"\x1f\x8b", b"\xef\xbb\xbf"
SIGNATURES = {
    GZIP: "a gzip archive in a gzip archive: unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or export the sheet as CSV",
    b"\x28\xb5\x2f\xfd": "a zstd archive: unpack it first",
    b"PAR1": "a Parquet file: give it a name and a source that say so",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
}


@dataclass(frozen=True)
class Block:
    """Whole records as UTF-8, without the blank lines at the file's end. ``line`` is the 1-based line that it begins in."""

    body: bytes
    line: int


@contextmanager
def readable(file: SourceFile) -> Iterator[None]:
    """Turns what the file system and gzip say into SourceErrors."""
    if file.path.is_dir():
        raise SourceError(f"{file.name} is a folder, not a file", "Give the file itself")
    try:
        if file.path.stat().st_size == 0:
            raise SourceError(f"{file.name} is empty (0 bytes)", "Deliver it again: the export wrote nothing")
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{file.name} does not exist", "Check the source's folder") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{file.name} is a gzip archive that is damaged or cut short: {error}", "Deliver it again, whole") from error
    except OSError as error:
        raise SourceError(f"{file.name} cannot be read: {error.strerror or error}", "Check its permissions and the disk") from error


def blocks(file: SourceFile, block_bytes: int, *, quoted: bool, encoding: Encoding = "utf-8") -> Iterator[Block]:
    """The file, unpacked where it is gzip, in blocks of about ``block_bytes`` (at least one record each), a byte order mark left out.

    With ``quoted`` a line break inside quotes ends no record. Raises SourceError at the first byte that is not text of this encoding,
    at a NUL byte, and at a record of more than RECORD bytes.
    """
    with readable(file), _opened(file.path) as stream:
        offset, start = _skip_mark(stream), b""
        for block in _cut(file, stream, block_bytes, quoted):
            start = start or block.body[:4]
            if encoding == "utf-8":
                _check_text(file, block, offset, start)
            elif b"\0" in block.body:
                raise _null_byte(file, block, offset, start)
            yield block if encoding == "utf-8" else Block(block.body.decode(encoding).encode(), block.line)
            offset += len(block.body)


def _opened(path: Path) -> Stream:
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")


def _skip_mark(stream: Stream) -> int:
    """Go past a byte order mark; the bytes gone past."""
    return len(stream.read(len(BOM))) if stream.peek(len(BOM)).startswith(BOM) else 0


def _cut(file: SourceFile, stream: Stream, block_bytes: int, quoted: bool) -> Iterator[Block]:
    """Blocks that end where a record does and join to the whole file but for the blank lines at its end."""
    held, line, more = b"", 1, True  # held: the record that the blocks so far leave unfinished, and blank lines before it
    while more:
        wanted = max(block_bytes - len(held), len(held), 1)
        fresh = stream.read(wanted)
        more = len(fresh) == wanted
        end = _last_record_end(held, fresh, quoted) if more else len(fresh)
        body, rest = b"".join([held, memoryview(fresh)[:end]]), fresh[end:]
        whole = _without_blank_lines(body) if end or not more else 0
        if whole < len(body):
            body, rest = body[:whole], body[whole:] + rest
        held = rest
        if body:
            yield Block(body, line)
            line += _breaks(body)
        elif more and len(held) > max(block_bytes, RECORD):
            raise _endless(file, line, quoted and b'"' in held)


def _without_blank_lines(body: bytes) -> int:
    """Where the last record ends, its own line break included: the blank lines after it may be those of the file's end."""
    stop = len(body)
    while stop and body[stop - 1] in b"\r\n":
        stop -= 1
    line_break = body.find(b"\n", stop)
    return 0 if stop == 0 else len(body) if line_break < 0 else line_break + 1


def _last_record_end(held: bytes, fresh: bytes, quoted: bool) -> int:
    """In ``fresh``, after the last line break with an even number of quotes before it; 0 when there is none."""
    odd = quoted and held.count(b'"') % 2
    if not odd and not (quoted and b'"' in fresh):
        return fresh.rfind(b"\n") + 1
    view, end = np.frombuffer(fresh, np.uint8), 0
    for start in range(0, len(fresh), PIECE):
        piece = view[start : start + PIECE]
        quotes, breaks = np.flatnonzero(piece == ord('"')), np.flatnonzero(piece == ord("\n"))
        outside = breaks[(np.searchsorted(quotes, breaks) + odd) % 2 == 0]
        end = start + int(outside[-1]) + 1 if outside.size else end
        odd = (odd + quotes.size) % 2
    return end


def _breaks(body: bytes) -> int:
    view = np.frombuffer(body, np.uint8)
    return sum(int(np.count_nonzero(view[at : at + PIECE] == ord("\n"))) for at in range(0, len(view), PIECE))


def _endless(file: SourceFile, line: int, quotes: bool) -> SourceError:
    why = "a quote in it is never closed" if quotes else "it has no line break"
    told = f"{file.name}, line {line:,}: the row that begins here does not end within {RECORD >> 20} MiB, as if {why}"
    return SourceError(told, "Check that line, and that it is the right file")


def _check_text(file: SourceFile, block: Block, offset: int, start: bytes) -> None:
    null = block.body.find(b"\0")
    text = block.body if null < 0 else block.body[:null]
    if not text.isascii() and (bad := _undecodable(text)) is not None:
        raise _not_utf8(file, block, bad, offset, start)
    if null >= 0:
        raise _null_byte(file, block, offset, start)


def _undecodable(body: bytes) -> int | None:
    """Where the first byte lies that is not UTF-8; decoded piece by piece, as text takes up to four times the room."""
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(body)
    for at in range(0, len(body), PIECE):
        pending = len(decoder.getstate()[0])  # bytes of a character that the pieces cut in two
        try:
            decoder.decode(view[at : at + PIECE], final=at + PIECE >= len(body))
        except UnicodeDecodeError as error:
            return at + error.start - pending
    return None


def _not_utf8(file: SourceFile, block: Block, at: int, offset: int, start: bytes) -> SourceError:
    told = f"{file.name} is not UTF-8 text: the byte {_place(block, at, offset)} cannot be decoded"
    return SourceError(told, _signature(start) or "Convert it to UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8")


def _null_byte(file: SourceFile, block: Block, offset: int, start: bytes) -> SourceError:
    told = f"{file.name} holds a NUL byte {_place(block, block.body.index(0), offset)}: it is damaged or not text"
    return SourceError(told, _signature(start) or "Deliver it again; if it was written as UTF-16, save it as UTF-8")


def _place(block: Block, at: int, offset: int) -> str:
    return f"at offset {offset + at:,} in line {block.line + block.body.count(10, 0, at):,}"


def _signature(start: bytes) -> str:
    return next((f"It looks like {what}" for magic, what in SIGNATURES.items() if start.startswith(magic)), "")
