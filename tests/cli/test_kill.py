"""``kill -9`` anywhere, run it again, and the tables are those of a run that nobody disturbed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outfitter.registry.versions import Registry
from outfitter.settings import load_settings
from tests.cli.tables import contents, same

APPEND = "outfitter.lake.tables:Lake.append"
REGISTRY = "outfitter.registry.versions:Registry"
POINTS = [
    f"{APPEND}:lake:before:1",  # all tables made, but the lake not founded
    f"{APPEND}:items:after:1",  # ingest: keys written, nothing else
    f"{APPEND}:interactions:after:2",  # ingest: between two Delta commits of one delivery
    f"{APPEND}:deliveries:after:3",  # ingest: between two deliveries
    f"{APPEND}:user_features:after:2",  # materialize: between the user and the item rows of a cut-off
    f"{APPEND}:stages:before:2",  # materialize: online, but the stage not yet written down
    f"{REGISTRY}.log:after:2",  # train: a run logged, the candidate not written down
    f"{REGISTRY}.annotate:after:2",  # train: what the leak checks found noted on two runs of four
    f"{REGISTRY}.register:after:1",  # train: a version registered, the decision not
    f"{REGISTRY}.promote:before:1",  # train: decided, the alias not moved
    f"{APPEND}:promotions:after:1",  # train: between the challenge's decision and its alias
    f"{APPEND}:recommendations:after:1",  # recommend: one bucket of two
    f"{APPEND}:batches:before:1",  # recommend: everything but the row that counts
    f"{APPEND}:drift:after:1",  # monitor: the verdict written, the stage not
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, environment: Callable[[Path], dict[str, str]], tiny_shop: Path) -> Path:
    """A home in which the pipeline ran once from beginning to end."""
    home = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-c", "from outfitter.cli.app import main; main()", "run", "--path", str(tiny_shop)]
    subprocess.run(command, env={**environment(home), **WITH_TORCH}, check=True, capture_output=True, timeout=240)
    return home


WITH_TORCH = {"OUTFITTER_MODELS": '["item_knn", "two_tower"]', "OUTFITTER_GATE_MIN_USERS": "30"}
"""A model that reads Feast's joined rows, and a gate that promotes on the tiny shop's few users."""


@pytest.fixture
def killed(home: Path, environment: Callable[[Path], dict[str, str]], tiny_shop: Path) -> Callable[[str], int]:
    """Runs the pipeline in ``home`` and kills it at a point; returns how the process ended."""

    def run(point: str) -> int:
        command = [sys.executable, str(Path(__file__).with_name("killer.py")), point, "run", "--path", str(tiny_shop)]
        done = subprocess.run(command, env={**environment(home), **WITH_TORCH}, check=False, capture_output=True, text=True, timeout=240)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    return run


def versions(home: Path) -> list[tuple[str, str]]:
    registry = Registry(load_settings(home=home))
    champion = registry.champion()
    assert champion is not None
    found = registry.client.search_model_versions("name = 'outfitter'")
    return [*sorted((version.version, version.tags["outfitter.verdict"]) for version in found), ("champion", champion.version)]


@pytest.mark.slow
def test_killed_once_in_every_stage(outfitter: Any, home: Path, killed: Callable[[str], int], undisturbed: Path, tiny_shop: Path) -> None:
    """Each run goes on where the last one died, and dies at the next point."""
    died = [point for point in POINTS if killed(point) == -signal.SIGKILL]
    assert died == POINTS, "a point was never reached"
    finished = outfitter("run", "--path", tiny_shop, "--json", **WITH_TORCH)
    assert finished.code == 0, finished.stderr
    same(contents(home), contents(undisturbed))
    assert versions(home) == versions(undisturbed)


@pytest.mark.slow
def test_killed_at_every_task_boundary(home: Path, killed: Callable[[str], int], undisturbed: Path, tmp_path: Path) -> None:
    boundaries = tmp_path / "boundaries"
    boundaries.touch()
    deaths = 0
    while killed(f"boundary:{boundaries}") == -signal.SIGKILL:
        deaths += 1
        assert deaths < 200, "the chain of kills does not end"
    names = {line.split("#")[0] for line in boundaries.read_text().splitlines()}
    assert {"discover", "stage", "judge", "commit", "compute features", "materialize online", "fit", "bootstrap", "gate"} <= names
    assert {
        "search leaks",
        "analyse errors",
        "recommend bucket",
        "validate batch",
        "publish",
        "compare windows",
        "record verdict",
        "emit event",
    } <= names
    assert deaths == len(boundaries.read_text().splitlines())
    same(contents(home), contents(undisturbed))
    assert versions(home) == versions(undisturbed)
