"""Strict reading: each way a file can be wrong gives one SourceError that names the place, and no file gives anything else."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outfitter.datasets.base import SourceFile
from outfitter.datasets.blocks import PIECE
from outfitter.datasets.csv_checks import HEADER
from outfitter.datasets.reading import read_csv, read_json_lines, read_parquet
from outfitter.errors import SourceError

Reader = Callable[..., Iterator[pl.DataFrame]]
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder: Path, content: bytes, name: str = "orders.csv") -> SourceFile:
    (folder / name).write_bytes(content)
    return SourceFile(folder / name, name, "interactions")


def whole(blocks: Iterator[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(blocks)


def test_a_csv_is_read_as_text_with_numbered_rows(tmp_path: Path) -> None:
    content = '\ufeffid;note;extra\r\n007;"two\nlines; and ""quotes""";x\r\n8;"";\r\n\r\n\n'.encode()
    rows = whole(read_csv(written(tmp_path, content), ["id", "note"], ";", optional=["extra", "more"]))
    assert rows.schema == {"id": pl.String, "note": pl.String, "extra": pl.String, "more": pl.String, "sequence": pl.Int64}
    assert rows.rows() == [("007", 'two\nlines; and "quotes"', "x", None, 1), ("8", None, None, None, 2)]


def test_a_source_column_called_sequence_gives_way_to_the_row_number(tmp_path: Path) -> None:
    file = written(tmp_path, b"a,sequence\n1,9\n")
    assert whole(read_csv(file, ["a"]))["sequence"].to_list() == [1]
    with pytest.raises(SourceError, match="taken by the row number"):
        whole(read_csv(file, ["a", "sequence"]))


BROKEN = {
    "no bytes": (b"", r"orders\.csv is empty \(0 bytes\)"),
    "blank lines": (b"\n\r\n\n", "blank lines only"),
    "header only": (b"item_id,price\n", "a header but no rows"),
    "header and blank lines": (b"item_id,price\n\n\n", "a header but no rows"),
    "header never ends": (b"x" * (HEADER + 1), "no line break in its first"),
    "header quote never closes": (b'item_id,"' + b"x" * 200_000 + b"\n1,2\n", "header that cannot be read"),
    "semicolons": (b"item_id;price\n1;2\n", "separated by a semicolon, not by a comma"),
    "tabs, one column gone": (b"item_id\tcost\n1\t2\n", "separated by a tab"),
    "bars": (b"item_id|price\n1|2\n", "separated by a vertical bar"),
    "missing column": (b"item_id,prize\n1,2\n", r"lacks column 'price'; it has 'item_id', 'prize'.*Did you mean 'prize'\?"),
    "two missing": (b"foo,bar\n1,2\n", r"lacks columns 'item_id', 'price'.*right file"),
    "duplicate name": (b"item_id,price,price\n1,2,3\n", "names column 'price' twice"),
    "latin-1": (b"item_id,price\n1,2\n2,caf\xe9\n", r"the byte at offset 23 in line 3 cannot be decoded.*iconv"),
    "cut character": (b"item_id,price\n1,\xc3", "not UTF-8 text: the byte at offset 16 in line 2"),
    "UTF-16": ("item_id,price\n1,2\n".encode("utf-16"), "UTF-16"),
    "gzip": (b"\x1f\x8b\x08\x00rest", "gzip archive that is damaged or cut short"),
    "zip": (b"PK\x03\x04\x00\x00", "spreadsheet"),
    "NUL": (b"item_id,price\n1,2\n3,\x00\n", r"NUL byte at offset 20 in line 3"),
    "too many cells": (b"item_id,price\n1,2\n1,2,3\n", "line 3 has 3 cells, too many: the header has 2"),
    "one empty cell too many at the very end": (b"item_id,price\n1,2\n1,2,", "line 3 has 3 cells, too many"),
    "too few cells": (b"item_id,price,c\n1,2,3\n1,2\n", "line 3 has 2 cells, too few: the header has 3"),
    "too few, among quotes": (b'item_id,price,c\n"1\n",2,\n1,2\n', "line 4 has 2 cells, too few"),
    "one too few, one too many": (b"item_id,price\n1\n1,2,", "line 2 has 1 cell, too few"),
    "blank line inside": (b"item_id,price\n1,2\n\n3,4\n", "line 3 is blank"),
    "quote never closed": (b'item_id,price\n1,2\n"3,4\n5,6\n', "line 3: the quoting is broken"),
    "cut inside quotes": (b'item_id,price\n1,"2""', "line 2: the quoting is broken"),
    "text after a quote": (b'item_id,price\n1,"2"x\n', "line 2: the quoting is broken"),
    "bare quote": (b'item_id,price\n5" heel,2\n6" heel,3\n', "line 2: a quote inside a cell"),
    "carriage return in the header": (b"item_id,price\rx,c\n1,2,3\n", "header that can be read in two ways"),
    "old Mac": (b"item_id,price\r1,2\r", "carriage returns alone"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_csv_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    with pytest.raises(SourceError, match=f"(?s){message}") as caught:
        whole(read_csv(written(tmp_path, content), ["item_id", "price"]))
    assert "orders.csv" in caught.value.message
    assert caught.value.hint


def test_a_bad_byte_is_placed_across_blocks(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,2\n" * (PIECE // 4 - 2) + b"1,2\xe2" + b"\x82\n"
    assert len(content) > PIECE == content.index(b"\xe2") + 1
    for size in (1000, PIECE, 2 * PIECE):
        with pytest.raises(SourceError, match=f"offset {PIECE - 1:,} in line {PIECE // 4:,} "):
            whole(read_csv(written(tmp_path, content), ["a"], block_bytes=size))


@pytest.mark.parametrize("read", [read_csv, read_parquet, read_json_lines])
def test_what_is_not_a_file_is_refused(tmp_path: Path, read: Reader) -> None:
    with pytest.raises(SourceError, match="gone does not exist"):
        whole(read(SourceFile(tmp_path / "gone", "gone", "items"), ["a"]))
    with pytest.raises(SourceError, match="is a folder, not a file"):
        whole(read(SourceFile(tmp_path, "orders", "items"), ["a"]))
    with pytest.raises(SourceError, match="empty"):
        whole(read(written(tmp_path, b""), ["a"]))


def test_an_input_error_of_the_system_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(SourceError, match=r"loop\.csv cannot be read: Too many levels"):
        whole(read_csv(SourceFile(tmp_path / "loop.csv", "loop.csv", "items"), ["a"]))


def attempt(read: Reader, file: SourceFile) -> pl.DataFrame | SourceError:
    try:
        return whole(read(file, ["a"], optional=["b"]))
    except SourceError as error:
        return error


def plain_csv(content: bytes) -> list[list[str]] | None:
    """What the csv module makes of the same bytes (carriage returns aside), None when it refuses them."""
    lines = [line.rstrip("\r\n") + "\n" for line in io.StringIO(content.decode("utf-8-sig"), newline="\n")]
    try:
        return [cells for cells in csv.reader(lines, strict=True) if cells]
    except csv.Error:
        return None


@FUZZ
@given(st.binary(max_size=60) | st.text(alphabet='ab,;"\n é', max_size=40).map(str.encode))
def test_any_bytes_are_a_frame_or_a_source_error(tmp_path: Path, content: bytes) -> None:
    rows = attempt(read_csv, written(tmp_path, b"a,b\n" + content))
    if isinstance(rows, SourceError):
        assert rows.hint
        return
    assert [[cell or "" for cell in row] for row in rows.drop("sequence").rows()] == (plain_csv(b"a,b\n" + content) or [])[1:]


@FUZZ
@given(st.lists(st.tuples(*[st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)] * 3), min_size=1))
def test_what_the_csv_module_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("a", "b", "c"), *rows])
    found = whole(read_csv(written(tmp_path, text.getvalue().encode()), ["a", "b", "c"]))
    assert found.drop("sequence").rows() == [tuple(cell or None for cell in row) for row in rows]


