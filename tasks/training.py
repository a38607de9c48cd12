"""Fitting candidates, in parallel, and what the gate makes of them."""

from __future__ import annotations

import time
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from models.base import Recipe
from models.families import family
from outfitter.evaluation.exam import METRIC, Exam, Result, set_exam
from outfitter.evaluation.leaks.report import LeakReport
from outfitter.evaluation.leaks.suite import look_for_leaks
from outfitter.evaluation.training import Material
from outfitter.features.asof import Windows
from outfitter.lake import stages
from outfitter.progress import report
from outfitter.registry import promotion
from outfitter.registry.candidates import Candidate, note_leaks, train_candidate
from outfitter.registry.contest import Contest
from outfitter.registry.gate import Decision
from outfitter.registry.standing import POPULAR
from outfitter.registry.tuning import tune
from tasks.fitting import shown
from tasks.work import Work


@task(name="fit", task_run_name="fit {recipe.model}", cache_policy=NO_CACHE)
def fit(work: Work, recipe: Recipe, material: Material, exam: Exam) -> Candidate:
    """Tune what is quickly fitted, then fit, examine and log it."""
    report("train", f"fitting {recipe.model}")
    tuned = tune(recipe, material, exam, work.now)
    texts = {"tuning.json": tuned.json()} if tuned.tried else {}
    with shown(recipe.model):
        return train_candidate(tuned.recipe, material, exam, work.registry, work.now, time.perf_counter, texts)


def fit_all(work: Work, recipes: list[Recipe], material: Material, exam: Exam) -> list[Candidate]:
    """All candidates as parallel tasks; those that learn with torch carry the tag ``gpu``."""
    futures = [fit.with_options(tags=_tags(recipe)).submit(work, recipe, material, exam) for recipe in recipes]
    candidates = []
    for number, future in enumerate(futures, start=1):
        candidates.append(future.result())
        report("train", f"fitted {candidates[-1].recipe.model}", done=number, total=len(futures))
    return candidates


def _tags(recipe: Recipe) -> list[str]:
    return ["gpu"] if family(recipe.model).uses_torch else []


@task(name="set exams", cache_policy=NO_CACHE)
def set_exams(material: Material, windows: Windows) -> tuple[Exam, Exam]:
    """The exam on the validation window, which chooses, and the one on the test window, which only the gate sees."""
    return _exam(material, windows.validation_from, windows.test_from), final_exam(material, windows)


def final_exam(material: Material, windows: Windows) -> Exam:
    """The exam on the test window."""
    return _exam(material, windows.test_from, windows.as_of)


def _exam(material: Material, asked: datetime, until: datetime) -> Exam:
    return set_exam(material.snapshot, material.settings, asked, until, material.rows("user_features", asked))


@task(name="search leaks", cache_policy=NO_CACHE)
def search_leaks(
    work: Work, material: Material, windows: Windows, exams: tuple[Exam, Exam], candidates: list[Candidate], training: str
) -> LeakReport:
    """Run the leak checks of a training once and note what they found on the candidates' MLflow runs; a leak is looked for again."""
    print_ = stages.fingerprint("leaks", training=training)
    if (done := stages.find(work.lake, "leaks", print_)) is not None:
        return LeakReport.of(done)
    scores = {candidate.recipe: candidate.scores[METRIC] for candidate in candidates}
    popular = [recipe.model for recipe in scores if recipe.model in POPULAR]
    leaks = look_for_leaks(material, windows, exams, scores, popular, lambda what: report("train", what))
    note_leaks(work.registry, [candidate.run_id for candidate in candidates], leaks)
    return LeakReport.of(stages.record(work.lake, "leaks", print_, leaks.record(), work.now)) if leaks.passed else leaks


@task(name="bootstrap", cache_policy=NO_CACHE)
def bootstrap(contest: Contest, candidates: list[Candidate]) -> Decision:
    """Put the best popularity model in production when nothing is."""
    report("train", "putting a first model in production")
    return promotion.bootstrap(contest, candidates)


@task(name="gate", cache_policy=NO_CACHE)
def gate(contest: Contest, candidates: list[Candidate]) -> tuple[Decision, dict[str, Result]]:
    """The best candidate against the champion and the baselines."""
    report("train", "comparing challenger and champion on the test window")
    with shown("challenge"):
        return promotion.challenge(contest, candidates)


@task(name="refresh", cache_policy=NO_CACHE)
def refresh(contest: Contest) -> Decision:
    """Fit the champion's recipe again on newer data."""
    report("train", "bringing the champion up to date")
    with shown("refresh"):
        return promotion.refresh(contest)
