"""A home with Feast in it: rows of three cut-offs exported and registered; and online stores, SQLite and a real Redis."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

import feature_repo
from outfitter.features import offline
from outfitter.features.spec import FEATURE_TABLES, ITEM_FEATURES, USER_FEATURES, names
from outfitter.lake.tables import Lake
from outfitter.settings import Settings
from tests.outfitter.features.brute import CUTOFF
from tests.servers import RedisServer, redis_server

if TYPE_CHECKING:
    from feast import FeatureStore

__all__ = ["redis_server"]

WEEK = timedelta(days=7)
CUTOFFS = [CUTOFF - 2 * WEEK, CUTOFF - WEEK, CUTOFF]
USERS, ITEMS = 6, 5
MADE = "made"


@dataclass(frozen=True)
class Shelf:
    """What was exported, and the store."""

    store: FeatureStore
    folder: Path
    users: pl.DataFrame
    items: pl.DataFrame


def _rows(key: str, columns: list[str], keys: list[int], cutoff: datetime, rng: np.random.Generator) -> pl.DataFrame:
    values = {name: [None if rng.random() < 0.1 else float(np.float32(rng.random())) for _ in keys] for name in columns}
    return pl.DataFrame({key: keys, **values}, schema_overrides={key: pl.Int32} | dict.fromkeys(columns, pl.Float32)).with_columns(
        pl.lit(cutoff, dtype=pl.Datetime("us", "UTC")).alias("cutoff")
    )


def feature_rows(seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """User 5 is missing at the middle cut-off, item 4 at all but the first; both have odd numbers of last items."""
    rng = np.random.default_rng(seed)
    users, items = [], []
    for number, cutoff in enumerate(CUTOFFS):
        who = [user for user in range(USERS) if not (number == 1 and user == 5)]
        what = [item for item in range(ITEMS) if not (number and item == 4)]
        last = [list(range(number, number + user * 15)) for user in who]
        frame = _rows("user_key", names(USER_FEATURES), who, cutoff, rng)
        users.append(frame.with_columns(pl.Series("last_items", last, dtype=pl.List(pl.Int64)), pl.lit(0, dtype=pl.Int32).alias("bucket")))
        items.append(_rows("item_key", names(ITEM_FEATURES), what, cutoff, rng))
    made = pl.lit(MADE).alias("materialization")
    return pl.concat(users).with_columns(made), pl.concat(items).with_columns(made)


@pytest.fixture(scope="session")
def lake_of_features(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The rows of ``feature_rows`` and, under another name, different ones."""
    lake = Lake(str(tmp_path_factory.mktemp("features")), FEATURE_TABLES)
    for table, rows, others in zip(FEATURE_TABLES, feature_rows(), feature_rows(seed=1), strict=True):
        lake.create(table)
        lake.append(table, pl.concat([rows, others.with_columns(pl.lit("another").alias("materialization"))], how="diagonal"))
    return lake


@contextmanager
def active(settings: Settings) -> Iterator[Settings]:
    """The settings made active. The views' paths are fixed when Feast's definitions are imported, so they are imported anew."""
    settings.prepare_home()
    before = dict(os.environ)
    try:
        settings.activate()
        _forget_definitions()
        yield settings
    finally:
        _forget_definitions()
        os.environ.clear()
        os.environ.update(before)


def _forget_definitions() -> None:
    """A package keeps a module that was imported from it as an attribute: out of ``sys.modules`` alone it would be found again."""
    sys.modules.pop("feature_repo.definitions", None)
    vars(feature_repo).pop("definitions", None)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """A store of a home of its own."""
    with active(Settings(home=tmp_path_factory.mktemp("feast") / "home")) as settings:
        folder = settings.home / "feast" / "rows"
        users, items = feature_rows()
        offline.export(folder, users.lazy(), items.lazy())
        store = feature_repo.open_store(settings)
        feature_repo.apply(store)
        yield Shelf(store, folder, users, items)


@pytest.fixture(params=["sqlite", "redis"])
def online(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """The settings of a fresh home, active, with an empty online store of either kind."""
    store = "sqlite"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        server.client().flushall()
        store = server.url()
    with active(Settings(home=tmp_path / "home", online_store=store)) as settings:
        yield settings
