"""One small shop, trained once: candidates on the validation window, logged in a real MLflow database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import mlflow
import polars as pl
import pytest

from outfitter.datasets import adapter
from outfitter.datasets.base import SourceFile
from outfitter.datasets.synthetic import Shop, write_shop
from outfitter.evaluation.exam import Exam, set_exam
from outfitter.evaluation.training import Material
from outfitter.features.asof import Windows, rows_as_of
from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake.snapshot import Snapshot, open_snapshot, take_snapshot
from outfitter.lake.tables import Lake
from outfitter.registry.candidates import Candidate, recipes, train_candidate
from outfitter.registry.contest import Contest
from outfitter.registry.versions import Registry
from outfitter.settings import Settings
from tests.outfitter.lake.frames import NOW, Arrival, arrival, founded, ingest

SHOP = Shop(users=60, items=60, interactions=1500, days=150, seed=1)
MADE = "made"
TARGETS = ("purchase", "rent", "rating")


@dataclass(frozen=True)
class Trained:
    """A home after its candidates were fitted: what a promotion starts from."""

    material: Material
    windows: Windows
    registry: Registry
    candidates: list[Candidate]

    def exam(self, asked: datetime, until: datetime) -> Exam:
        return set_exam(self.material.snapshot, self.material.settings, asked, until, self.material.rows("user_features", asked))

    def contest(self, fingerprint: str = "training") -> Contest:
        test = self.exam(self.windows.test_from, self.windows.as_of)
        return Contest(self.material, test, self.registry, fingerprint, NOW)


def settings_of(home: Path) -> Settings:
    of_models = {"models": ("item_knn",), "gate_baselines": ("popularity", "recent_popularity")}
    return Settings(home=home, window_days=14, training_cutoffs=1, list_length=6, bootstrap_samples=200, gate_min_users=30, **of_models)


def _arrivals(folder: Path) -> list[Arrival]:
    """Every row as it was written: what validation makes of rows is another test's business."""
    reader = adapter("synthetic")
    out = []
    names = sorted(path.name for path in folder.iterdir())
    for number, (name, role) in enumerate(reader.discover(names, str(folder)).items()):
        (frames,) = reader.read(SourceFile(folder / name, name, role))
        out.append(arrival(f"delivery{number}", name, 0, frames.interactions, frames.users, frames.items))
    return out


def _features(snapshot: Snapshot, windows: Windows, lake: Lake) -> None:
    for table in FEATURE_TABLES:
        lake.create(table)
    for cutoff in windows.cutoffs(1):
        frames = rows_as_of(snapshot, cutoff, windows, TARGETS)
        for table, rows in zip(FEATURE_TABLES, frames, strict=True):
            lake.append(table, rows.with_columns(pl.lit(MADE).alias("materialization")))


@pytest.fixture(scope="session")
def mlflow_here() -> Iterator[None]:
    """MLflow keeps its store in a global and in the environment: put both back."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    mlflow.set_tracking_uri("")


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, blank_mlflow: Path, mlflow_here: None) -> Trained:
    """The home that the others are copies of."""
    home = tmp_path_factory.mktemp("registry") / "home"
    (home / "mlflow").mkdir(parents=True)
    shutil.copy(blank_mlflow, home / "mlflow" / "mlflow.db")
    settings = settings_of(home)
    settings.activate()
    write_shop(SHOP, home / "shop")
    lake = founded(home / "lake")
    ingest(lake, *_arrivals(home / "shop"))
    snapshot = take_snapshot(lake, NOW)
    windows = Windows.before(snapshot.as_of, settings.window_days)
    features = Lake(settings.lake_root, FEATURE_TABLES)
    _features(snapshot, windows, features)
    trained = Trained(Material(snapshot, features, MADE, settings), windows, Registry(settings), [])
    validation = trained.exam(windows.validation_from, windows.test_from)
    ticks = iter(range(1000))
    fitted = [
        train_candidate(one, trained.material, validation, trained.registry, NOW, lambda: next(ticks))
        for one in recipes(settings, trained.material.n_items)
    ]
    return replace(trained, candidates=fitted)


def opened(home: Path, like: Trained) -> Trained:
    """A home by its folder, as a new process would find it."""
    settings = settings_of(home)
    settings.activate()
    snapshot = open_snapshot(Lake(settings.lake_root))
    material = Material(snapshot, Lake(settings.lake_root, FEATURE_TABLES), MADE, settings)
    return Trained(material, like.windows, Registry(settings), like.candidates)


@pytest.fixture
def trained(first: Trained, tmp_path: Path) -> Trained:
    """A copy to spoil."""
    home = tmp_path / "home"
    shutil.copytree(first.material.settings.home / "lake", home / "lake")
    (home / "mlflow").mkdir()
    shutil.copy(first.material.settings.home / "mlflow" / "mlflow.db", home / "mlflow" / "mlflow.db")
    return opened(home, first)
