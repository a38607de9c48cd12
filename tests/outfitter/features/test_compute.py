"""Every feature against its definition worked out row by row, and nothing of the future in any of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outfitter.features import compute
from outfitter.features.compute import item_rows, user_rows
from outfitter.features.spec import FEATURE_TABLES, ITEM_FEATURES, LAST_ITEMS, MAX_BASKET, USER_FEATURES, names
from outfitter.lake.snapshot import Snapshot
from outfitter.schema import EPOCH, INTERACTIONS, ITEMS, conform
from tests.outfitter.features import brute_items, brute_users
from tests.outfitter.features.brute import CUTOFF, TARGETS, random_items, random_rows, random_users
from tests.outfitter.features.shops import BUCKETS, snapshot_of

CUTOFFS = [CUTOFF, CUTOFF - timedelta(days=40), CUTOFF + timedelta(days=30)]
SEEDS = range(4)
Shop = Callable[..., Snapshot]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A snapshot of rows, of their items and users when given."""
    numbers = count()

    def make(rows: pl.DataFrame, items: pl.DataFrame | None = None, users: pl.DataFrame | None = None) -> Snapshot:
        return snapshot_of(tmp_path / str(next(numbers)), rows, random_items(0) if items is None else items, users)

    return make


def users_at(snapshot: Snapshot, cutoff: datetime = CUTOFF, **given: Any) -> pl.DataFrame:
    return pl.concat(user_rows(snapshot, cutoff, TARGETS, **given)).sort("user_key")


def items_at(snapshot: Snapshot, cutoff: datetime = CUTOFF) -> pl.DataFrame:
    return item_rows(snapshot, cutoff, TARGETS)


def agree(found: pl.DataFrame, key: str, wanted: dict[int, dict[str, Any]]) -> None:
    assert found[key].to_list() == sorted(wanted)
    for row in found.iter_rows(named=True):
        assert set(wanted[row[key]]) == set(found.columns) - {key}
        for name, want in wanted[row[key]].items():
            got = row[name]
            assert got == (want if want is None or isinstance(want, list) else pytest.approx(want, rel=1e-6, abs=1e-6)), (row[key], name)


@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("seed", SEEDS)
def test_user_features_are_what_their_definitions_say(shop: Shop, seed: int, cutoff: datetime) -> None:
    rows, items = random_rows(seed), random_items(seed)
    agree(users_at(shop(rows, items), cutoff), "user_key", brute_users.user_rows(rows, items, cutoff))


@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("seed", SEEDS)
def test_item_features_are_what_their_definitions_say(shop: Shop, seed: int, cutoff: datetime) -> None:
    rows, items, users = random_rows(seed), random_items(seed), random_users(seed)
    agree(items_at(shop(rows, items, users), cutoff), "item_key", brute_items.item_rows(rows, items, users, cutoff))


def test_the_random_shops_leave_no_feature_untried(shop: Shop) -> None:
    """Each is known for some and takes several values: a comparison of nulls would prove nothing."""
    shops = [shop(random_rows(seed), random_items(seed), random_users(seed)) for seed in SEEDS]
    for features, made in ((USER_FEATURES, map(users_at, shops)), (ITEM_FEATURES, map(items_at, shops))):
        rows = pl.concat(made)
        dull = {name for name in names(features) if rows[name].drop_nulls().n_unique() < 2 and "_share_" not in name}
        assert dull == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_comes_later_changes_nothing(shop: Shop, seed: int) -> None:
    rows, items, users = random_rows(seed), random_items(seed), random_users(seed)
    past = rows.filter(pl.col("timestamp") <= CUTOFF)
    assert 0 < past.height < rows.height
    known = [table.filter(pl.col("valid_from") <= CUTOFF) for table in (items, users)]
    assert users_at(shop(rows, items, users)).equals(users_at(shop(past, *known)))
    assert items_at(shop(rows, items, users)).equals(items_at(shop(past, *known)))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_the_rows_changes_nothing(shop: Shop, seed: int) -> None:
    rows, items = random_rows(seed), random_items(seed)
    mixed = rows.sample(fraction=1, shuffle=True, seed=1)
    assert users_at(shop(mixed, items)).equals(users_at(shop(rows, items)))
    assert items_at(shop(mixed, items)).equals(items_at(shop(rows, items)))
    ordered = rows.sort("user_key", "timestamp", "sequence")
    assert users_at(shop(ordered, items)).equals(users_at(shop(rows, items)))


