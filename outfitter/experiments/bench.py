"""The table of models on one data set: settings found on validation data when there is time to, then every test fold asked."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from models.base import Recipe
from models.families import fingerprint
from outfitter import __version__
from outfitter.errors import ModelError
from outfitter.evaluation.datasets import Dataset
from outfitter.evaluation.folds import Split
from outfitter.experiments import figures
from outfitter.experiments.entries import Blended, Entry
from outfitter.experiments.figures import Asked, Resampling
from outfitter.experiments.worker import Answer, Bench, answers
from outfitter.progress import report
from outfitter.settings import Settings

LIBRARIES = ("implicit", "numba", "numpy", "scipy", "torch")
"""Whose versions a figure may depend on."""
MEASURED = (
    "Seconds are of one fit and of answering all users once, on the wall. Memory is MiB of the model's own process as the kernel counts "
    "resident pages: before the fit, with the data and the libraries in it, and at most until it had answered."
)


@dataclass(frozen=True)
class Plan:
    """What is compared, and how. seeds: fits of a model that chance has a part in. minutes: of search for each model; 0 for none."""

    entries: tuple[Entry, ...]
    split: Split
    k: int
    seeds: int
    minutes: float


@dataclass
class Outcome:
    """One model's part of the table; ``error`` says why there is none."""

    entry: Entry
    found: Any = None
    answers: list[Answer] = field(default_factory=list)
    error: str = ""

    def recipe(self, seed: int) -> Recipe:
        """With what was found for it."""
        return self.entry.recipe(self.found.params if self.found else {}, seed)


def compare(plan: Plan, data: Dataset, settings: Settings) -> tuple[dict[str, Any], list[Outcome]]:
    """The table, as JSON has it, and what it was made from. A model that cannot be fitted is told in it and does not stop the others.

    Raises ModelError when none can be, NotEnoughData and SettingsError when the data cannot be split so.
    """
    asked = [Asked.of(fold) for fold in plan.split.tests(data)]
    bench = Bench(data, plan.split, plan.k)
    outcomes = [_outcome(entry, plan, bench, settings) for entry in plan.entries]
    if all(outcome.error for outcome in outcomes):
        raise ModelError(f"no model could be compared: {outcomes[0].error}")
    resampling = Resampling(settings.bootstrap_samples, settings.seed)
    rows = _rows(outcomes, asked, resampling, settings.seed)
    references = {part: next((row["model"] for row in rows if part in row), None) for part in ("ranking", "ratings")}
    return {**_facts(plan, data, settings), "references": references, "models": rows}, outcomes


def _outcome(entry: Entry, plan: Plan, bench: Bench, settings: Settings) -> Outcome:
    seeds = range(settings.seed, settings.seed + (plan.seeds if entry.seeded else 1))
    outcome = Outcome(entry)
    try:
        _search(outcome, plan, bench, settings)
        report(entry.label, "starting")
        outcome.answers = answers(bench, entry.label, [(seed, outcome.recipe(seed)) for seed in seeds])
    except (ModelError, MemoryError, RuntimeError) as error:  # the last is torch out of memory, or a network that cannot be
        outcome.error = str(error)
    report(entry.label, outcome.error or _summary(outcome.answers), "done")
    return outcome


def _summary(found: Sequence[Answer]) -> str:
    return f"{len(found)} fits, {sum(one.fit_seconds for one in found):.1f} s, at most {max(one.memory_peak for one in found):,.0f} MiB"


def _search(outcome: Outcome, plan: Plan, bench: Bench, settings: Settings) -> None:
    """Find the settings, when there is time; of a blend first those of its members, each of which has the same time."""
    entry = outcome.entry
    if plan.minutes and isinstance(entry, Blended):
        found = [_searched(member, plan, bench, settings) for member in entry.members]
        outcome.entry = replace(entry, found=tuple(tuple(one.params.items()) if one else () for one in found))
    outcome.found = _searched(outcome.entry, plan, bench, settings)


def _searched(entry: Entry, plan: Plan, bench: Bench, settings: Settings) -> Any:
    """What a search found; None when no time was given for one, or when the model has nothing to be found."""
    if not plan.minutes or not entry.space:
        return None
    from outfitter.experiments.runs import Runs
    from outfitter.experiments.search import search
    from outfitter.experiments.trial import Task

    task = Task(entry, bench.data, plan.split, plan.k, settings.seed)
    runs = Runs(settings, task)
    found = search(task, plan.minutes, studies(settings), runs.tell)
    runs.finish(found)
    return found


def studies(settings: Settings) -> Path:
    """Where the studies of searches lie."""
    return settings.home / "experiments"


def _rows(outcomes: Sequence[Outcome], asked: Sequence[Asked], resampling: Resampling, seed: int) -> list[dict[str, Any]]:
    fitted = [outcome for outcome in outcomes if outcome.answers]
    ranked = {outcome.entry.label: figures.per_user(outcome.answers, asked) for outcome in fitted}
    rated = {outcome.entry.label: found for outcome in fitted if (found := figures.errors(outcome.answers, asked)) is not None}
    rows = []
    for outcome in outcomes:
        label, row = outcome.entry.label, _head(outcome, seed)
        if label in ranked:
            row["ranking"] = figures.ranking(ranked[label], next(iter(ranked.values())), asked, resampling)
            row["coverage"] = figures.coverage(outcome.answers, asked)
            row["by_seed"] = figures.by_seed(outcome.answers, asked)
        if label in rated:
            row["ratings"] = figures.stars(rated[label], next(iter(rated.values())), outcome.answers, asked, resampling)
        rows.append(row)
    return rows


def _head(outcome: Outcome, seed: int) -> dict[str, Any]:
    """What a model is and costs."""
    found, entry = outcome.found, outcome.entry
    params = dict(outcome.recipe(seed).params)
    row = {"model": entry.label, "family": entry.model, "settings": params, "search": asdict(found) if found else None, "error": None}
    if not outcome.answers:
        return {**row, "error": outcome.error}
    means = {
        name: float(np.mean([getattr(one, name) for one in outcome.answers])) for name in ("fit_seconds", "score_seconds", "memory_before")
    }
    return {**row, "fits": len(outcome.answers), **means, "memory_peak": max(one.memory_peak for one in outcome.answers)}


def _facts(plan: Plan, data: Dataset, settings: Settings) -> dict[str, Any]:
    """What the figures are of, and what they depend on beside the models."""
    return {
        "data": {"source": data.source, **data.counts(), "dropped": dict(data.dropped), "newest": data.newest.isoformat()},
        "split": {"name": plan.split.name, **asdict(plan.split)},  # type: ignore[call-overload]
        "k": plan.k,
        "seeds": list(range(settings.seed, settings.seed + plan.seeds)),
        "intervals": {"share": 0.95, "resampled": "users", "samples": settings.bootstrap_samples, "seed": settings.seed},
        "search_minutes": plan.minutes,
        "measured": MEASURED,
        "versions": {"outfitter": __version__, "models": fingerprint(), **{name: metadata.version(name) for name in LIBRARIES}},
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
    }
