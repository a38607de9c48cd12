"""Keys: given once, never moved, and the same buckets on every machine."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.lake.keys import BIG_SHOP, bucket_of, default_buckets, key_items, key_users
from outfitter.lake.tables import Lake
from tests.outfitter.lake.frames import founded


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return founded(tmp_path / "lake")


def keys(lake: Lake, *ids: str | None) -> dict[str, int]:
    frame = key_items(lake, pl.Series(ids, dtype=pl.String))
    return dict(frame.select("item_id", "item_key").rows())


def test_new_ids_get_the_next_keys_in_sorted_order(lake: Lake) -> None:
    assert keys(lake, "b", "c", "a", "b") == {"a": 0, "b": 1, "c": 2}
    assert keys(lake, "d", "0", "b") == {"0": 3, "d": 4, "b": 1}


def test_known_ids_keep_their_keys_and_write_nothing(lake: Lake) -> None:
    first = keys(lake, "a", "b")
    version = lake.version("items")
    assert keys(lake, "b", "a") == first
    assert lake.version("items") == version


def test_an_id_is_text_with_its_zeros(lake: Lake) -> None:
    found = keys(lake, "0108775015", "108775015", "108775015.0", "")
    assert len(set(found.values())) == 4


def test_absent_ids_get_no_key(lake: Lake) -> None:
    assert keys(lake, None, "a", None) == {"a": 0}
    assert keys(lake, None) == {}
    assert keys(lake) == {}
    assert lake.read("items").height == 1


def test_an_item_begins_as_a_stub(lake: Lake) -> None:
    keys(lake, "a")
    row = lake.read("items").row(0, named=True)
    assert (row["catalogued"], row["delivery_id"], row["title"]) == (False, None, None)


def test_users_get_their_bucket_with_the_key(lake: Lake) -> None:
    found = key_users(lake, pl.Series(["u2", "u1", "u2"]), 8)
    assert sorted(found.select("user_id", "user_key").rows()) == [("u1", 0), ("u2", 1)]
    assert dict(found.select("user_id", "bucket").rows()) == {"u1": 6, "u2": 4}
    again = key_users(lake, pl.Series(["u2"]), 8)
    assert again.row(0) == found.filter(pl.col("user_id") == "u2").row(0)


def test_rows_of_deliveries_do_not_disturb_the_keys(lake: Lake) -> None:
    keys(lake, "a", "b")
    lake.append("items", pl.DataFrame({"item_key": [1, 1], "item_id": ["b", "b"], "delivery_id": ["x", "y"], "catalogued": [True, True]}))
    assert keys(lake, "b", "c") == {"b": 1, "c": 2}


@pytest.mark.parametrize(
    ("user_id", "bucket"), [("", 0), ("123456789", 0xCBF43926 % 8), ("u1", 6), ("0108775015", 6), ("jörg", 4), ("客", 2)]
)
def test_buckets_are_pinned(user_id: str, bucket: int) -> None:
    """A lake written years ago must find its users where it put them; CBF43926 is the published check value of CRC-32."""
    assert bucket_of(pl.Series([user_id]), 8).to_list() == [bucket]


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.integers(1, 64))
def test_a_bucket_depends_on_the_id_alone(ids: list[str], n_buckets: int) -> None:
    together = bucket_of(pl.Series(ids, dtype=pl.String), n_buckets)
    alone = [bucket_of(pl.Series([one]), n_buckets)[0] for one in ids]
    assert together.to_list() == alone
    assert together.dtype == pl.Int32
    assert all(0 <= bucket < n_buckets for bucket in together)


def test_no_ids_have_no_buckets() -> None:
    assert bucket_of(pl.Series([], dtype=pl.String), 8).to_list() == []


def test_buckets_share_users_out_evenly() -> None:
    counts = bucket_of(pl.Series([f"user-{number}" for number in range(8000)]), 8).value_counts()["count"]
    assert counts.min() > 800
    assert counts.max() < 1200


def test_a_big_shop_has_more_buckets() -> None:
    assert (default_buckets(0), default_buckets(BIG_SHOP - 1), default_buckets(BIG_SHOP)) == (8, 8, 64)
