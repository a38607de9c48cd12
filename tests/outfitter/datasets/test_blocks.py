"""Blocks join to the whole: however a file is cut, the same rows come out, under the same numbers, or the same error."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outfitter.datasets import blocks
from outfitter.datasets.base import SourceFile
from outfitter.datasets.reading import read_csv, read_lines, read_parquet
from outfitter.errors import SourceError

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = (1, 2, 3, 5, 7, 11, 16, 33, 1000)


def written(folder: Path, content: bytes, name: str = "orders.csv") -> SourceFile:
    (folder / name).write_bytes(content)
    return SourceFile(folder / name, name, "interactions")


def told(parts: Iterator[pl.DataFrame]) -> tuple[list[tuple[object, ...]], str]:
    """The rows, and the message of the error that ended them."""
    rows: list[tuple[object, ...]] = []
    try:
        for part in parts:
            rows.extend(part.rows())
    except SourceError as error:
        return rows, error.message
    return rows, ""


AWKWARD = {
    "line breaks in quotes": 'a,b\n1,"x\n\ny"\n"2\n",y\n3,"\n"\n',
    "CRLF": 'a,b\r\n1,x\r\n2,"y\r\nz"\r\n3,z\r\n',
    "no line break at the end": "a,b\n1,x\n2,y",
    "characters of several bytes": "a,b\n1,é€𝄞\n€,𝄞é\n",
    "doubled quotes": 'a,b\n1,"x""\n"""\n"""",""\n',
    "blank lines at the end": "a,b\n1,x\n\n\r\n\n",
    "one row": "a,b\n1,x\n",
    "header in quotes over two lines": '"a","b\nc"\n1,x\n',
    "blank lines before the header": "\n\r\n\na,b\n1,x\n",
    "a byte order mark": "\ufeffa,b\n1,x\n2,y\n",
    "quotes that close on their line": 'a,b\n6" by 4",x\n"y",y\n',
}


@pytest.mark.parametrize("name", AWKWARD)
def test_a_file_is_the_same_in_blocks_of_any_size(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, AWKWARD[name].encode())
    expected = told(read_csv(file, ["a"], optional=["b", "b\nc"]))
    assert expected[0]
    assert not expected[1]
    for size in SIZES:
        assert told(read_csv(file, ["a"], optional=["b", "b\nc"], block_bytes=size)) == expected


def test_blocks_are_about_as_long_as_asked_for_and_hold_a_record_at_least(tmp_path: Path) -> None:
    file = written(tmp_path, b"a,b\n" + b"1,2\n" * 100)
    heights = [frame.height for frame in read_csv(file, ["a"], block_bytes=40)]
    assert heights == [9, *[10] * 9, 1]
    assert [frame.height for frame in read_csv(file, ["a"], block_bytes=1)] == [1] * 100
    assert [frame["sequence"][0] for frame in read_csv(file, ["a"], block_bytes=1)] == list(range(1, 101))


BROKEN = {
    "too many cells": (b"1,2\n" * 50 + b"1,2,3\n" + b"1,2\n" * 50, "line 52 has 3 cells, too many"),
    "too few cells": (b"1,2\n" * 50 + b"1\n" + b"1,2\n" * 50, "line 52 has 1 cell, too few"),
    "blank line inside": (b"1,2\n" * 50 + b"\n" + b"1,2\n" * 50, "line 52 is blank"),
    "lines counted through quotes": (b'1,"\n2"\n' * 25 + b"1\n", "line 52 has 1 cell, too few"),
    "a quote that never closes": (b"1,2\n" * 50 + b'"1,2\n' + b"1,2\n" * 50, "line 52: the quoting is broken"),
    "a bare quote": (b"1,2\n" * 50 + b'5" heel,2\n' + b"1,2\n" * 50, "line 52: a quote inside a cell"),
    "text after a quote": (b"1,2\n" * 50 + b'"1"x,2\n' + b"1,2\n" * 50, "line 52: the quoting is broken"),
    "latin-1": (b"1,2\n" * 50 + b"1,\xe9\n", "the byte at offset 206 in line 52 cannot be decoded"),
    "NUL": (b"1,2\n" * 50 + b"1,\0\n", "NUL byte at offset 206 in line 52"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("size", [1, 64, 1 << 20])
def test_an_error_names_the_line_of_the_file_in_any_block(tmp_path: Path, name: str, size: int) -> None:
    rows, message = told(read_csv(written(tmp_path, b"a,b\n" + BROKEN[name][0]), ["a"], block_bytes=size))
    assert BROKEN[name][1] in message
    assert message.startswith("orders.csv")
    assert len(rows) <= 50


def test_a_row_that_never_ends_is_refused_before_memory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "RECORD", 1 << 20)
    open_quote = written(tmp_path, b'a,b\n1,2\n1,"' + b"x\n" * (1 << 20))
    assert (
        "line 3: the row that begins here does not end within 1 MiB, as if a quote in it is never closed"
        in (told(read_csv(open_quote, ["a"], block_bytes=64))[1])
    )
    one_line = written(tmp_path, b"x" * (3 << 20))
    assert (
        "line 1: the row that begins here does not end within 1 MiB, as if it has no line break"
        in (told(read_lines(one_line, block_bytes=64))[1])
    )


@FUZZ
@given(
    st.lists(st.tuples(*[st.text(alphabet='ab,"\n\r é€', max_size=6)] * 2), min_size=1, max_size=12),
    st.integers(1, 60),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back_from_blocks(tmp_path: Path, rows: list[tuple[str, str]], size: int, end: str) -> None:
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if any("\r" in cell for row in rows for cell in row) else csv.QUOTE_MINIMAL  # Python 3.11 leaves a return bare
    csv.writer(text, lineterminator=end, quoting=quoting).writerows([("a", "b"), *rows])
    found, message = told(read_csv(written(tmp_path, text.getvalue().encode()), ["a", "b"], block_bytes=size))
    assert not message
    assert found == [(*(cell or None for cell in row), number) for number, row in enumerate(rows, start=1)]


@FUZZ
@given(st.text(alphabet='ab,"\n\ré', max_size=50), st.integers(1, 40))
def test_any_text_gives_the_same_rows_and_the_same_error_in_blocks(tmp_path: Path, text: str, size: int) -> None:
    file = written(tmp_path, b"a,b\n" + text.encode())
    rows, message = told(read_csv(file, ["a", "b"]))
    found, in_blocks = told(read_csv(file, ["a", "b"], block_bytes=size))
    assert bool(in_blocks) == bool(message)
    assert found == rows if not message else len(found) < text.count("\n") + 1


@pytest.mark.parametrize("size", [1, 1000])
def test_gzip_is_unpacked_whatever_the_name(tmp_path: Path, size: int) -> None:
    packed = gzip.compress("\ufeffa,b\n1,é\n2,y\n".encode())
    assert told(read_csv(written(tmp_path, packed), ["a", "b"], block_bytes=size)) == ([("1", "é", 1), ("2", "y", 2)], "")
    for cut in (packed[:-3], packed[:-8] + b"\0" * 8, packed[:15] + b"\xff" * 8 + packed[23:]):
        assert "gzip archive that is damaged or cut short" in told(read_csv(written(tmp_path, cut), ["a"]))[1]
    assert "gzip archive in a gzip archive" in _hint(written(tmp_path, gzip.compress(packed)))


def _hint(file: SourceFile) -> str:
    with pytest.raises(SourceError) as caught:
        list(read_csv(file, ["a"]))
    return caught.value.hint


def test_files_without_header_with_other_separators_and_encodings(tmp_path: Path) -> None:
    dat = written(tmp_path, '1::"Amélie::5\n2::B:C::\n'.encode("latin-1"))
    read = read_csv(dat, ["id", "title"], "::", optional=["stars"], names=["id", "title", "stars"], quoted=False, encoding="latin-1")
    assert told(read) == ([("1", '"Amélie', "5", 1), ("2", "B:C", None, 2)], "")
    ragged = written(tmp_path, b"1::a\n2::b::c\n")
    assert "line 2 has 3 cells, too many" in told(read_csv(ragged, ["id"], "::", names=["id", "title"], quoted=False, block_bytes=1))[1]
    assert told(read_csv(written(tmp_path, b"1\n2"), ["id"], names=["id"])) == ([("1", 1), ("2", 2)], "")


def test_blank_lines_of_a_single_column_are_rows_except_at_the_end(tmp_path: Path) -> None:
    file = written(tmp_path, b"a\n1\n\n\n2\n\n")
    for size in SIZES:
        assert told(read_csv(file, ["a"], block_bytes=size)) == ([("1", 1), (None, 2), (None, 3), ("2", 4)], "")


def test_lines_are_read_as_they_are(tmp_path: Path) -> None:
    file = written(tmp_path, ' u1 "i1\r\n\nu2,é\n\n'.encode())
    for size in SIZES:
        assert told(read_lines(file, block_bytes=size)) == ([('u1 "i1', 1), (None, 2), ("u2,é", 3)], "")


def test_parquet_comes_in_batches_that_count_on(tmp_path: Path) -> None:
    pl.DataFrame({"a": range(1000), "b": ["x" * 100] * 1000}).write_parquet(tmp_path / "f", row_group_size=300)
    file = SourceFile(tmp_path / "f", "f", "items")
    frames = list(read_parquet(file, ["a"], optional=["c"], block_bytes=1000))
    assert len(frames) > 3
    joined = pl.concat(frames)
    assert joined.columns == ["a", "c", "sequence"]
    assert joined["a"].to_list() == list(range(1000))
    assert joined["sequence"].to_list() == list(range(1, 1001))
