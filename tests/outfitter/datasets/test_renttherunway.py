"""Rent the Runway: ratings, rentals without one, and the items that the reviews name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outfitter.datasets.base import Frames, SourceFile
from outfitter.datasets.renttherunway import RentTheRunwayAdapter
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "renttherunway"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the Rent the Runway file is not on this machine")
ROWS = {
    "user_id": [7, 8, 9, 7, 7],
    "item_id": [20, 10, 10, 10, None],
    "rating": [10.0, None, 8.0, float("nan"), 2.0],
    "review_date": [datetime(2011, 2, day) for day in (14, 15, 16, 17, 18)],
    "category": ["gown", "sheath", "dress", "sheath", "gown"],
}


def read(folder: Path, **changes: object) -> Frames:
    pl.DataFrame({**ROWS, **changes}).write_parquet(folder / "reviews.parquet")
    return read_in(folder)


def read_in(folder: Path) -> Frames:
    adapter = RentTheRunwayAdapter()
    ((name, role),) = adapter.discover(sorted(path.name for path in folder.iterdir()), str(folder)).items()
    (frames,) = adapter.read(SourceFile(folder / name, name, role))
    return frames


def test_reviews_are_ratings_and_rentals_without_one_are_rents(tmp_path: Path) -> None:
    found = read(tmp_path).interactions
    assert found is not None
    assert found.schema == dict(INTERACTION_FRAME)
    assert found.select("user_id", "item_id", "event", "value", "unreadable").rows() == [
        ("7", "20", "rating", 10.0, None),
        ("8", "10", "rent", None, None),
        ("9", "10", "rating", 8.0, None),
        ("7", "10", "rating", None, "rating 'NaN'"),
        ("7", None, "rating", 2.0, None),
    ]
    assert found["timestamp"][0] == datetime(2011, 2, 14, tzinfo=UTC)


def test_items_are_derived_with_their_most_common_category(tmp_path: Path) -> None:
    items = read(tmp_path).items
    assert items is not None
    assert items.schema == dict(ITEM_FRAME)
    found = items.select("item_id", "category", "sequence", "valid_from").rows()
    assert found == [("20", "gown", 1, EPOCH), ("10", "sheath", 2, EPOCH)]


def test_a_tied_category_goes_to_the_first_of_the_alphabet_and_none_stays_none(tmp_path: Path) -> None:
    items = read(tmp_path, item_id=[1, 1, 2, 3, 3], category=["b", "a", None, None, "c"]).items
    assert items is not None
    assert items.select("item_id", "category").rows() == [("1", "a"), ("2", None), ("3", "c")]


def test_dates_as_text_are_read_in_the_original_notation(tmp_path: Path) -> None:
    found = read(tmp_path, review_date=["April 20, 2016", "2016-04-20", "20/04/2016", None, "May 1, 2016"]).interactions
    assert found is not None
    day = datetime(2016, 4, 20, tzinfo=UTC)
    assert found["timestamp"].to_list() == [day, day, None, None, datetime(2016, 5, 1, tzinfo=UTC)]
    assert found["unreadable"].to_list()[2] == "review_date '20/04/2016'"


def test_what_is_not_this_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"lacks reviews\.parquet, which source 'renttherunway' needs"):
        read_in(tmp_path)
    with pytest.raises(SourceError, match="column 'user_id' is empty in every row"):
        read(tmp_path, user_id=[None] * 5)
    pl.DataFrame({"title": ["nice"], "rating": [5]}).write_parquet(tmp_path / "reviews.parquet")
    with pytest.raises(SourceError, match=r"reviews\.parquet lacks columns 'user_id', 'item_id'"):
        read_in(tmp_path)


@real
def test_the_real_reviews() -> None:
    frames = read_in(REAL)
    found, items = frames.interactions, frames.items
    assert found is not None
    assert items is not None
    assert (found.height, found["user_id"].n_unique(), found["item_id"].n_unique()) == (192_544, 105_571, 5_850)
    assert found["unreadable"].null_count() == 192_544
    assert dict(found["event"].value_counts().iter_rows()) == {"rating": 192_462, "rent": 82}
    assert found.filter(event="rent")["value"].null_count() == 82
    assert found["value"].drop_nulls().unique().sort().to_list() == [2, 4, 6, 8, 10]
    assert (found["timestamp"].min(), found["timestamp"].max()) == (
        datetime(2010, 11, 3, tzinfo=UTC),
        datetime(2018, 1, 8, tzinfo=UTC),
    )
    assert found.height - found.drop("sequence").unique().height == 192
    assert (items.height, items["item_id"].n_unique(), items["category"].null_count()) == (5_850, 5_850, 0)
    assert items["category"].n_unique() == 68
