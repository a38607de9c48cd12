"""Fitting and asking models in a process of their own, so that each one's memory is its own and one that dies takes no other along."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import QueueHandler, QueueListener
from typing import Any

from models.base import Recipe
from models.data import Float, Positions
from models.families import family
from models.training.watch import watched
from outfitter.errors import ModelError
from outfitter.evaluation.datasets import Dataset
from outfitter.evaluation.folds import Split
from outfitter.experiments import memory
from outfitter.experiments.trying import families_of, fit, lists, ratings
from outfitter.orphans import die_with_parent
from outfitter.progress import report


@dataclass(frozen=True)
class Answer:
    """What one fitted model said on one test fold, and what it cost.

    shown int32[n, k]; predicted: float32[m], the stars of the fold's ratings, None of a model that foretells none. seconds to fit, and to
    answer all users; MiB of the process before the fit, data included, and at most until it had answered.
    """

    fold: str
    seed: int
    shown: Positions
    predicted: Float | None
    fit_seconds: float
    score_seconds: float
    memory_before: float
    memory_peak: float


@dataclass(frozen=True)
class Bench:
    """What every model is asked on."""

    data: Dataset
    split: Split
    k: int


def answers(bench: Bench, label: str, recipes: Sequence[tuple[int, Recipe]]) -> list[Answer]:
    """Every test fold by every one of ``recipes``, which are (seed, recipe), in a process that ends with them.

    Raises ModelError when a model cannot be fitted, or when its process is killed.
    """
    context = multiprocessing.get_context("spawn")  # a fork would begin with the memory, and the threads' locks, of this process
    with _heard(context) as queue, ProcessPoolExecutor(1, context, _begin, (queue,)) as process:
        try:
            return process.submit(_answers, bench, label, recipes).result()
        except BrokenProcessPool as error:
            told = "Unless something above says why, memory ran out and the kernel ended it: try it on less data, or with smaller settings."
            raise ModelError(f"the process of '{label}' died", told) from error


@contextmanager
def _heard(context: Any) -> Iterator[Any]:
    """A queue for log records; what the process puts there is handled here, so that progress is shown as ever."""
    queue = context.Queue()
    listener = QueueListener(queue, _Onward())
    listener.start()
    try:
        yield queue
    finally:
        listener.stop()


class _Onward(logging.Handler):
    """Hands a record to the logger that it was meant for."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _begin(queue: Any) -> None:
    """A process that is killed takes this one along: nobody would ever ask it anything again, and it holds the data."""
    die_with_parent(signal.SIGKILL)
    logger = logging.getLogger("outfitter")
    logger.setLevel(logging.INFO)
    logger.addHandler(QueueHandler(queue))


class _Epochs:
    """Says how far a training is."""

    def __init__(self, label: str) -> None:
        self._label = label

    def epoch(self, number: int, metrics: dict[str, float], done: int, total: int) -> None:
        told = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name not in ("learning_rate", "seconds"))
        report(self._label, f"epoch {number} of at most {total}: {told}", done=done, total=total)


def _answers(bench: Bench, label: str, recipes: Sequence[tuple[int, Recipe]]) -> list[Answer]:
    found = []
    for seed, recipe in recipes:
        if any(family(name).uses_torch for name in families_of(recipe)):
            import torch  # noqa: F401 - which takes seconds, and is no part of fitting

        for fold in bench.split.tests(bench.data):
            report(label, f"fold {fold.name}, seed {seed}")
            memory.forget()
            before, started = memory.resident(), time.perf_counter()
            with watched(_Epochs(label)):
                model = fit(recipe, fold, bench.data)
            fitted = time.perf_counter()
            shown = lists(model, fold, bench.k, bench.split.repeats)
            scored = time.perf_counter()
            stars = ratings(model, fold)
            most = max(before, memory.peak())  # the kernel brings its two counters up to date at different moments
            found.append(Answer(fold.name, seed, shown, stars, fitted - started, scored - fitted, before, most))
    return found
