"""Models in a process of their own: the same answers as here, their costs, and what becomes of errors and of a killed process."""

from __future__ import annotations

import logging
import os
import signal

import numpy as np
import pytest

from models.base import Recipe
from models.neighbours.item_knn import ItemKNN
from models.popularity import Popularity
from outfitter.errors import ModelError
from outfitter.evaluation.folds import ByTime
from outfitter.experiments import memory
from outfitter.experiments.worker import Bench, answers
from tests.outfitter.evaluation.tiny import random_walks

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


def test_memory_is_what_was_held_since_then() -> None:
    before = memory.resident()
    held = np.ones(50 << 20, dtype=np.uint8)
    assert memory.peak() >= before + 45
    del held
    memory.forget()
    assert memory.peak() < before + 40
    assert memory.resident() <= memory.peak()
