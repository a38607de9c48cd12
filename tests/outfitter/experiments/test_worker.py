"""Models in a process of their own: the same answers as here, their costs, and what becomes of errors and of a killed process."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from models.base import Recipe
from models.neighbours.item_knn import ItemKNN
from models.popularity import Popularity
from outfitter.errors import ModelError
from outfitter.evaluation.folds import ByTime
from outfitter.experiments import memory
from outfitter.experiments import worker as answering
from outfitter.experiments.worker import Bench, answers
from tests.outfitter.evaluation.tiny import dataset, random_walks

BENCH = Bench(random_walks(), ByTime(10, windows=2), 4)


def test_every_fold_is_answered_as_it_is_here(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "outfitter.progress"):
        found = answers(BENCH, "near", [(0, Recipe("item_knn", (("neighbours", 5),))), (1, Recipe("popularity"))])
    folds = list(BENCH.split.tests(BENCH.data))
    assert [(one.fold, one.seed) for one in found] == [(fold.name, seed) for seed in (0, 1) for fold in folds]
    for one, fold in zip(found, folds * 2, strict=True):
        model = (ItemKNN(neighbours=5), Popularity())[one.seed].fit(fold.training)
        assert np.array_equal(one.shown, model.recommend(fold.asked, 4, fold.available).items)
        assert one.predicted is None
        assert one.fit_seconds >= 0
        assert one.score_seconds > 0
        assert one.memory_peak >= one.memory_before > 20, "MiB: Python with numpy is larger than that"
    assert [record.getMessage() for record in caplog.records] == [f"near: fold {one.fold}, seed {one.seed}" for one in found]


def test_an_error_of_a_model_is_told_here() -> None:
    with pytest.raises(ModelError, match="there is no model 'gone'"):
        answers(BENCH, "gone", [(0, Recipe("gone"))])


def test_a_killed_process_is_told_and_takes_nothing_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outfitter.experiments.worker._answers", _die)
    with pytest.raises(ModelError, match=r"the process of 'als' died\. Unless something above says why, memory ran out"):
        answers(BENCH, "als", [(0, Recipe("als"))])


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_the_process_of_a_model_ends_with_the_one_that_is_killed(tmp_path: Path) -> None:
    code = "from tests.outfitter.experiments import test_worker; test_worker._wait_for_an_answer()"
    place = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3], env={**os.environ, "PLACE": str(place)}) as asking:
        worker = _soon(lambda: psutil.Process(int(place.read_text())) if place.exists() and place.read_text() else None)
        assert worker is not None
        assert worker.is_running()
        asking.kill()
    assert _soon(lambda: not worker.is_running())


def _wait_for_an_answer() -> None:
    answering._answers = _never
    answers(BENCH, "slow", [(0, Recipe("popularity"))])


def _never(*_: object) -> None:
    Path(os.environ["PLACE"]).write_text(str(os.getpid()))
    time.sleep(600)


def _soon(wanted: Callable[[], Any]) -> Any:
    """What is wanted, as soon as there is some; None after a minute without."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if found := wanted():
            return found
        time.sleep(0.05)
    return None


def test_stars_come_from_whatever_foretells_them() -> None:
    rows = [(f"u{user}", f"i{item}", -item, "rating", 1, 1, float(1 + (user * item) % 5)) for user in range(8) for item in range(6)]
    rated = Bench(dataset(*rows), ByTime(2), 3)
    for recipe in (Recipe("user_knn"), Recipe("rating_means")):
        (answer,) = answers(rated, recipe.model, [(0, recipe)])
        assert answer.predicted is not None
        assert np.isfinite(answer.predicted).all()
    (answer,) = answers(rated, "popularity", [(0, Recipe("popularity"))])
    assert answer.predicted is None
    (fold,) = rated.split.tests(rated.data)
    model = Popularity().fit(fold.training)
    with pytest.raises(ModelError, match="'popularity' foretells no stars"):
        model.predict(fold.asked, np.array([0]), np.array([0]))


def test_memory_is_what_was_held_since_then() -> None:
    before = memory.resident()
    held = np.ones(50 << 20, dtype=np.uint8)
    assert memory.peak() >= before + 45
    del held
    memory.forget()
    assert memory.peak() < before + 40
    assert memory.resident() <= memory.peak()
