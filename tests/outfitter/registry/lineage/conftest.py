"""A home with a life: a model trained and a batch published, then a correction and a late delivery, and a batch made from those."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import mlflow
import polars as pl
import pytest

from outfitter.evaluation.training import Material
from outfitter.features.asof import Windows, rows_as_of
from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake import stages
from outfitter.lake.snapshot import take_snapshot
from outfitter.registry.batches import open_batch, publish, recommend_bucket
from outfitter.registry.contest import require_champion
from outfitter.registry.lineage.runs import Models
from outfitter.registry.lineage.sources import Sources
from outfitter.registry.promotion import bootstrap
from tests.outfitter.lake.frames import BUCKETS, arrival, at, bought, ingest
from tests.outfitter.registry.conftest import MADE, TARGETS, Trained, opened

LATER = "later"
MENDED, LATE = "f00dmended", "f00dlate"


@dataclass(frozen=True)
class Life:
    """Batches by name: ``first`` as of the training's snapshot, ``second`` by the same version from a later one."""

    trained: Trained
    first: dict[str, Any]
    second: dict[str, Any]
    user: str
    replaced: str

    @property
    def sources(self) -> Sources:
        """Read anew."""
        material = self.trained.material
        return Sources(material.snapshot.lake, material.features, material.settings, Models(lambda: self.trained.registry))


def materialized(material: Material, as_of: datetime) -> None:
    outputs = {"materialization": material.materialization, "snapshot": material.snapshot.id, "as_of": as_of.isoformat()}
    stages.record(material.snapshot.lake, "materialize", material.materialization, outputs, at(0))


def published(trained: Trained, material: Material, as_of: datetime, when: datetime) -> dict[str, Any]:
    batch = open_batch(material, require_champion(trained.registry), as_of)
    for bucket in range(BUCKETS):
        recommend_bucket(batch, bucket)
    publish(batch, f"validation of {batch.id}", when)
    return batch.lake.scan("batches").filter(pl.col("batch_id") == batch.id).collect().row(0, named=True)


def at_home(life: Life) -> Life:
    """MLflow keeps its store in a global: other tests have used theirs meanwhile."""
    mlflow.set_tracking_uri(life.trained.material.settings.tracking_uri)
    return life


@pytest.fixture
def life(born: Life) -> Life:
    """To be read, not to be spoilt."""
    return at_home(born)


@pytest.fixture(scope="session")
def born(first: Trained, tmp_path_factory: pytest.TempPathFactory) -> Life:
    home = tmp_path_factory.mktemp("lineage") / "home"
    shutil.copytree(first.material.settings.home / "lake", home / "lake")
    (home / "mlflow").mkdir()
    shutil.copy(first.material.settings.home / "mlflow" / "mlflow.db", home / "mlflow" / "mlflow.db")
    trained = opened(home, first)
    material, windows, lake = trained.material, trained.windows, trained.material.snapshot.lake
    materialized(material, windows.as_of)
    bootstrap(trained.contest(), trained.candidates)
    one = published(trained, material, windows.as_of, at(1))
    events = lake.scan("interactions").sort("timestamp").collect()
    faithful = events.group_by("user_key").agg(pl.col("delivery_id").n_unique()).sort("delivery_id", "user_key").row(-1)[0]
    oldest = events.filter(pl.col("user_key") == faithful).row(0, named=True)
    user = lake.scan("users").filter(pl.col("user_key") == faithful).collect()["user_id"][0]
    item = lake.scan("items").filter(pl.col("item_key") == oldest["item_key"]).collect()["item_id"][0]
    replaced = lake.read("deliveries").filter(pl.col("delivery_id") == oldest["delivery_id"]).row(0, named=True)
    first_day, last_day = ((moment - at(0)).total_seconds() / 86_400 for moment in (oldest["timestamp"], windows.as_of))
    mended = arrival(MENDED, replaced["object"], 5, bought((user, item, first_day)))
    late = arrival(LATE, "late<b>.csv", 5, bought((user, item, last_day + 1), ("newcomer", item, last_day + 1)))
    ingest(lake, mended, late)
    snapshot = take_snapshot(lake, at(2))
    for table, rows in zip(FEATURE_TABLES, rows_as_of(snapshot, snapshot.as_of, Windows.before(snapshot.as_of, 14), TARGETS), strict=True):
        material.features.append(table, rows.with_columns(pl.lit(LATER).alias("materialization")))
    newer = Material(snapshot, material.features, LATER, material.settings)
    materialized(newer, snapshot.as_of)
    two = published(trained, newer, snapshot.as_of, at(3))
    assert trained.material.materialization == MADE
    return Life(trained, one, two, user, replaced["delivery_id"])
