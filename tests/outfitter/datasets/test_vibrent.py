"""Vibrent: rentals and outfits, on small files and on the real ones."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.datasets.base import Frames, SourceFile
from outfitter.datasets.vibrent import VibrentAdapter, _texts
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "vibrent"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the Vibrent files are not on this machine")
RENTALS = "customer.id;outfit.id;rentalPeriod.start;rentalPeriod.end\n"
OUTFITS = "id;name;description;group;owner;timeCreated;retailPrice;pricePerWeek;pricePerMonth;outfit_tags;tag_categories\n"


def shop(folder: Path, rentals: str, outfits: str) -> dict[str, SourceFile]:
    (folder / "rentals.csv").write_text(RENTALS + rentals)
    (folder / "outfits.csv").write_text(OUTFITS + outfits)
    return files_in(folder)


def files_in(folder: Path) -> dict[str, SourceFile]:
    found = VibrentAdapter().discover(sorted(path.name for path in folder.iterdir()), str(folder))
    return {role: SourceFile(folder / name, name, role) for name, role in found.items()}


def read(file: SourceFile) -> Frames:
    (frames,) = VibrentAdapter().read(file)
    return frames


def outfit(tags: str, kinds: str, price: str = "1600.0") -> str:
    return f'outfit.0a;The Gisele;"Satin,\nolive";group.1;o_1;2020-02-27 12:51:07.073;{price};250.0;500.0;{tags};{kinds}\n'


def test_a_rental_is_a_rent_event(tmp_path: Path) -> None:
    files = shop(tmp_path, "0128;outfit.0a;2021-10-11;2021-11-11\n0128;outfit.0a;11/10/2021;\n", outfit("[]", "[]"))
    frames = read(files["interactions"])
    assert frames.items is None
    assert frames.interactions is not None
    assert frames.interactions.schema == dict(INTERACTION_FRAME)
    assert frames.interactions.select("user_id", "item_id", "timestamp", "event", "value", "unreadable").rows() == [
        ("0128", "outfit.0a", datetime(2021, 10, 11, tzinfo=UTC), "rent", None, None),
        ("0128", "outfit.0a", None, "rent", None, "rentalPeriod.start '11/10/2021'"),
    ]


def test_tags_become_attributes_the_first_of_a_kind_wins(tmp_path: Path) -> None:
    tags = "['S', 'Bastet', 'Dresses', 'Tops', 'Green', 'Silk', 'Fall', 'Mini']"
    kinds = "['Size', 'Brand', 'Category', 'Category', 'Color', 'Material', 'Seasons', 'Length']"
    items = read(shop(tmp_path, "", outfit(tags, kinds))["items"]).items
    assert items is not None
    assert items.schema == dict(ITEM_FRAME)
    row = items.row(0, named=True)
    expected = {
        "item_id": "outfit.0a",
        "valid_from": EPOCH,
        "title": "The Gisele",
        "description": "Satin,\nolive",
        "category": "Dresses",
        "colour": "Green",
        "brand": "Bastet",
        "style": "group.1",
        "size": "S",
        "material": "Silk",
        "season": "Fall",
        "tags": ["S", "Bastet", "Dresses", "Tops", "Green", "Silk", "Fall", "Mini"],
        "price": 1600.0,
        "unreadable": None,
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("tags", "kinds", "kept", "unreadable"),
    [
        ("['S', 'M']", "['Size']", None, "tag_categories '['Size']'; outfit_tags '['S', 'M']'"),
        ("['S']", "oops", ["S"], "tag_categories 'oops'"),
        ("{'S'}", "['Size']", None, "outfit_tags '{'S'}'"),
        ("[1]", "['Size']", None, "outfit_tags '[1]'"),
        ("__import__('os').getcwd()", "[]", None, "outfit_tags '__import__('os').getcwd()'"),
        ("['S']", "", None, "outfit_tags '['S']'"),
        ("", "", [], None),
        ("[]", "[]", [], None),
    ],
)
def test_lists_that_are_not_parallel_texts_are_unreadable(
    tmp_path: Path, tags: str, kinds: str, kept: list[str] | None, unreadable: str | None
) -> None:
    items = read(shop(tmp_path, "", outfit(tags, kinds))["items"]).items
    assert items is not None
    assert items.select("tags", "size", "unreadable").row(0) == (kept, None, unreadable)


@given(st.text() | st.text(alphabet="[](){}'\",ab1-+.:", max_size=40) | st.integers(1, 3000).map(lambda n: "[" * n))
def test_any_literal_is_a_list_of_texts_or_none(literal: str) -> None:
    found = _texts(literal)
    assert found is None or all(isinstance(text, str) for text in found)


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"))))
def test_a_list_of_texts_is_read_back(texts: list[str]) -> None:
    assert _texts(repr(texts)) == texts


def test_nesting_too_deep_for_the_parser_is_unreadable() -> None:
    assert _texts("-" * 200_000 + "1") is None


def test_a_price_that_is_no_number_is_named(tmp_path: Path) -> None:
    items = read(shop(tmp_path, "", outfit("[]", "[]", "1600 kr"))["items"]).items
    assert items is not None
    assert items.select("price", "unreadable").row(0) == (None, "retailPrice '1600 kr'")


def test_a_role_the_source_lacks_and_a_folder_without_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"lacks outfits\.csv and rentals\.csv, which source 'vibrent' needs"):
        files_in(tmp_path)
    with pytest.raises(SourceError, match="no file of users"):
        read(SourceFile(tmp_path / "u.csv", "u.csv", "users"))


def test_a_file_of_another_source_is_refused(tmp_path: Path) -> None:
    files = shop(tmp_path, "1;outfit.0a;2021-10-11;2021-11-11\n", outfit("[]", "[]"))
    swapped = SourceFile(files["items"].path, "outfits.csv", "interactions")
    with pytest.raises(SourceError, match=r"outfits\.csv lacks columns 'customer\.id'"):
        read(swapped)


@real
def test_the_real_rentals() -> None:
    rentals = read(files_in(REAL)["interactions"]).interactions
    assert rentals is not None
    assert (rentals.height, rentals["user_id"].n_unique(), rentals["item_id"].n_unique()) == (10_000, 711, 2_223)
    first, last = datetime(2019, 10, 7, tzinfo=UTC), datetime(2024, 7, 9, tzinfo=UTC)
    assert (rentals["timestamp"].min(), rentals["timestamp"].max()) == (first, last)
    assert rentals["unreadable"].null_count() == 10_000
    assert rentals.height - rentals.drop("sequence").unique().height == 94


@real
def test_the_real_outfits() -> None:
    files = files_in(REAL)
    items, rentals = read(files["items"]).items, read(files["interactions"]).interactions
    assert items is not None
    assert rentals is not None
    assert items.height == items["item_id"].n_unique() == 2_223
    assert set(items["item_id"]) == set(rentals["item_id"])  # every outfit is rented at least once
    assert items["unreadable"].null_count() == 2_223
    absent = {
        "description": 17,
        "category": 51,
        "colour": 116,
        "brand": 161,
        "size": 99,
        "material": 183,
        "season": 333,
        "price": 3,
    }
    assert {name: items[name].null_count() for name in absent} == absent
    assert items["style"].n_unique() == 1_836
    assert items["tags"].list.len().sum() == 22_122
    assert items["category"].value_counts(sort=True)["category"][0] == "Dresses"
