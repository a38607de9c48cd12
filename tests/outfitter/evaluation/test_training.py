"""What a model may learn from: nothing later than the moment, and of each row's features nothing later than the row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.base import Recipe
from outfitter.errors import NotEnoughData
from outfitter.evaluation import training
from outfitter.evaluation.inputs import Catalogue
from outfitter.evaluation.training import Material, fit, joined_rows, latest_positions, training_data
from outfitter.features.asof import Windows, rows_as_of
from outfitter.features.spec import FEATURE_TABLES, ITEM_FEATURES, LAST_ITEMS, USER_FEATURES, names
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.settings import Settings
from tests.outfitter.lake.frames import NOW, at

TARGETS = ("purchase", "rent", "rating")
TODAY = NOW.timestamp() / 86400


@pytest.fixture(scope="session")
def features(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The shop's feature rows, and another materialization's that must never be mistaken for them."""
    lake, windows = Lake(str(tmp_path_factory.mktemp("rows")), FEATURE_TABLES), Windows.before(NOW, 7)
    for table in FEATURE_TABLES:
        lake.create(table)
    for cutoff in windows.cutoffs(2):
        frames = rows_as_of(snapshot, cutoff, windows, TARGETS)
        for table, rows in zip(FEATURE_TABLES, frames, strict=True):
            for name in ("mine", "another"):
                lake.append(table, rows.with_columns(pl.lit(name).alias("materialization")))
    return lake


@pytest.fixture
def material(snapshot: Snapshot, features: Lake, settings: Settings) -> Material:
    return Material(snapshot, features, "mine", settings)


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[pl.DataFrame]:
    """In place of Feast, a join that remembers what it was asked and answers with each row's own place."""
    seen: list[pl.DataFrame] = []

    def join(store: object, events: pl.DataFrame) -> pl.DataFrame:
        seen.append(events)
        columns = {name: pl.int_range(pl.len()).cast(pl.Float32) for name in (*names(USER_FEATURES), *names(ITEM_FEATURES))}
        return events.with_columns(**columns, last_items=pl.concat_list(pl.lit(999, pl.Int64), pl.col("item_key").cast(pl.Int64)))

    monkeypatch.setattr(training, "open_store", lambda: None)
    monkeypatch.setattr(training, "ensure_exported", lambda *_: NOW)
    monkeypatch.setattr(training, "training_rows", join)
    return seen


def test_rows_are_those_of_the_materialization_and_the_cutoff(material: Material) -> None:
    everyone = material.rows("user_features", NOW)
    assert set(everyone["materialization"]) == {"mine"}
    assert set(everyone["cutoff"]) == {NOW}
    assert everyone["user_key"].is_unique().all()
    assert everyone.height == material.snapshot.users().collect().height
    assert material.rows("user_features", at(-1)).is_empty()


def test_latest_positions_are_padded_on_the_left() -> None:
    items = Catalogue(np.array([10, 20, 30], np.int32), ("a", "b", "c"))
    lists = pl.Series([[10, 30], [], None, [99, 20], list(range(10, 60))], dtype=pl.List(pl.Int64))
    found = latest_positions(lists, items)
    assert found.shape == (5, LAST_ITEMS)
    assert found.dtype == np.int32
    assert found[0, -3:].tolist() == [-1, 0, 2]
    assert (found[1:3] == -1).all()
    assert found[3, -3:].tolist() == [-1, -1, 1]
    assert found[4, [0, 10, 20]].tolist() == [0, 1, 2]
    assert (found[4] >= 0).sum() == 3


def test_nobody_has_no_latest_positions() -> None:
    assert latest_positions(pl.Series([], dtype=pl.List(pl.Int64)), Catalogue(np.array([1], np.int32), ("a",))).shape == (0, LAST_ITEMS)


@pytest.mark.parametrize("day", [0, -5, -21])
def test_a_model_is_told_nothing_of_later(material: Material, day: float) -> None:
    data = training_data(material, at(day), with_rows=False)
    told = material.snapshot.scan("interactions").filter(pl.col("timestamp") <= at(day), pl.col("event") != "return").collect()
    assert len(data.histories.items) == told.height
    assert data.histories.ages.min() >= 0
    assert data.until == at(day)
    assert data.rows is data.item_table is None
    assert data.attributes is not None
    assert data.attributes.shape[0] == data.n_items