def parquet(folder: Path) -> bytes:
    pl.DataFrame({"a": ["x", "yy"] * 20, "b": range(40)}).write_parquet(folder / "good.parquet")
    return (folder / "good.parquet").read_bytes()


def test_parquet_keeps_its_dtypes(tmp_path: Path) -> None:
    rows = whole(read_parquet(written(tmp_path, parquet(tmp_path)), ["a", "b"]))
    assert rows.schema == {"a": pl.String, "b": pl.Int64, "sequence": pl.Int64}
    assert rows["sequence"].to_list() == list(range(1, 41))


def test_parquet_that_is_cut_short_foreign_or_lacking_is_refused(tmp_path: Path) -> None:
    good = parquet(tmp_path)
    for bad in (good[:-20], good[: len(good) // 2], b"a,b\n1,2\n"):
        with pytest.raises(SourceError, match=r"orders\.csv cannot be read as Parquet"):
            whole(read_parquet(written(tmp_path, bad), ["a"]))
    with pytest.raises(SourceError, match=r"lacks column 'aa'; it has 'a', 'b'"):
        whole(read_parquet(written(tmp_path, good), ["aa"]))
    pl.DataFrame({"a": []}).write_parquet(tmp_path / "none.parquet")
    with pytest.raises(SourceError, match="no rows"):
        whole(read_parquet(SourceFile(tmp_path / "none.parquet", "none", "items"), ["a"]))


@FUZZ
@given(st.data())
def test_damaged_parquet_is_a_frame_or_a_source_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(parquet(tmp_path))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    found = attempt(read_parquet, written(tmp_path, bytes(content)))
    assert found.hint if isinstance(found, SourceError) else found.height
