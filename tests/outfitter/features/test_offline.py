"""Feast offline, for real: what was exported is what a training row says, as of the right moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import feature_repo
from outfitter.errors import LakeError
from outfitter.features import offline
from outfitter.features.spec import ITEM_FEATURES, USER_FEATURES, names
from outfitter.lake.tables import Lake
from tests.outfitter.features.brute import CUTOFF
from tests.outfitter.features.conftest import CUTOFFS, ITEMS, MADE, USERS, WEEK, Shelf, feature_rows

TICK = timedelta(microseconds=1)
COLUMNS = [*names(USER_FEATURES), *names(ITEM_FEATURES), "last_items"]


def moments() -> list[datetime]:
    """Around every cut-off, in between, before the first, and when the last has expired."""
    shifts = [timedelta(0), TICK, -TICK, timedelta(days=3, seconds=7)]
    return [*(cutoff + shift for cutoff in CUTOFFS for shift in shifts), CUTOFFS[0] - timedelta(days=1), CUTOFF + WEEK + 2 * TICK]


def events() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    rows = [(int(user), int(rng.integers(ITEMS)), moment) for moment in moments() for user in range(USERS + 1)]
    frame = pl.DataFrame(rows * 2, schema={"user_key": pl.Int32, "item_key": pl.Int32, "timestamp": pl.Datetime("us", "UTC")}, orient="row")
    return frame.sample(fraction=1, shuffle=True, seed=1).with_columns(weight=pl.Series(rng.random(frame.height)))


def as_of(rows: pl.DataFrame, key: str, entity: int, moment: datetime, columns: list[str]) -> dict[str, Any]:
    """The newest row that was there just before ``moment``, unless it was more than a week old by then."""
    asked = moment - TICK
    known = [row for row in rows.iter_rows(named=True) if row[key] == entity and asked - WEEK <= row["cutoff"] <= asked]
    newest = max(known, key=lambda row: row["cutoff"], default={})
    return {name: newest.get(name) for name in columns}


def test_a_training_row_is_what_was_known_just_before_the_event(shelf: Shelf) -> None:
    asked = events()
    found = offline.training_rows(shelf.store, asked)
    assert found.columns == [*asked.columns, *COLUMNS]
    assert found.select(asked.columns).equals(asked)
    for row in found.iter_rows(named=True):
        want = as_of(shelf.users, "user_key", row["user_key"], row["timestamp"], [*names(USER_FEATURES), "last_items"])
        want |= as_of(shelf.items, "item_key", row["item_key"], row["timestamp"], names(ITEM_FEATURES))
        got = {name: row[name] or [] if name == "last_items" else row[name] for name in COLUMNS}
        assert got == want | {"last_items": want["last_items"] or []}, (row["user_key"], row["item_key"], row["timestamp"])


class _Forgetful:
    """In place of the store: a join that answers for all events but the last."""

    def get_feature_service(self, name: str) -> str:
        return name

    def get_historical_features(self, entities: pd.DataFrame, service: str) -> _Forgetful:
        self.left = pl.from_pandas(entities).head(len(entities) - 1)
        return self

    def to_arrow(self) -> pa.Table:
        return self.left.to_arrow()


def test_a_join_that_loses_an_event_is_found_out() -> None:
    asked = pl.DataFrame({"user_key": [1, 1], "item_key": [1, 1], "timestamp": [CUTOFF, CUTOFF + TICK]})
    with pytest.raises(LakeError, match="gave 1 rows for 2 events"):
        offline.training_rows(_Forgetful(), asked)  # type: ignore[arg-type]


def test_an_event_at_a_cutoff_is_not_among_what_it_learns_from(shelf: Shelf) -> None:
    asked = pl.DataFrame({"user_key": [1, 1], "item_key": [1, 1], "timestamp": [CUTOFF, CUTOFF + TICK]})
    found = offline.training_rows(shelf.store, asked)["last_items"].to_list()
    assert [items[0] for items in found] == [1, 2]


def test_the_views_are_registered(shelf: Shelf) -> None:
    assert feature_repo.apply(shelf.store) == ["item_features", "item_profile", "user_features", "user_profile"]


def test_an_export_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    users, items = feature_rows()
    offline.export(tmp_path, users.lazy(), items.lazy())
    offline.export(tmp_path, users.lazy().filter(pl.col("user_key") == 1), items.lazy().filter(pl.col("item_key") == 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["item_features", "user_features"]
    assert pl.read_parquet(tmp_path / "user_features" / "*.parquet").sort("cutoff")["cutoff"].to_list() == CUTOFFS


def test_the_folder_is_made_to_hold_the_materialization_that_is_asked_for(lake_of_features: Lake, tmp_path: Path) -> None:
    users, _ = feature_rows()
    folder = tmp_path / "rows"
    for name in ("another", MADE, MADE):
        assert offline.ensure_exported(folder, lake_of_features, name) == CUTOFF
    found = pl.read_parquet(folder / "user_features" / "*.parquet").sort("user_key", "cutoff")
    assert found.equals(users.sort("user_key", "cutoff").select(found.columns))


def test_what_is_exported_already_is_left_alone(lake_of_features: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline.ensure_exported(tmp_path, lake_of_features, MADE)
    monkeypatch.setattr(offline, "export", lambda *_: pytest.fail("exported again"))
    offline.ensure_exported(tmp_path, lake_of_features, MADE)


def test_an_export_cut_short_is_done_again(lake_of_features: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offline.ensure_exported(tmp_path, lake_of_features, "another")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(offline, "export", die)
        with pytest.raises(KeyboardInterrupt):
            offline.ensure_exported(tmp_path, lake_of_features, MADE)
    offline.ensure_exported(tmp_path, lake_of_features, "another")
    offline.ensure_exported(tmp_path, lake_of_features, MADE)
    users, _ = feature_rows()
    assert set(pl.read_parquet(tmp_path / "user_features" / "*.parquet")["mean_price"]) == set(users["mean_price"])
