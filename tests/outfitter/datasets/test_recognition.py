"""Which source a folder is, and what a look at its files counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outfitter.datasets import ADAPTERS, adapter
from outfitter.datasets.base import SourceFile
from outfitter.datasets.recognition import Look, alone, best, look_at, recognise, told
from outfitter.errors import SourceError
from outfitter.settings import load_settings

NAMES = {
    "synthetic": ["interactions-2025-06.csv", "items.csv", "users.csv"],
    "hm": ["articles.csv", "customers.csv", "transactions_train.csv"],
    "vibrent": ["outfits.csv", "rentals.csv"],
    "renttherunway": ["reviews.parquet"],
    "amazon": ["All_Beauty.jsonl.gz", "meta_All_Beauty.jsonl.gz"],
    "movielens": ["u.data", "u.info", "u.item", "u.user"],
    "sequences": ["sequences.txt"],
}
RATINGS = "userId,movieId,rating,timestamp\n"


def ratings(folder: Path, rows: str) -> SourceFile:
    (folder / "ratings.csv").write_text(RATINGS + rows)
    return SourceFile(folder / "ratings.csv", "ratings.csv", "interactions")


def test_every_source_but_the_mapped_one_is_tried_here() -> None:
    assert set(NAMES) == set(ADAPTERS) - {"mapped"}


@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_recognised_by_its_names_and_no_other_is(name: str) -> None:
    found, lacking = recognise(sorted(NAMES[name]), "here", load_settings())
    assert [one.adapter.name for one in found] == [name]
    assert set(lacking) == set(ADAPTERS) - {name}
    assert all(error.message for error in lacking.values())


def test_names_of_two_sources_are_recognised_as_both() -> None:
    found, _ = recognise(["item_attributes.json", "sequences.txt"], "here", load_settings())
    assert [one.adapter.name for one in found] == ["amazon", "sequences"]
    assert dict(found[1].roles) == {"item_attributes.json": "items", "sequences.txt": "interactions"}


def test_a_look_counts_what_is_there_and_quotes_what_is_not(tmp_path: Path) -> None:
    file = ratings(tmp_path, "1,2,4,86400\n1,2,bad,86400\n,2,3,172800\n1,,3.5,x\n")
    look = look_at(adapter("movielens"), file, 99, sample=2)
    assert (look.rows, look.whole, look.unreadable, look.error) == (4, True, 2, None)
    assert look.quoted == [(2, "rating 'bad'"), (4, "timestamp 'x'")]
    assert look.missing == {"user_id": 1}, "the fourth row lacks its item too, and is counted as unreadable"
    assert look.events == {"rating": 4}
    assert (look.first_event, look.last_event) == (datetime(1970, 1, 2, tzinfo=UTC), datetime(1970, 1, 3, tzinfo=UTC))
    assert look.sample is not None
    assert look.sample.select("user_id", "value").rows() == [("1", 4.0), ("1", None)]
    assert json.loads(json.dumps(told(look)))["sample"][0]["timestamp"] == "1970-01-02T00:00:00+00:00"


def test_only_the_first_block_is_read_unless_all_is_asked_for(tmp_path: Path) -> None:
    file = ratings(tmp_path, "".join(f"{row},2,4,86400\n" for row in range(100)) + "1,2,4,oops\n")
    reader = ADAPTERS["movielens"](block_bytes=100)
    first, everything = look_at(reader, file, 0, 3), look_at(reader, file, 0, 3, whole=True)
    assert (first.whole, everything.whole) == (False, True)
    assert 0 < first.rows < everything.rows == 101
    assert (first.unreadable, everything.unreadable) == (0, 1)
    assert everything.quoted == [(101, "timestamp 'oops'")]
    assert first.sample is not None
    assert everything.sample is not None
    assert first.sample.equals(everything.sample)


def test_what_was_read_before_an_error_is_kept(tmp_path: Path) -> None:
    file = ratings(tmp_path, "".join(f"{row},2,4,86400\n" for row in range(100)) + "1,2\n")
    look = look_at(ADAPTERS["movielens"](block_bytes=100), file, 0, 3, whole=True)
    assert look.rows > 50
    assert not look.whole
    assert look.error is not None
    assert "line 102 has 2 cells, too few" in look.error.message


def test_quotes_are_few_and_of_all_blocks(tmp_path: Path) -> None:
    file = ratings(tmp_path, "".join(f"{row},2,{'x' if row % 10 == 5 else 4},86400\n" for row in range(200)))
    look = look_at(ADAPTERS["movielens"](block_bytes=200), file, 0, 0, whole=True)
    assert look.unreadable == 20
    assert [row for row, _ in look.quoted] == [6, 16, 26, 36, 46]
    assert look.sample is not None
    assert look.sample.height == 0


def test_a_file_alone_is_tried_in_every_role(tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,A (1999),Drama\n")
    assert dict(alone(adapter("movielens"), tmp_path / "movies.csv").roles) == {"movies.csv": "items"}
    (tmp_path / "outfits.csv").write_text("a;b\n1;2\n")
    with pytest.raises(
        SourceError, match=r"outfits\.csv is no file of source 'vibrent'.*as interactions: .*lacks.*; as items: .*; as users: "
    ):
        alone(adapter("vibrent"), tmp_path / "outfits.csv")


def test_the_best_source_reads_most_of_what_it_finds(tmp_path: Path) -> None:
    file = SourceFile(tmp_path / "x", "x", "items")
    good, bad = Look(file, 1), Look(file, 1, error=SourceError("no"))
    assert best({"a": [good, bad], "b": [good]}) == "b"
    assert best({"a": [good], "b": [good, good]}) == "b"
    assert best({"a": [bad], "b": [bad, bad]}) == "a"
    assert best({"a": [good, good], "mapped": [good]}) == "mapped"
    assert best({"a": [good, good], "mapped": [good, bad]}) == "a"
