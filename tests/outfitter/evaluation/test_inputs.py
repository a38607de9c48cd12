"""From a snapshot to arrays: who did what, how long ago, of what is known and may be sold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from outfitter.evaluation.inputs import CODED, Catalogue, attributes, catalogue, histories, item_table, sellable, weighted_events
from outfitter.features.spec import ITEM_FEATURES, USER_FEATURES, names
from outfitter.lake.snapshot import Snapshot
from outfitter.schema import EVENTS
from outfitter.settings import EventRule, Settings
from tests.outfitter.lake.frames import NOW, arrival, at, bought, filled, listed

RULES = Settings().events


def test_positions_are_places_in_the_keys() -> None:
    items = Catalogue(np.array([2, 5, 9], np.int32), ("a", "b", "c"))
    assert items.positions(np.array([9, 2, 5, 3, 0, 100, -1])).tolist() == [2, 0, 1, -1, -1, -1, -1]
    assert items.positions(np.array([], np.int32)).tolist() == []
    assert Catalogue(np.array([], np.int32), ()).positions(np.array([1, 2])).tolist() == [-1, -1]


def test_the_catalogue_is_what_was_listed_or_met_by_then(snapshot: Snapshot) -> None:
    def known(day: float) -> set[str]:
        items = catalogue(snapshot, at(day))
        assert items.keys.tolist() == sorted(items.keys.tolist())
        return set(items.ids)

    listed_ones = {"coat", "hat", "shoe", "belt"}
    assert known(-200) == listed_ones
    assert known(-50) == {*listed_ones, "scarf"}
    assert known(0) == {*listed_ones, "scarf", "glove"}


def test_an_item_listed_later_is_not_known_before(tmp_path: Any) -> None:
    late = arrival("c", "items.csv", items=listed("coat", "new", valid_from=at(-5)))
    snapshot = filled(tmp_path, arrival("e", "events.csv", interactions=bought(("ann", "coat", -9))), late)
    assert catalogue(snapshot, at(-6)).ids == ("coat",)
    assert set(catalogue(snapshot, at(-5)).ids) == {"coat", "new"}


def test_a_models_ids_keep_their_order(snapshot: Snapshot, keys: dict[str, int]) -> None:
    ids = ("hat", "scarf")
    found = catalogue(snapshot, NOW, ids)
    assert found.ids == ids
    assert found.keys.tolist() == [keys["hat"], keys["scarf"]]


def test_events_are_weighed_in_time_order_and_refusals_left_out(snapshot: Snapshot, keys: dict[str, int]) -> None:
    rows = weighted_events(snapshot, NOW, RULES).collect()
    mine = rows.filter(pl.col("user_key") == keys["bob"])
    assert mine.select("item_key", "weight", "taken").rows() == [
        (keys["coat"], RULES["view"].weight, False),
        (keys["hat"], 1.0, True),
        (keys["coat"], 1.0, True),
    ]
    assert rows.sort("user_key", "timestamp", maintain_order=True).equals(rows)
    assert weighted_events(snapshot, at(-1), RULES).collect()["timestamp"].max() == at(-1)


def test_an_event_without_a_rule_says_nothing(snapshot: Snapshot) -> None:
    rows = weighted_events(snapshot, NOW, {"view": EventRule(weight=0.5, target=True)}).collect()
    assert rows.select("weight", "taken").rows() == [(0.5, True)]


def test_histories_follow_the_users_asked_for(snapshot: Snapshot, keys: dict[str, int]) -> None:
    items = catalogue(snapshot, NOW, ("coat", "hat", "shoe"))
    events = weighted_events(snapshot, NOW, RULES).collect()
    users = np.array(sorted([keys["ann"], keys["cat"], keys["bob"], 999]), np.int32)
    found = histories(events.sample(fraction=1, shuffle=True, seed=0).sort("timestamp", maintain_order=True), users, items, NOW)
    by_user = {
        user: (found.items[a:b].tolist(), found.ages[a:b].tolist(), found.weights[a:b].tolist(), found.taken[a:b].tolist())  # type: ignore[index]
        for user, a, b in zip(users.tolist(), found.indptr, found.indptr[1:], strict=False)
    }
    coat, hat, shoe = range(3)
    assert by_user[keys["ann"]] == ([coat, hat, hat, shoe, hat], [90, 20, 20, 2, 1], [1] * 5, [True] * 5)
    assert by_user[keys["bob"]] == ([coat, hat, coat], [30, 10, 0], pytest.approx([0.1, 1, 1]), [False, True, True])
    assert by_user[keys["cat"]] == by_user[999] == ([], [], [], [])
    assert found.indptr[-1] == len(found.items) == 8
    assert (found.items.dtype, found.ages.dtype, found.weights.dtype) == (np.int32, np.float32, np.float32)


def test_ages_are_fractions_of_days(tmp_path: Any) -> None:
    snapshot = filled(tmp_path, arrival("e", "events.csv", interactions=bought(("ann", "coat", -1.75))))
    events = weighted_events(snapshot, NOW, RULES).collect()
    found = histories(events, np.array([0], np.int32), catalogue(snapshot, NOW), NOW)
    assert found.ages.tolist() == [1.75]


def test_profiles_lie_beside_their_users(snapshot: Snapshot) -> None:
    events = weighted_events(snapshot, NOW, RULES).collect()
    values = {name: [float(place)] * 2 for place, name in enumerate(names(USER_FEATURES))}
    features = pl.DataFrame({"user_key": pl.Series([3, 0], dtype=pl.Int32), **values}).with_columns(mean_price=pl.Series([7.0, 5.0]))
    found = histories(events, np.array([0, 1, 3], np.int32), catalogue(snapshot, NOW), NOW, features).features
    assert found is not None
    place = names(USER_FEATURES).index("mean_price")
    assert found[:, place].tolist() == pytest.approx([np.log(6), np.nan, np.log(8)], nan_ok=True)
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("day", "days", "sold"),
    [
        (0, 28, {"coat", "hat", "shoe"}),
        (0, 5, {"coat", "hat", "shoe"}),
        (0, 1, {"coat"}),
        (-1, 3, {"hat", "shoe"}),
        (-80, 28, {"coat"}),
        (-50, 28, set()),
    ],
)
def test_sellable_is_what_is_catalogued_and_sold_lately(snapshot: Snapshot, day: float, days: int, sold: set[str]) -> None:
    """Gloves sell well and are a stub; a view or a cart is no sale; a sale exactly ``days`` ago is too long ago."""
    items = catalogue(snapshot, NOW)
    found = sellable(snapshot, items, at(day), days, ["purchase"])
    assert {name for name, yes in zip(items.ids, found, strict=True) if yes} == sold


def test_the_item_table_has_codes_from_one_and_zero_for_unknown(tmp_path: Any) -> None:
    goods = [listed("a", category="coat", brand="x"), listed("b", category="hat"), listed("c", category="coat", brand="w")]
    arrivals = [arrival(str(number), f"{number}.csv", items=rows) for number, rows in enumerate(goods)]
    snapshot = filled(tmp_path, arrival("e", "events.csv", interactions=bought(("ann", "stub", -2))), *arrivals)
    items = catalogue(snapshot, NOW)
    features = pl.DataFrame({"item_key": pl.Series([items.keys[1]], dtype=pl.Int32), **{name: [0.5] for name in names(ITEM_FEATURES)}})
    table = item_table(snapshot, items, features, NOW)
    codes = {name: dict(zip(table.code_names, row, strict=True)) for name, row in zip(items.ids, table.codes.tolist(), strict=True)}
    assert table.code_names == CODED
    assert codes["a"]["category"] == codes["c"]["category"] != codes["b"]["category"]
    assert codes["a"]["brand"] != codes["c"]["brand"]
    assert codes["b"]["brand"] == codes["stub"]["category"] == codes["stub"]["brand"] == 0
    assert dict(zip(CODED, table.code_sizes, strict=True)) == {"category": 3, "colour": 1, "brand": 3, "style": 1}
    assert np.isnan(table.features).all(axis=1).tolist() == [True, False, True, True]


def test_an_empty_catalogue_makes_an_empty_table(snapshot: Snapshot) -> None:
    features = pl.DataFrame(schema={"item_key": pl.Int32, **dict.fromkeys(names(ITEM_FEATURES), pl.Float32)})
    table = item_table(snapshot, Catalogue(np.array([], np.int32), ()), features, NOW - timedelta(days=1))
    assert table.codes.shape == (0, len(CODED))
    assert table.code_sizes == (1, 1, 1, 1)


def test_events_and_stars_stand_beside_the_items(tmp_path: Any) -> None:
    rows = bought(("ann", "coat", -3, "view"), ("ann", "hat", -2, "rating"), ("ann", "coat", -1))
    stars = pl.when(pl.col("event") == "rating").then(4.0).alias("value")
    snapshot = filled(tmp_path, arrival("e", "events.csv", interactions=rows.with_columns(stars)))
    events = weighted_events(snapshot, NOW, RULES).collect()
    found = histories(events, np.array([0], np.int32), catalogue(snapshot, NOW), NOW)
    assert found.events is not None
    assert found.values is not None
    assert [EVENTS[code] for code in found.events] == ["view", "rating", "purchase"]
    assert found.values.tolist() == pytest.approx([np.nan, 4, np.nan], nan_ok=True)
    assert (found.events.dtype, found.values.dtype) == (np.int8, np.float32)


def test_attributes_are_those_of_the_moment_in_the_order_of_positions(tmp_path: Any) -> None:
    goods = [listed("a", "b", category="coat", tags=["warm"]), listed("c", category="hat", valid_from=at(-5), tags=["warm"])]
    arrivals = [arrival(str(number), f"{number}.csv", items=rows) for number, rows in enumerate(goods)]
    snapshot = filled(tmp_path, arrival("e", "events.csv", interactions=bought(("ann", "stub", -9))), *arrivals)
    items = catalogue(snapshot, NOW, ("c", "stub", "a", "b"))
    assert attributes(snapshot, items, NOW).toarray().tolist() == [[0, 1], [0, 0], [1, 1], [1, 1]]
    assert attributes(snapshot, items, at(-6)).toarray().tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]
