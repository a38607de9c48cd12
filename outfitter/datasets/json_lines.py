"""JSON lines, block by block: one object a line, every value asked for as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import polars as pl

from outfitter.datasets.base import BLOCK_BYTES, SourceFile
from outfitter.datasets.blocks import Block, blocks
from outfitter.datasets.columns import check_columns, first_line, no_rows, numbered
from outfitter.errors import SourceError

ONE_A_LINE = "Write one JSON object a line, with every line break inside a text as \\n"


def read_json_lines(
    file: SourceFile, columns: Sequence[str], *, optional: Sequence[str] = (), block_bytes: int = BLOCK_BYTES
) -> Iterator[pl.DataFrame]:
    """The objects of ``file``, a frame a block: ``columns`` and ``optional`` as String, and ``sequence``, the 1-based object, Int64.

    Texts are as they are, numbers and true and false as JSON spells them, lists and objects as their JSON, null and a missing key are
    null; keys not asked for are passed over, and so are blank lines. gzip is unpacked. Each of ``columns`` must occur in the first
    block. Raises SourceError, naming the line, when the file is missing, empty, not UTF-8, or holds a line that is no JSON object.
    """
    wanted = list(dict.fromkeys([*columns, *optional]))
    read = 0
    for block in blocks(file, block_bytes, quoted=False):
        rows = _decode(file, block, wanted)
        if not read:
            _check_first(file, block, rows, columns)
        yield numbered(rows, columns, optional, read)
        read += rows.height
    if not read:
        raise no_rows(file, "blank lines")


def _decode(file: SourceFile, block: Block, wanted: Sequence[str]) -> pl.DataFrame:
    try:
        rows = pl.read_ndjson(block.body, schema=dict.fromkeys(wanted, pl.String()))
    except pl.exceptions.PolarsError as error:
        raise _broken_line(file, block) or _unclear(file, block, first_line(error)) from error
    if rows.height != block.body.count(b"\n") + (not block.body.endswith(b"\n")):  # blank lines, or Polars has lost count
        objects = sum(1 for text in block.body.split(b"\n") if text.strip())
        if rows.height != objects:
            raise _unclear(file, block, f"they hold {objects:,} objects, and {rows.height:,} can be read")
    return rows


def _unclear(file: SourceFile, block: Block, why: str) -> SourceError:
    last = block.line + block.body.count(b"\n")
    return SourceError(f"{file.name}, lines {block.line:,} to {last:,} are not JSON lines: {why}", ONE_A_LINE)


def _broken_line(file: SourceFile, block: Block) -> SourceError | None:
    for line, text in enumerate(block.body.split(b"\n"), start=block.line):
        try:
            found = json.loads(text) if text.strip() else {}
        except (ValueError, RecursionError) as error:
            return SourceError(f"{file.name}, line {line:,} is not JSON: {first_line(error)}", ONE_A_LINE)
        if not isinstance(found, dict):
            return SourceError(f"{file.name}, line {line:,} holds {type(found).__name__}, not a JSON object", ONE_A_LINE)
    return None


def _check_first(file: SourceFile, block: Block, rows: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raises SourceError when a key of ``columns`` occurs in no object, naming those that the first one has."""
    absent = [name for name in columns if rows[name].null_count() == rows.height]
    if absent:
        first = next(text for text in block.body.split(b"\n") if text.strip())
        check_columns(file, [name for name in json.loads(first) if name not in absent], absent, "key")
