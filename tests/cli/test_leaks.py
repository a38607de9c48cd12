"""The leak checks in a real run, with rows from Feast's join: a clean shop trains, features from the future stop it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outfitter.lake.tables import Lake
from outfitter.registry.versions import Registry
from outfitter.settings import load_settings
from tests.conftest import Outcome

WITH_TORCH = {"OUTFITTER_MODELS": '["two_tower"]'}
CHECKS = ["as-of features", "last items", "planted canary", "exams", "label shuffle", "too good"]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, home: Path) -> Callable[[], Registry]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    return lambda: Registry(load_settings(home=home))


def test_a_clean_shop_passes_and_its_runs_say_so(outfitter: Any, home: Path, tiny_shop: Path, registry: Callable[[], Registry]) -> None:
    ran = outfitter("run", "--path", tiny_shop, "--json", **WITH_TORCH)
    assert ran.code == 0, ran.stderr
    leaks = ran.result["train"]["leaks"]
    assert leaks["passed"] is True
    assert [check["name"] for check in leaks["checks"]] == CHECKS
    assert all(check["tried"] for check in leaks["checks"]), leaks["line"]
    assert leaks["checks"][0]["figures"]["user_rows"] > 100
    for run_id in (*(model["run_id"] for model in ran.result["train"]["models"]), ran.result["train"]["champion"]["run_id"]):
        assert json.loads(registry().read_text(run_id, "leaks.json")) == leaks
        assert registry().run(run_id).data.tags["outfitter.leaks"] == leaks["line"]


def test_features_from_the_future_stop_the_training(
    home: Path, environment: Callable[[Path], dict[str, str]], tiny_shop: Path, registry: Callable[[], Registry]
) -> None:
    command = [sys.executable, str(Path(__file__).with_name("leaking.py")), "run", "--path", str(tiny_shop), "--json"]
    done = subprocess.run(command, env={**environment(home), **WITH_TORCH}, capture_output=True, text=True, timeout=240, check=False)
    outcome = Outcome(done.returncode, done.stdout, done.stderr)
    assert outcome.code == 2, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert outcome.result["error"] == "LeakError"
    assert outcome.result["message"].startswith("leak found by the check 'as-of features' (and last items")
    assert "when everything later is removed first" in outcome.result["message"]
    assert "raise FEATURES_VERSION" in outcome.result["hint"]
    stages = Lake(str(home / "lake")).read("stages")["stage"].to_list()
    assert "fit" in stages
    assert not {"leaks", "train", "recommend"} & set(stages)
    assert Lake(str(home / "lake")).read("promotions").is_empty()
    assert registry().champion() is None
    runs = registry().client.search_runs([registry().experiment])
    assert runs
    assert all(run.data.tags["outfitter.leaks"].startswith("LEAK: as-of features") for run in runs)
