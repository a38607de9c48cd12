"""What all tests share: the real data's folder, a tiny shop, a Prefect server for the whole session, and the command as a process."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from outfitter.cli.app import end_quickly
from outfitter.datasets.synthetic import Shop, write_shop
from tests.postgres import blank_database, database, postgres
from tests.s3 import s3, s3_server

atexit.register(end_quickly)  # the last words of a test run are its result

__all__ = ["blank_database", "database", "postgres", "s3", "s3_server"]  # fixtures
REPOSITORY = Path(__file__).parents[1]
REAL_DATA = REPOSITORY.parent / "shared" / "data"
TINY = Shop(users=120, items=80, interactions=4_000, days=150, seed=3)
TINY_SETTINGS = {
    "OUTFITTER_MODELS": '["item_knn"]',
    "OUTFITTER_GATE_BASELINES": '["popularity", "recent_popularity"]',
    "OUTFITTER_TRAINING_CUTOFFS": "2",
    "OUTFITTER_WINDOW_DAYS": "14",
    "OUTFITTER_N_BUCKETS": "2",
}


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The machine-readable result of ``--json``."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def tiny_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shop small enough to run the whole pipeline in seconds."""
    folder = tmp_path_factory.mktemp("shops") / "tiny"
    write_shop(TINY, folder)
    return folder


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Prefect server for all commands of the session, on a free loopback port, stopped at the end."""
    from outfitter.cli.engine import prefect_server
    from outfitter.settings import load_settings

    settings = load_settings(home=tmp_path_factory.mktemp("prefect"))
    settings.prepare_home()
    before = dict(os.environ)
    settings.activate()
    try:
        with prefect_server(settings) as ready:
            ready()
            api = os.environ["PREFECT_API_URL"]
            os.environ.clear()
            os.environ.update(before)
            yield api
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def blank_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MLflow database as it is after its migrations, which take longer than most tests."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("mlflow")
    SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.db'}", str(folder / "unused"))
    return folder / "mlflow.db"


@pytest.fixture
def home(tmp_path: Path, blank_mlflow: Path) -> Path:
    """A home nobody has used, but for the empty tables of MLflow."""
    folder = tmp_path / "home"
    (folder / "mlflow").mkdir(parents=True)
    shutil.copy(blank_mlflow, folder / "mlflow" / "mlflow.db")
    return folder


@pytest.fixture(scope="session")
def environment(prefect_api: str) -> Callable[[Path], dict[str, str]]:
    """The environment of a command that works in a given home with tiny settings."""
    return lambda home: {**os.environ, "OUTFITTER_HOME": str(home), "OUTFITTER_PREFECT_API_URL": prefect_api, **TINY_SETTINGS}


@pytest.fixture
def outfitter(home: Path, environment: Callable[[Path], dict[str, str]]) -> Command:
    """Runs ``outfitter ARGUMENTS`` in ``home``; keyword arguments are further environment variables."""

    def run(*arguments: str | Path, timeout: float = 240, **variables: str) -> Outcome:
        command = [sys.executable, "-c", "from outfitter.cli.app import main; main()", *map(str, arguments)]
        run_in = {**environment(home), **variables}
        done = subprocess.run(command, env=run_in, capture_output=True, text=True, timeout=timeout, check=False, cwd=home.parent)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
