"""Sequences without times: positions stand for days, items are derived, attributes are their tags."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outfitter.datasets.base import SourceFile
from outfitter.datasets.sequences import SequencesAdapter
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "toys"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the sequences of toys are not on this machine")


def sequences(folder: Path, text: str) -> SourceFile:
    (folder / "sequences.txt").write_bytes(text.encode())
    return SourceFile(folder / "sequences.txt", "sequences.txt", "interactions")


def attributes(folder: Path, text: str) -> SourceFile:
    (folder / "item_attributes.json").write_text(text)
    return SourceFile(folder / "item_attributes.json", "item_attributes.json", "items")


def read(file: SourceFile, block_bytes: int = 1 << 20) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All interactions and all derived items."""
    frames = list(SequencesAdapter(block_bytes).read(file))
    interactions = [found.interactions for found in frames if found.interactions is not None]
    return pl.concat(interactions), pl.concat([found.items for found in frames if found.items is not None])


def test_a_position_is_a_day_and_ids_stay_text(tmp_path: Path) -> None:
    interactions, items = read(sequences(tmp_path, "007 010  2\t010\r\n\n8 2\n"))
    assert SequencesAdapter().synthetic_time
    assert interactions.schema == dict(INTERACTION_FRAME)
    assert interactions.select("user_id", "item_id", "timestamp", "sequence", "event", "unreadable").rows() == [
        ("007", "010", datetime(1970, 1, 1, tzinfo=UTC), 1, "purchase", None),
        ("007", "2", datetime(1970, 1, 2, tzinfo=UTC), 2, "purchase", None),
        ("007", "010", datetime(1970, 1, 3, tzinfo=UTC), 3, "purchase", None),
        ("8", "2", datetime(1970, 1, 1, tzinfo=UTC), 4, "purchase", None),
    ]
    assert items.schema == dict(ITEM_FRAME)
    assert items.select("item_id", "sequence", "valid_from", "tags").rows() == [("010", 1, EPOCH, None), ("2", 2, EPOCH, None)]


def test_blocks_give_the_same_rows_as_the_whole(tmp_path: Path) -> None:
    lines = [f"u{user} " + " ".join(f"i{item}" for item in range(user % 7 + 1)) for user in range(300)]
    file = sequences(tmp_path, "\n".join(lines))
    frames = list(SequencesAdapter(200).read(file))
    assert len(frames) > 5
    assert read(file, 200)[0].equals(read(file)[0])
    assert read(file)[0]["sequence"].to_list() == list(range(1, read(file)[0].height + 1))


def test_a_line_without_items_is_a_row_that_names_it(tmp_path: Path) -> None:
    interactions, items = read(sequences(tmp_path, "1 a\n2\n3 b\n"))
    assert interactions.select("user_id", "item_id", "unreadable").rows() == [
        ("1", "a", None),
        ("2", None, "line 2 names user '2' and no item"),
        ("3", "b", None),
    ]
    assert items["item_id"].to_list() == ["a", "b"]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_a_second_line_of_a_user_is_refused_by_its_number(tmp_path: Path, block_bytes: int) -> None:
    with pytest.raises(SourceError, match=r"sequences\.txt, line 4: user '1' has a line before this one"):
        read(sequences(tmp_path, "1 a\n\n2 b\n1 c\n"), block_bytes)


def test_attributes_become_tags(tmp_path: Path) -> None:
    (found,) = SequencesAdapter().read(attributes(tmp_path, '{"007": [1, "02"], "8": [], "9": "x", "8": [true], "": [3], "a": {"b": 1}}'))
    assert found.interactions is None
    assert found.items is not None
    assert found.items.schema == dict(ITEM_FRAME)
    assert found.items.select("item_id", "tags", "sequence", "unreadable").rows() == [
        ("007", ["1", "02"], 1, None),
        ("8", [], 2, None),
        ("9", None, 3, "attributes '\"x\"'"),
        ("8", None, 4, "attributes '[true]'"),
        (None, ["3"], 5, None),
        ("a", None, 6, "attributes '[[\"b\", 1]]'"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{'4': [1]}", r"is not JSON: Expecting property name.*Expected one JSON object"),
        ("[1, 2]", "holds no object with items"),
        ("{}", "holds no object with items"),
        ('{"4": ' + "[" * 100_000, "is not JSON"),
        ("", r"is empty \(0 bytes\)"),
    ],
)
def test_attributes_that_are_not_one_object_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=rf"item_attributes\.json {message}"):
        list(SequencesAdapter().read(attributes(tmp_path, text)))


def test_the_files_are_found_and_others_refused(tmp_path: Path) -> None:
    both = SequencesAdapter().discover(["README", "item_attributes.json", "sequences.txt"], "here")
    assert list(both.items()) == [("item_attributes.json", "items"), ("sequences.txt", "interactions")]
    assert dict(SequencesAdapter().discover(["sequences.txt"], "here")) == {"sequences.txt": "interactions"}
    with pytest.raises(SourceError, match=r"here lacks sequences\.txt, .*Did you mean sequence\.txt\?"):
        SequencesAdapter().discover(["sequence.txt"], "here")
    with pytest.raises(SourceError, match="no file of users"):
        list(SequencesAdapter().read(SourceFile(tmp_path / "u", "u", "users")))


@real
def test_the_real_sequences() -> None:
    adapter = SequencesAdapter(1 << 18)
    names = sorted(path.name for path in REAL.iterdir())
    roles = adapter.discover(names, str(REAL))
    assert list(roles.values()) == ["items", "interactions"]
    interactions, derived = read(SourceFile(REAL / "sequences.txt", "sequences.txt", "interactions"), 1 << 18)
    counts = (interactions.height, interactions["user_id"].n_unique(), interactions["item_id"].n_unique())
    assert counts == (167_597, 19_412, 11_924)
    assert interactions["unreadable"].null_count() == 167_597
    assert set(derived["item_id"]) == set(interactions["item_id"])
    (found,) = adapter.read(SourceFile(REAL / "item_attributes.json", "item_attributes.json", "items"))
    assert found.items is not None
    assert found.items.height == found.items["item_id"].n_unique() == 11_924
    told = json.loads((REAL / "item_attributes.json").read_text())
    assert dict(found.items.select("item_id", "tags").iter_rows()) == {item: [str(one) for one in of] for item, of in told.items()}
