"""JSON lines: every value asked for as text, in blocks of any size, and errors that name the line."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outfitter.datasets.base import SourceFile
from outfitter.datasets.reading import read_json_lines
from outfitter.errors import SourceError

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = (1, 9, 40, 1000)


def written(folder: Path, content: bytes) -> SourceFile:
    (folder / "reviews.jsonl").write_bytes(content)
    return SourceFile(folder / "reviews.jsonl", "reviews.jsonl", "interactions")


def read(file: SourceFile, size: int = 1000) -> list[tuple[object, ...]]:
    return pl.concat(read_json_lines(file, ["id"], optional=["value"], block_bytes=size)).rows()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_values_are_text_and_what_is_not_asked_for_is_passed_over(tmp_path: Path, size: int, pack: type) -> None:
    lines = [
        '{"id": "007", "value": "a\\nb", "rest": {"deep": [1, {"x": 2}]}}',
        '{"id": 12345678901234567890, "value": 4.5}',
        '{"value": true, "id": "é"}\r',
        "",
        '{"id": "x", "value": ["a", 1], "rest": "text this time"}',
        ' {"id": "y", "value": {"k": null}}',
        '{"id": null, "value": null}',
    ]
    rows = read(written(tmp_path, pack("\n".join(lines).encode())), size)
    assert rows[:3] == [("007", "a\nb", 1), ("12345678901234567890", "4.5", 2), ("é", "true", 3)]
    assert [row[2] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [json.loads(row[1]) for row in rows[3:5]] == [["a", 1], {"k": None}]
    assert rows[5] == (None, None, 6)


BROKEN = {
    "cut short": (b'{"id": 1', "line 52 is not JSON"),
    "two on a line": (b'{"id": 1} {"id": 2}', "line 52 is not JSON"),
    "a list": (b"[1, 2]", "line 52 holds list, not a JSON object"),
    "a number": (b"5", "line 52 holds int, not a JSON object"),
    "text": (b"id,value", "line 52 is not JSON"),
    "not UTF-8": (b'{"id": "\xe9"}', "not UTF-8 text: the byte at offset 509 in line 52"),
    "NUL": (b'{"id": "\0"}', "NUL byte at offset 509 in line 52"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("size", [1, 64, 1 << 20])
def test_an_error_names_the_line_in_any_block(tmp_path: Path, name: str, size: int) -> None:
    good = b'{"id": 1}\n'
    content = good * 50 + b"\n" + BROKEN[name][0] + b"\n" + good * 50
    with pytest.raises(SourceError, match=r"reviews\.jsonl") as caught:
        read(written(tmp_path, content), size)
    assert BROKEN[name][1] in caught.value.message
    assert caught.value.hint


def test_a_key_that_no_object_has_is_missed_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"reviews\.jsonl lacks key 'id'; it has 'ids', 'value'\. Did you mean 'ids'\?"):
        read(written(tmp_path, b'{"ids": 1, "value": 2}\n'))
    with pytest.raises(SourceError, match="blank lines but no rows"):
        read(written(tmp_path, b"\n\n"))
    assert read(written(tmp_path, b'{"value": 1}\n{"id": 2}\n')) == [(None, "1", 1), ("2", None, 2)]


TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@FUZZ
@given(rows=st.lists(st.fixed_dictionaries({"id": TEXT}, optional={"value": TEXT | st.integers(-(2**63), 2**63) | st.none()}), min_size=1))
@pytest.mark.parametrize("escaped", [True, False])
def test_what_the_json_module_writes_is_read_back(tmp_path: Path, rows: list[dict[str, object]], escaped: bool) -> None:
    text = "".join(json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows)
    file = written(tmp_path, text.encode())
    expected = [(row["id"], None if row.get("value") is None else str(row["value"]), number) for number, row in enumerate(rows, start=1)]
    for size in (1, 30, 10_000):
        assert read(file, size) == expected


@FUZZ
@given(st.binary(max_size=40) | st.text(alphabet='{}[]":,1ae \n', max_size=40).map(str.encode))
def test_any_bytes_are_a_frame_or_a_source_error(tmp_path: Path, content: bytes) -> None:
    with suppress(SourceError):
        found = read(written(tmp_path, b'{"id": "1"}\n' + content))
        assert len(found) == 1 + sum(1 for line in content.split(b"\n") if line.strip())
