"""A candidate: a recipe fitted up to the validation window, examined on it, and logged in an MLflow run of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from models.base import Recipe, Recommender
from models.families import build
from models.linear.ease import EASE
from models.linear.sparse_inverse import SparseEASE
from outfitter.evaluation.bootstrap import Interval, interval
from outfitter.evaluation.exam import METRICS, Exam, Result, sit
from outfitter.evaluation.leaks.report import LeakReport
from outfitter.evaluation.training import Material, fit
from outfitter.features.asof import Windows
from outfitter.lake import stages
from outfitter.registry.card import model_card, with_leaks
from outfitter.registry.grids import GRIDS
from outfitter.registry.provenance import provenance, validations
from outfitter.registry.versions import CARD, Registry
from outfitter.settings import Settings

DENSE_ITEMS = 12_000
"""Items above which EASE is fitted in its sparse form: the dense one takes a quarter of a minute there, and the cube of any more."""
FITTING = ("events", "repeat_purchases", "sellable_days", "training_cutoffs", "window_days", "list_length", "seed", "bootstrap_samples")
CHECKING = ("leak_users",)
GATING = (
    "gate_alpha",
    "gate_effect",
    "gate_power",
    "gate_min_users",
    "gate_margin",
    "gate_min_coverage",
    "gate_max_ms",
    "gate_max_mb",
    "gate_max_popularity",
    "gate_too_good",
    "gate_baselines",
    "gate_min_diversity",
    "gate_min_overlap",
    "shadow_users",
)


@dataclass(frozen=True)
class Candidate:
    """What is remembered of a fitted candidate: its recipe, its run and its scores on the validation window."""

    recipe: Recipe
    run_id: str
    scores: Mapping[str, Interval]
    coverage: float
    users: int
    fit_seconds: float

    def outputs(self) -> dict[str, Any]:
        scores = {name: [score.mean, score.low, score.high] for name, score in self.scores.items()}
        plain = {"run_id": self.run_id, "coverage": self.coverage, "users": self.users, "fit_seconds": self.fit_seconds}
        return {"model": self.recipe.model, "params": dict(self.recipe.params), "scores": scores, **plain}

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> Candidate:
        scores = {name: Interval(*values) for name, values in outputs["scores"].items()}
        recipe = Recipe(outputs["model"], tuple(sorted(outputs["params"].items())))
        return cls(recipe, outputs["run_id"], scores, outputs["coverage"], outputs["users"], outputs["fit_seconds"])


def recipes(settings: Settings, n_items: int) -> list[Recipe]:
    """The recipe of each baseline and configured family: its defaults and the configured seed. Raises ModelError for an unknown one."""
    return [_seeded(name, settings.seed) for name in dict.fromkeys((*baselines(settings, n_items), *settings.models))]


def baselines(settings: Settings, n_items: int) -> tuple[str, ...]:
    """What a challenger must beat, the simplest first, in the form that suits a catalogue of that size."""
    return tuple(SparseEASE.name if name == EASE.name and n_items > DENSE_ITEMS else name for name in settings.gate_baselines)


def _seeded(name: str, seed: int) -> Recipe:
    defaults = build(Recipe(name)).params()
    return Recipe.of(build(Recipe(name, (("seed", seed),) if "seed" in defaults else ())))


def training_fingerprint(material: Material, windows: Windows) -> str:
    """What a training run depends on: the data, the windows, the families, every setting that matters to a fit, a check or the gate."""
    settings = {name: getattr(material.settings, name) for name in (*FITTING, *CHECKING, *GATING)}
    models = [[recipe.model, recipe.params] for recipe in recipes(material.settings, material.n_items)]
    return stages.fingerprint("train", on=material.materialization, windows=windows, settings=settings, models=models, grids=GRIDS)


def train_candidate(
    recipe: Recipe, material: Material, exam: Exam, registry: Registry, at: datetime, clock: Any, texts: Mapping[str, str] | None = None
) -> Candidate:
    """Fit a recipe on what was known when the exam asks, examine it, log it; or find it done already.

    clock: a function that gives seconds, for the fitting time that the model card states. texts: artifacts for its run, by their names.
    """
    settings = {name: getattr(material.settings, name) for name in FITTING}
    print_ = stages.fingerprint("fit", recipe=recipe, on=material.materialization, asked=exam.asked, until=exam.until, settings=settings)
    lake = material.snapshot.lake
    if (done := stages.find(lake, "fit", print_)) is not None:
        return Candidate.of(done)
    with registry.running(recipe.model) as run_id:
        started = clock()
        model = fit(recipe, material, exam.asked)
        seconds = clock() - started
        result = sit(exam, model)
        scores = {name: interval(result.per_user[name], settings["bootstrap_samples"], settings["seed"]) for name in METRICS}
        log_fitted(registry, model, material, exam, scores, result, {"outfitter.role": "candidate", "outfitter.fingerprint": print_})
        registry.annotate(run_id, {}, {}, texts or {})
    candidate = Candidate(recipe, run_id, scores, result.coverage, len(exam.users), round(seconds, 3))
    return Candidate.of(stages.record(lake, "fit", print_, candidate.outputs(), at))


def log_fitted(
    registry: Registry,
    model: Recommender,
    material: Material,
    exam: Exam,
    scores: Mapping[str, Interval],
    result: Result,
    tags: Mapping[str, str],
) -> None:
    """Log a model with its scores, its card and what it learnt from, in the run that is running.

    exam: what the scores were measured in. With its window and the settings beside the snapshot they can be measured again.
    """
    k = material.settings.list_length
    metrics = {f"{name}_at_{k}": score.mean for name, score in scores.items()}
    metrics |= {f"{name}_at_{k}_{end}": getattr(score, end) for name, score in scores.items() for end in ("low", "high")}
    metrics |= {"coverage": result.coverage, "users": len(next(iter(result.per_user.values())))}
    data = {"outfitter.asked": exam.asked.isoformat(), "outfitter.until": exam.until.isoformat(), "outfitter.fit_until": model.fit_until}
    data |= {"outfitter.settings": material.settings.model_dump_json(include=set(FITTING))}
    with tempfile.TemporaryDirectory() as scratch:
        tags = {**tags, **data, **provenance(material)}
        registry.log(model, Path(scratch), metrics, tags, model_card(model, material, exam, scores, result), validations(material))


def note_leaks(registry: Registry, run_ids: Sequence[str], leaks: LeakReport) -> None:
    """Write what the leak checks found to these runs: tag, metrics, ``leaks.json`` and the model card. Noting it twice changes nothing."""
    for run_id in run_ids:
        card = with_leaks(registry.read_text(run_id, CARD), leaks)
        registry.annotate(run_id, {"outfitter.leaks": leaks.line}, leaks.metrics(), {CARD: card, "leaks.json": leaks.json()})