def test_some_users_are_those_of_all(shop: Shop) -> None:
    snapshot = shop(random_rows(1))
    some = users_at(snapshot, users=pl.Series([5, 2, 99], dtype=pl.Int32))
    assert some["user_key"].to_list() == [2, 5]
    assert some.equals(users_at(snapshot).filter(pl.col("user_key").is_in([2, 5])))
    assert users_at(snapshot, users=pl.Series([], dtype=pl.Int32)).is_empty()


@pytest.mark.parametrize("a_part", [1, 2, 100])
def test_users_come_a_few_buckets_at_a_time(shop: Shop, monkeypatch: pytest.MonkeyPatch, a_part: int) -> None:
    monkeypatch.setattr(compute, "BUCKETS_A_PART", a_part)
    rows = random_rows(1)
    everybody = rows["user_key"].unique().cast(pl.Int32)
    for buckets in (range(BUCKETS), [2, 0]):
        found = list(user_rows(shop(rows), CUTOFF, TARGETS, users=everybody, buckets=buckets))
        for at, frame in enumerate(found):
            some = list(buckets)[at * a_part : (at + 1) * a_part]
            known = rows.filter(pl.col("bucket").is_in(some) & (pl.col("timestamp") <= CUTOFF))
            assert frame.select("user_key", "bucket").rows() == sorted(set(known.select("user_key", "bucket").rows()))
        assert len(found) == -(-len(buckets) // a_part)


def test_an_event_at_the_cutoff_is_known_and_one_just_after_is_not(shop: Shop) -> None:
    for shift, seen in ((timedelta(0), 1), (timedelta(microseconds=1), 0)):
        assert users_at(shop(_one(CUTOFF + shift))).height == seen


def test_a_window_ends_where_its_days_begin(shop: Shop) -> None:
    """Exactly seven days ago is the eighth day."""
    week = timedelta(days=7)
    assert users_at(shop(_one(CUTOFF - week)))["purchases_7d"].to_list() == [0]
    assert users_at(shop(_one(CUTOFF - week + timedelta(microseconds=1))))["purchases_7d"].to_list() == [1]


def _one(moment: datetime, **values: Any) -> pl.DataFrame:
    row = {"user_key": 1, "item_key": 1, "timestamp": moment, "sequence": 1, "event": "purchase", "price": 10.0, "quantity": 1, "bucket": 0}
    return conform(pl.DataFrame([row | values], schema_overrides={"price": pl.Float64, "quantity": pl.Int32}), INTERACTIONS)


def test_a_quantity_that_is_not_given_is_one(shop: Shop) -> None:
    assert users_at(shop(_one(CUTOFF, quantity=None)))["spend_90d"].to_list() == [10]


def test_who_only_looked_is_known_but_took_nothing(shop: Shop) -> None:
    row = users_at(shop(_one(CUTOFF, event="view"))).row(0, named=True)
    assert (row["purchases_365d"], row["spend_90d"], row["categories"], row["last_items"], row["views_30d"]) == (0, 0, 0, [], 1)
    assert row["mean_price"] is row["repurchase_share"] is row["last_purchase_day"] is row["category_entropy"] is None
    assert row["last_event_day"] == row["first_event_day"] == pytest.approx(19783)


def test_a_source_without_times_of_day_has_no_hours_and_no_minutes(shop: Shop) -> None:
    days = pl.concat([_one(CUTOFF - timedelta(days=days), sequence=days) for days in range(3)])
    row = users_at(shop(days)).row(0, named=True)
    assert row["hours_00_06"] is row["session_minutes"] is None
    assert (row["sessions_30d"], row["session_gap_days"], row["weekday_friday"]) == (3, 1, pytest.approx(1 / 3))


def test_shares_do_not_age_while_nothing_happens(shop: Shop) -> None:
    """To the last bit, years later: otherwise every user would change every day."""
    snapshot = shop(random_rows(3).filter(pl.col("timestamp") <= CUTOFF), random_items(3))
    style = ["user_key", *(name for name in names(USER_FEATURES) if "_share_0" in name or "_entropy" in name)]
    far = CUTOFF + timedelta(days=4000)
    static = snapshot_of(Path(snapshot.lake.root).parent / "static", random_rows(3), random_items(3).with_columns(valid_from=pl.lit(EPOCH)))
    late = static.lake.scan("interactions").filter(pl.col("timestamp") > CUTOFF).select("user_key").collect()["user_key"]
    now, then = (users_at(static, moment).filter(~pl.col("user_key").is_in(late.implode())).select(style) for moment in (CUTOFF, far))
    assert now.equals(then)


def test_a_wholesale_order_makes_no_pairs(shop: Shop) -> None:
    """It is a basket all the same."""
    for size, tied in ((MAX_BASKET, True), (MAX_BASKET + 1, False)):
        order = pl.concat([_one(CUTOFF, item_key=item, sequence=item) for item in range(size)])
        found = items_at(shop(order, random_items(0, items=size + 2))).filter(pl.col("sales_30d") > 0)
        assert (found["copurchase_30d"] > 0).all() == tied
        assert set(found["basket_items_30d"]) == {size}


def test_without_returns_nothing_is_said_of_them(shop: Shop) -> None:
    sold = _one(CUTOFF)
    assert items_at(shop(sold))["return_rate_365d"].null_count() == items_at(shop(sold)).height
    back = pl.concat([sold, _one(CUTOFF, item_key=2), _one(CUTOFF, event="return")])
    assert dict(items_at(shop(back)).filter(pl.col("sales_30d") > 0).select("item_key", "return_rate_365d").rows()) == {1: 1, 2: 0}


def test_the_last_items_are_the_newest_fifty_oldest_first(shop: Shop) -> None:
    many = pl.concat([_one(CUTOFF - timedelta(hours=hours), item_key=hours, sequence=hours) for hours in range(LAST_ITEMS + 5)])
    found = users_at(shop(many, random_items(0, items=60)))["last_items"].to_list()[0]
    assert found == list(range(LAST_ITEMS - 1, -1, -1))


def test_a_day_is_kept_to_within_two_minutes(shop: Shop) -> None:
    moment = CUTOFF - timedelta(days=3, hours=5, minutes=17)
    found = users_at(shop(_one(moment)))["last_event_day"][0]
    assert abs(found - moment.timestamp() / 86400) * 24 * 60 < 2


def test_nothing_in_nothing_out(shop: Shop) -> None:
    catalogue = random_items(0)
    none = shop(random_rows(0).clear(), catalogue)
    assert users_at(none).is_empty()
    known = catalogue.filter((pl.col("valid_from") <= CUTOFF) & pl.col("catalogued"))["item_key"].unique().sort()
    assert items_at(none)["item_key"].to_list() == known.to_list()
    assert items_at(shop(random_rows(0).clear(), conform(pl.DataFrame({"item_key": []}), ITEMS))).is_empty()


def test_the_columns_are_the_list(shop: Shop) -> None:
    snapshot = shop(random_rows(0))
    found = users_at(snapshot), items_at(snapshot)
    assert found[0].columns == ["user_key", *names(USER_FEATURES), "last_items", "bucket"]
    assert found[1].columns == ["item_key", *names(ITEM_FEATURES)]
    for table, frame in zip(FEATURE_TABLES.values(), found, strict=True):
        wanted = {name: dtype for name, dtype in table.items() if name not in ("materialization", "cutoff")}
        assert dict(frame.schema) == wanted
