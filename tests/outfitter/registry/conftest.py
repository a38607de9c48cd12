"""One small shop, trained once: candidates on the validation window, logged in a real MLflow database.

Whatever starts from it is tested twice, with MLflow in SQLite and in PostgreSQL; the second is slow unless it is about the registry alone.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import mlflow
import polars as pl
import pytest

from models.base import Recommender
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
from outfitter.registry.versions import Registry, Version
from outfitter.settings import Settings
from tests.outfitter.lake.frames import NOW, Arrival, arrival, founded, ingest
from tests.postgres import Postgres

SHOP = Shop(users=60, items=60, interactions=1500, days=150, seed=1)
MADE = "made"
TARGETS = ("purchase", "rent", "rating")
QUICK_IN_POSTGRES = ("test_production",)


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


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.01)
    return False


def registry_at(home: Path, mlflow_uri: str | None, **settings: str) -> Registry:
    """The registry of a home that may be new."""
    made = Settings(home=home, mlflow_uri=mlflow_uri, **settings)  # type: ignore[arg-type]
    made.activate()
    made.prepare_home()
    return Registry(made)


def a_version(registry: Registry, model: Recommender, folder: Path) -> Version:
    """A fitted model, logged and registered; ``folder`` is a scratch folder to be made."""
    folder.mkdir()
    with registry.running(model.name) as run_id:
        registry.log(model, folder, {"ndcg_at_6": 0.5}, {"outfitter.role": "production"}, "# a card", {})
    return registry.register(run_id, {})


def settings_of(home: Path, mlflow_uri: str | None = None) -> Settings:
    few = {"window_days": 14, "training_cutoffs": 1, "list_length": 6, "bootstrap_samples": 200, "gate_min_users": 30}
    of_models = {"models": ("item_knn",), "gate_baselines": ("popularity", "recent_popularity")}
    return Settings(home=home, mlflow_uri=mlflow_uri, **few, **of_models)  # type: ignore[arg-type]


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


def _home(folder: Path, blank_mlflow: Path) -> Path:
    """A home with the empty tables of MLflow."""
    (folder / "mlflow").mkdir(parents=True)
    shutil.copy(blank_mlflow, folder / "mlflow" / "mlflow.db")
    return folder


def _train(settings: Settings) -> Trained:
    settings.activate()
    write_shop(SHOP, settings.home / "shop")
    lake = founded(settings.home / "lake")
    ingest(lake, *_arrivals(settings.home / "shop"))
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


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, blank_mlflow: Path, mlflow_here: None) -> Trained:
    """The home that the others are copies of."""
    return _train(settings_of(_home(tmp_path_factory.mktemp("registry") / "home", blank_mlflow)))


@pytest.fixture(scope="session")
def first_in_postgres(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, blank_database: str, mlflow_here: None
) -> Iterator[tuple[Trained, str]]:
    """The same with MLflow in PostgreSQL, and the name of its database."""
    home = tmp_path_factory.mktemp("registry") / "home"
    with postgres.database(blank_database) as name:
        (home / "mlflow").mkdir(parents=True)
        trained = _train(settings_of(home, postgres.uri(name)))
        postgres.hang_up(name)
        yield trained, name


def opened(home: Path, like: Trained, mlflow_uri: str | None = None) -> Trained:
    """A home by its folder, as a new process would find it."""
    settings = settings_of(home, mlflow_uri or like.material.settings.mlflow_uri)
    settings.activate()
    snapshot = open_snapshot(Lake(settings.lake_root))
    material = Material(snapshot, Lake(settings.lake_root, FEATURE_TABLES), MADE, settings)
    return Trained(material, like.windows, Registry(settings), like.candidates)


@pytest.fixture
def store() -> str:
    """Where MLflow keeps what ``trained`` begins with; see ``pytest_generate_tests``."""
    return "sqlite"


@pytest.fixture
def trained(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Trained]:
    """A copy to spoil."""
    home = tmp_path / "home"
    if store == "sqlite":
        first: Trained = request.getfixturevalue("first")
        shutil.copytree(first.material.settings.home / "lake", home / "lake")
        _home(home, first.material.settings.home / "mlflow" / "mlflow.db")
        yield opened(home, first)
        return
    first, database = request.getfixturevalue("first_in_postgres")
    shutil.copytree(first.material.settings.home / "lake", home / "lake")
    (home / "mlflow").mkdir()
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database(database) as name:
        yield opened(home, first, postgres.uri(name))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of a trained home in both stores, unless it names its own."""
    named = any(mark.args[0] == "store" for mark in metafunc.definition.iter_markers("parametrize"))
    if "trained" in metafunc.fixturenames and not named:
        quick = metafunc.module.__name__.rpartition(".")[2] in QUICK_IN_POSTGRES
        metafunc.parametrize("store", ["sqlite", pytest.param("postgresql", marks=() if quick else pytest.mark.slow)])
