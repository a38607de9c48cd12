"""Amazon reviews of 2018 and 2023, on small files as they are published: the keys tell the layout, gz or not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.datasets.amazon import AmazonAdapter
from outfitter.datasets.base import Frames, Role, SourceFile
from outfitter.datasets.json_texts import texts
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME

REVIEW_2018 = {
    "overall": 5.0,
    "vote": "2",
    "verified": True,
    "reviewTime": "01 1, 2018",
    "reviewerID": "AUI6WTTT0QZYS",
    "asin": "0000031852",
    "style": {"Size:": "Large"},
    "reviewText": 'I like it; "really"\nfits',
    "unixReviewTime": 1514764800,
}
REVIEW_2023 = {
    "rating": 4.0,
    "title": "Nice",
    "text": "as described",
    "images": [],
    "asin": "B000000001",
    "parent_asin": "0123456789",
    "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
    "timestamp": 1588687728923,
    "helpful_vote": 0,
    "verified_purchase": True,
}
META_2018 = {
    "asin": "0000031852",
    "title": "Girls Ballet Tutu",
    "feature": ["Botiquecutie", " "],
    "description": ["This tutu is great", "for dress up"],
    "price": "$3.17",
    "also_buy": ["B00JHONN1S"],
    "rank": {"Toys & Games": 211836},
    "brand": "Coxlures",
    "category": ["Sports & Outdoors", "Other Sports", "Dance"],
    "main_cat": "Sports",
}
META_2023 = {
    "main_category": "AMAZON FASHION",
    "title": "Yoga pants",
    "average_rating": 4.3,
    "rating_number": 7,
    "features": ["High waist", "Four way stretch"],
    "description": [],
    "price": 12.99,
    "images": [{"thumb": "https://example.com/a.jpg"}],
    "store": "Leggy",
    "categories": ["Clothing, Shoes & Jewelry", "Women", "Clothing", "Active", "Leggings"],
    "details": {"Color": "Navy", "Material": "Cotton", "Is Discontinued": False},
    "parent_asin": "0123456789",
    "bought_together": None,
}
BASIC = ["item_id", "title", "category", "brand", "price", "unreadable"]


def file(folder: Path, name: str, records: Sequence[Mapping[str, Any] | str], role: Role = "interactions") -> SourceFile:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in records) + "\n"
    (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return SourceFile(folder / name, name, role)


def read(of: SourceFile, block_bytes: int = 1 << 20) -> Frames:
    """The blocks of a file, joined."""
    frames = list(AmazonAdapter(block_bytes).read(of))
    joined = {}
    for name in ("interactions", "items"):
        each = [getattr(one, name) for one in frames]
        joined[name] = None if each[0] is None else pl.concat(each)
    return Frames(**joined)


@pytest.mark.parametrize("name", ["AMAZON_FASHION.json", "AMAZON_FASHION_5.json.gz"])
def test_reviews_of_2018_are_ratings_and_name_their_items(tmp_path: Path, name: str) -> None:
    bad = {**REVIEW_2018, "overall": "five", "unixReviewTime": None, "asin": "B01"}
    found = read(file(tmp_path, name, [REVIEW_2018, "", bad, REVIEW_2018]))
    assert found.interactions is not None
    assert found.items is not None
    assert found.interactions.schema == dict(INTERACTION_FRAME)
    assert found.items.schema == dict(ITEM_FRAME)
    day = datetime(2018, 1, 1, tzinfo=UTC)
    assert found.interactions.select("user_id", "item_id", "timestamp", "event", "value", "sequence", "unreadable").rows() == [
        ("AUI6WTTT0QZYS", "0000031852", day, "rating", 5.0, 1, None),
        ("AUI6WTTT0QZYS", "B01", None, "rating", None, 2, "overall 'five'"),
        ("AUI6WTTT0QZYS", "0000031852", day, "rating", 5.0, 3, None),
    ]
    assert found.items.select("item_id", "sequence", "valid_from").rows() == [("0000031852", 1, EPOCH), ("B01", 2, EPOCH)]
    assert AmazonAdapter().identical_rows == "duplicate"


@pytest.mark.parametrize("name", ["All_Beauty.jsonl", "All_Beauty.jsonl.gz", "All_Beauty.json"])  # the keys tell, not the name
def test_reviews_of_2023_count_milliseconds_and_go_by_the_parent(tmp_path: Path, name: str) -> None:
    orphan = {key: value for key, value in REVIEW_2023.items() if key != "parent_asin"}
    nameless = {key: value for key, value in orphan.items() if key != "asin"}
    found = read(file(tmp_path, name, [REVIEW_2023, orphan, nameless]), block_bytes=300)
    assert found.interactions is not None
    moment = datetime(2020, 5, 5, 14, 8, 48, 923000, tzinfo=UTC)
    assert found.interactions.select("item_id", "timestamp", "value", "sequence").rows() == [
        ("0123456789", moment, 4.0, 1),
        ("B000000001", moment, 4.0, 2),
        (None, moment, 4.0, 3),
    ]


def test_metadata_of_2018(tmp_path: Path) -> None:
    bare = {"asin": "B1", "category": [], "description": "", "price": "", "main_cat": "Sports", "brand": None}
    items = read(file(tmp_path, "meta_Sports.json.gz", [META_2018, bare], "items")).items
    assert items is not None
    assert items.schema == dict(ITEM_FRAME)
    assert items.select(*BASIC, "description", "tags").rows() == [
        (
            "0000031852",
            "Girls Ballet Tutu",
            "Other Sports > Dance",
            "Coxlures",
            3.17,
            None,
            "This tutu is great\nfor dress up",
            ["Sports & Outdoors", "Other Sports", "Dance"],
        ),
        ("B1", None, "Sports", None, None, None, None, []),
    ]


def test_metadata_of_2023(tmp_path: Path) -> None:
    alone = {**META_2023, "parent_asin": "P2", "categories": ["Books"], "price": None, "details": "{}", "features": None, "store": ""}
    items = read(file(tmp_path, "meta_All_Beauty.jsonl", [META_2023, alone], "items")).items
    assert items is not None
    assert items.select(*BASIC, "description", "colour", "material", "size").rows() == [
        (
            "0123456789",
            "Yoga pants",
            "Women > Clothing > Active",
            "Leggy",
            12.99,
            None,
            "High waist\nFour way stretch",
            "Navy",
            "Cotton",
            None,
        ),
        ("P2", "Yoga pants", "Books", None, None, None, None, None, None, None),
    ]
    assert items["tags"].to_list()[0] == META_2023["categories"]


@pytest.mark.parametrize(
    ("price", "value", "unreadable"),
    [
        ("$12.99", 12.99, None),
        ("12.99", 12.99, None),
        (7, 7.0, None),
        ("$1,299.00", 1299.0, None),
        ("$12.99 - $25.00", 12.99, None),
        ("from 9.50", 9.5, None),
        ("None", None, None),
        ("\u2014", None, None),
        (".a-box-inner{background-color:#fff}", None, "price '.a-box-inner{background-color:#fff}'"),
        ("-5", None, "price '-5'"),
    ],
)
def test_prices(tmp_path: Path, price: object, value: float | None, unreadable: str | None) -> None:
    items = read(file(tmp_path, "meta_X.jsonl", [{**META_2023, "price": price}], "items")).items
    assert items is not None
    assert items.select("price", "unreadable").row(0) == (value, unreadable)


def test_lists_that_are_none_or_nested_are_laid_flat() -> None:
    odd = pl.Series(['["a", " "]', None, "plain", '[["b", ["c"]], 1, null, {"k": 2}]', "[oops", "[]", ""])
    assert texts(odd).to_list() == [["a"], [], ["plain"], ["b", "c", "1", '{"k": 2}'], ["[oops"], [], []]
    assert texts(odd.head(3)).to_list() == [["a"], [], ["plain"]]


@given(st.lists(st.none() | st.text() | st.lists(st.text()).map(json.dumps), min_size=1))
def test_any_cell_is_a_list_of_texts(cells: list[str | None]) -> None:
    found = texts(pl.Series(cells, dtype=pl.String))
    assert found.len() == len(cells)
    assert all(one and one == one.strip() for listed in found.to_list() for one in listed if one.isascii() and one.isprintable())


@pytest.mark.parametrize(
    ("name", "role", "records", "message"),
    [
        ("X.jsonl", "interactions", [{"a": 1}], r"X\.jsonl has keys of neither layout.*it has a"),
        ("X.jsonl", "interactions", [META_2023], r"X\.jsonl holds metadata by its keys.*Call it meta_X\.jsonl"),
        ("meta_X.json", "items", [REVIEW_2018], r"meta_X\.json holds reviews by its keys.*Call it X\.json"),
        ("meta_X.json", "items", ["{'asin': 'B1', 'title': 'x'}"], r"Python literals, as Amazon's metadata of 2014"),
        ("X.json", "interactions", [REVIEW_2018, "{oops", REVIEW_2018], r"X\.json, line 2 is not JSON"),
        ("X.jsonl", "interactions", [REVIEW_2023, "[1]"], r"X\.jsonl, line 2 holds list, not a JSON object"),
        ("X.jsonl", "interactions", ["oops"], r"has keys of neither layout.*it has none"),
        ("X.json", "interactions", [{"reviewerID": "1", "asin": "2", "overall": 3}], r"X\.json lacks key 'unixReviewTime'"),
        (
            "X.json",
            "interactions",
            [{**REVIEW_2018, "overall": "bad"}],
            r"none of the 1 values of column 'overall' can be read as a number",
        ),
    ],
)
def test_what_is_not_of_a_layout_is_refused(tmp_path: Path, name: str, role: Role, records: list[Any], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(file(tmp_path, name, records, role))


def test_metadata_comes_first_and_a_part_of_a_file_is_not_read_twice() -> None:
    names = ["Books.json.gz", "Books_5.json.gz", "Toys_5.json", "meta_Books.json.gz", "notes.txt", "sub/meta_Toys.jsonl"]
    found = AmazonAdapter().discover(names, "here")
    assert list(found.items()) == [
        ("meta_Books.json.gz", "items"),
        ("sub/meta_Toys.jsonl", "items"),
        ("Books.json.gz", "interactions"),
        ("Toys_5.json", "interactions"),
    ]
    with pytest.raises(SourceError, match="here lacks reviews"):
        AmazonAdapter().discover(["meta_Books.json", "notes.txt"], "here")
