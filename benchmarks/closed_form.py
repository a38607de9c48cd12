"""The closed-form model against the neighbours that its sparse form keeps: seconds, memory and ranking, leave-last-out.

    python benchmarks/closed_form.py --source sequences --path DIR [--neighbours 50 100 200 400 800]
    python benchmarks/closed_form.py --drawn FOLDER

Any source that ``outfitter bench`` reads will do; ``--drawn`` is the shop of H&M's size of ``drawn.py``, whose users' last items are held
out. The dense form comes first where it fits into memory, and ``of dense`` is the share of its NDCG@10. What was seen is left out and
everything else ranked, for the first ``--users``. Each model is fitted in a process of its own: ``peak`` is the most that this had in
memory when it was fitted, the data (``before``) and the libraries included. Hyper-parameters are the model's own unless ``--set`` says so.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from drawn import shop

from models.base import Recipe
from models.data import Histories, TrainingData
from models.families import build
from models.metrics import Truth, hit_rate, ndcg

DENSE_ITEMS = 25_000  # two matrices of 2.3 GiB
K = 10


@dataclass(frozen=True)
class Exam:
    """What is learnt from, who is asked, and what they went on to take."""

    training: TrainingData
    asked: Histories
    truth: Truth


@dataclass(frozen=True)
class Line:
    """seconds to fit; users answered a second; MiB before the fit and at most; the two means over users."""

    seconds: float
    speed: float
    before: float
    peak: float
    ndcg: float
    hit_rate: float


def read(source: str, path: str, validation: bool) -> Exam:
    """The exam of a source."""
    from outfitter.evaluation.datasets import read_dataset
    from outfitter.evaluation.folds import LeaveLastOut
    from outfitter.settings import load_settings

    data, split = read_dataset(load_settings(source=source, path=path), datetime.now(UTC)), LeaveLastOut()
    fold = next(iter(split.validations(data) if validation else split.tests(data)))
    return Exam(fold.training, fold.asked, fold.truth)


def drawn(folder: Path) -> Exam:
    """The drawn shop; users who took less than two items are learnt from and not asked."""
    whole = shop(folder)
    h = whole.histories
    last = h.indptr[1:] - 1
    held = np.diff(h.indptr) > 1
    kept = np.ones(len(h.items), dtype=np.bool_)
    kept[last[held]] = False
    indptr = np.concatenate([[0], np.cumsum(np.diff(h.indptr) - held)])
    known = Histories(indptr, h.items[kept], h.weights[kept], h.ages[kept])
    return Exam(replace(whole, histories=known), *_asked(known, h.items[last], np.flatnonzero(held)))


def _asked(known: Histories, last: np.ndarray, users: np.ndarray) -> tuple[Histories, Truth]:
    """What was known of ``users``, and the last items of everybody as what these are asked for; one that they had before is missed."""
    counts = np.diff(known.indptr)[users]
    starts = np.concatenate([[0], np.cumsum(counts)])
    places = np.repeat(known.indptr[users] - starts[:-1], counts) + np.arange(starts[-1])
    histories = Histories(starts, known.items[places], known.weights[places], known.ages[places])
    return histories, Truth(np.arange(len(users) + 1), last[users])


def measured(exam: Exam, recipe: Recipe) -> Line:
    """Fit and ask, in the process that this is called in."""
    before, started = peak(), time.perf_counter()
    model = build(recipe).fit(exam.training)
    seconds, highest, started = time.perf_counter() - started, peak(), time.perf_counter()
    shown = model.recommend(exam.asked, K).items
    speed = len(shown) / (time.perf_counter() - started)
    return Line(seconds, speed, before, highest, ndcg(shown, exam.truth).mean(), hit_rate(shown, exam.truth).mean())


def peak() -> float:
    """MiB: the most this process has had in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(exam: Exam, recipe: Recipe) -> Line:
    """``measured`` in a process that ends with it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measured, exam, recipe).result()


def first(exam: Exam, users: int) -> Exam:
    """The same with the first ``users`` alone asked."""
    users = min(users, exam.asked.n_users)
    return replace(exam, asked=exam.asked.rows(0, users), truth=Truth(exam.truth.indptr[: users + 1], exam.truth.items[:users]))


def setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="sequences")
    parser.add_argument("--path")
    parser.add_argument("--drawn", type=Path)
    parser.add_argument("--validation", action="store_true", help="ask for the items before the last, for choosing settings")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--neighbours", type=int, nargs="+", default=[50, 100, 200, 400, 800])
    parser.add_argument("--set", type=setting, nargs="*", default=[], help="hyper-parameters of both forms, as name=value")
    given = parser.parse_args()
    exam = first(drawn(given.drawn) if given.drawn else read(given.source, given.path, given.validation), given.users)
    sys.stdout.write(f"{len(exam.training.item_ids):,} items, {len(exam.training.histories.items):,} interactions\n")
    sys.stdout.write(
        f"{'form':>12} {'fit s':>8} {'users/s':>8} {'before MiB':>11} {'peak MiB':>9} {'NDCG@10':>8} {'HR@10':>7} {'of dense':>9}\n"
    )
    recipes = [(f"sparse {m}", Recipe("closed_form_sparse", (*given.set, ("neighbours", m)))) for m in given.neighbours]
    if len(exam.training.item_ids) <= DENSE_ITEMS:
        recipes.insert(0, ("dense", Recipe("closed_form", tuple(given.set))))
    dense = float("nan")
    for form, recipe in recipes:
        line = apart(exam, recipe)
        dense = line.ndcg if form == "dense" else dense
        row = f"{form:>12} {line.seconds:>8.1f} {line.speed:>8,.0f} {line.before:>11,.0f} {line.peak:>9,.0f} {line.ndcg:>8.4f}"
        sys.stdout.write(f"{row} {line.hit_rate:>7.4f} {line.ndcg / dense:>9.1%}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