def test_the_joined_rows_are_the_targets_of_the_last_weeks(material: Material, joined: list[pl.DataFrame], keys: dict[str, int]) -> None:
    data = training_data(material, at(-1), with_rows=True)
    (asked,) = joined
    assert asked["timestamp"].is_sorted()
    want = [("bob", "hat", -10), ("cat", "glove", -3), ("cat", "glove", -3), ("ann", "shoe", -2), ("ann", "hat", -1)]
    assert sorted(asked.select("user_key", "item_key", "timestamp").rows()) == sorted((keys[u], keys[i], at(day)) for u, i, day in want)
    assert data.rows is not None
    assert [data.item_ids[position] for position in data.rows.items] == ["hat", "glove", "glove", "shoe", "hat"]
    assert data.rows.latest[:, -2:].tolist() == [[-1, position] for position in data.rows.items]
    assert data.rows.weights.tolist() == [1] * 5
    assert data.rows.user_features.shape == (5, len(USER_FEATURES))
    assert data.rows.item_features.shape == (5, len(ITEM_FEATURES))


def test_an_age_is_counted_from_the_rows_own_moment(
    material: Material, joined: list[pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., pl.DataFrame] = training.training_rows
    at_day = pl.lit(TODAY - 20, dtype=pl.Float32).alias("last_event_day")
    monkeypatch.setattr(training, "training_rows", lambda store, events: real(store, events).with_columns(at_day))
    rows = training_data(material, NOW, with_rows=True).rows
    assert rows is not None
    ages = np.expm1(rows.user_features[:, names(USER_FEATURES).index("last_event_day")])
    assert ages.tolist() == pytest.approx([10, 17, 17, 18, 19, 20], abs=0.02)


def test_the_item_table_is_that_of_the_moment(material: Material, joined: list[pl.DataFrame], keys: dict[str, int]) -> None:
    data = training_data(material, at(-7), with_rows=True)
    assert data.item_table is not None
    sales = data.item_table.features[:, names(ITEM_FEATURES).index("sales_30d")]
    by_id = dict(zip(data.item_ids, np.expm1(sales).tolist(), strict=True))
    assert by_id == pytest.approx({"coat": 0, "hat": 3, "shoe": 0, "belt": 0, "scarf": 0})


@pytest.mark.parametrize("with_rows", [False, True])
def test_before_the_first_event_there_is_nothing_to_learn(material: Material, joined: list[pl.DataFrame], with_rows: bool) -> None:
    with pytest.raises(NotEnoughData, match="nobody had done anything by 2023-08-14"):
        training_data(material, at(-200), with_rows)


def test_weeks_without_a_target_are_nothing_to_join(material: Material, joined: list[pl.DataFrame]) -> None:
    with pytest.raises(NotEnoughData, match="no target event in the 2 weeks before"):
        training_data(material, at(-50), with_rows=True)
    assert joined == []


def test_an_item_that_the_catalogue_lacks_makes_no_row(material: Material, joined: list[pl.DataFrame], keys: dict[str, int]) -> None:
    events = pl.DataFrame(
        {"user_key": [0, 0], "item_key": [keys["hat"], keys["shoe"]], "timestamp": [at(-2), at(-1)], "weight": [1.0, 1.0], "taken": True}
    )
    rows = joined_rows(material, events, Catalogue(np.array([keys["shoe"]], np.int32), ("shoe",)), NOW)
    assert rows.items.tolist() == [0]


@pytest.mark.parametrize("name", ["popularity", "item_knn"])
def test_a_recipe_becomes_a_model_that_knows_no_later(material: Material, name: str, tmp_path: Path) -> None:
    model = fit(Recipe(name), material, at(-5))
    assert datetime.fromisoformat(model.fit_until) == at(-5)
    assert "glove" not in model.item_ids
    assert "hat" in model.item_ids
