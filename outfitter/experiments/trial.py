"""One trial of a search: settings become fitted models, one a validation fold, and these are judged while they are asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from models.base import Recommender
from models.blend import Blend
from models.families import fingerprint
from models.training.watch import watched
from outfitter import __version__
from outfitter.evaluation.datasets import Dataset
from outfitter.evaluation.folds import Fold, Split
from outfitter.experiments.entries import Blended, Entry
from outfitter.experiments.trying import fit, worth
from outfitter.progress import report

Fitter = Callable[[Mapping[str, Any], Fold], Recommender]
SETTLED = 3
"""Epochs before which no training is given up: how a network begins says little."""
ENOUGH = 1000
"""Users on whom a trial must have been measured before it is given up: the NDCG of fewer is mostly noise."""


@dataclass(frozen=True)
class Task:
    """What is searched for: the settings of ``entry`` that do best on the validation folds of ``split``, by NDCG at ``k``."""

    entry: Entry
    data: Dataset
    split: Split
    k: int
    seed: int

    @property
    def name(self) -> str:
        """Of the study: the same for the same question, so that it is found again."""
        data, entry = self.data, self.entry
        told = repr((entry.recipe({}, self.seed), entry.space, self.split, self.k, self.seed, __version__))
        content = hashlib.sha256(told.encode())
        told_of = data.user, data.item, data.timestamp, data.event, data.value, data.weight, data.taken
        for column in (*told_of, data.items["known_from"].to_physical().to_numpy(), data.attributes.indptr, data.attributes.indices):
            content.update(column.tobytes())
        content.update(fingerprint().encode())
        return f"{entry.model}-{data.source}-{self.split.name}-{content.hexdigest()[:12]}"


def fitter_of(task: Task, folds: Sequence[Fold]) -> Fitter:
    """How settings become a fitted model. The members of a blend are fitted once, before the clock runs, since only weights change."""
    entry = task.entry
    if not isinstance(entry, Blended):
        return lambda params, fold: fit(entry.recipe(params, task.seed), fold, task.data)
    members = {}
    for fold in folds:
        report(f"search {entry.label}", f"fitting the members on {fold.name}")
        members[fold.name] = [fit(recipe, fold, task.data) for recipe in entry.recipes(task.seed)]

    def blended(params: Mapping[str, Any], fold: Fold) -> Recommender:
        told = dict(entry.recipe(params, task.seed).params)
        return Blend.of(members[fold.name], told["weights"], told["by"])

    return blended


def value_of(trial: optuna.Trial, task: Task, folds: Sequence[Fold], fitter: Fitter) -> float:
    """The mean over the folds. Raises TrialPruned once it is plainly worse than what others had come to at the same step."""
    judge = _Judge(trial, task.entry.label)
    values: list[float] = []
    users = 0
    for fold in folds:
        with watched(*([] if values else [judge])):
            model = fitter(trial.params, fold)
        parts = list[tuple[float, int]]()
        for part in worth(model, fold, task.k, task.split.repeats):
            parts.append(part)
            judge.hear(float(np.mean([*values, part[0]])), users + part[1])
        values.append(parts[-1][0])
        users += parts[-1][1]
    return float(np.mean(values))


class _Judge:
    """Tells the study how a trial does, by epochs where the model has a score for them, else by parts of the users, fold after fold."""

    def __init__(self, trial: optuna.Trial, label: str) -> None:
        self._trial, self._label, self._by_epoch, self._parts = trial, label, False, 0

    def epoch(self, number: int, metrics: dict[str, float], done: int, total: int) -> None:
        report(f"search {self._label}", f"trial {self._trial.number}, epoch {number} of at most {total}", done=done, total=total)
        for value in (value for name, value in metrics.items() if name.endswith("score")):
            self._by_epoch = True
            self._report(value, number)

    def hear(self, value: float, users: int) -> None:
        self._parts += 1
        if not self._by_epoch and users >= ENOUGH:  # what a network scores while it trains is on another scale
            self._report(value, SETTLED + self._parts)

    def _report(self, value: float, step: int) -> None:
        self._trial.report(value, step)
        if self._trial.should_prune():
            raise optuna.TrialPruned
