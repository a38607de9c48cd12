"""Carrying a decision out, exactly once, and leaving its reasons where people look for them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from models.base import Recipe, Recommender
from outfitter.errors import ModelError, OvertakenError
from outfitter.evaluation.bootstrap import interval
from outfitter.evaluation.exam import METRICS, sit
from outfitter.evaluation.inputs import catalogue, histories
from outfitter.registry.candidates import log_fitted, note_leaks
from outfitter.registry.contest import Contest, recipe_of
from outfitter.registry.decision_page import decision_page
from outfitter.registry.gate import WAITING, Decision
from outfitter.registry.production import settle
from outfitter.registry.provenance import described, provenance
from outfitter.registry.records import as_json, count, decided, write_down
from outfitter.registry.shadow import note_shadow, shadow_run
from outfitter.registry.versions import Version
from outfitter.settings import Settings

CHECKED_USERS = 1000
MOST_JUDGED = 3
Judge = Callable[[], tuple[Decision, Recipe]]


def carry_out(contest: Contest, step: str, judge: Judge, run_of: Callable[[Decision], str]) -> tuple[Decision, str | None]:
    """Judge, and carry the decision out: a version, its shadow run, its row in ``promotions`` (from there on it holds), then the alias.

    A run that was killed after the row finds it and does not judge again; the alias was set right when the run began
    (``outfitter.registry.production.settle``). run_of: the MLflow run of the model that is judged, where the reasons are kept. Returns
    the decision and the number of the version it is about, where it goes live or waits.
    """
    lake, decision_id = contest.material.snapshot.lake, contest.decision_id(step)
    if (known := decided(lake, decision_id)) is None:
        known = _settled(contest, judge, decision_id)
        if known[1] is not None:
            contest.registry.promote(known[1], decision_id)
    decision, version = known[0], known[1]
    if decision.verdict in WAITING and (waiting := contest.registry.find("outfitter.decision", decision_id)) is not None:
        version = waiting.version
    _explain(contest, decision_id, decision, version, run_of(decision))
    return decision, version


def _settled(contest: Contest, judge: Judge, decision_id: str) -> tuple[Decision, str | None]:
    """The decision, written down, and the number of the version that it puts into production.

    Where somebody else put another version there meanwhile, that is written down first and judged against: who wins a race is in
    production, and the other one is told so by the verdict on that comparison.
    """
    lake, snapshot_id = contest.material.snapshot.lake, contest.material.snapshot.id
    for _ in range(MOST_JUDGED):
        taken, before = count(lake), contest.registry.champion()
        decision, version = _judged(contest, judge, decision_id, before)
        number = version.version if version is not None and decision.goes_live else None
        if contest.registry.alias() == (before.version if before else None):
            with suppress(OvertakenError):
                write_down(lake, decision_id, decision, number, snapshot_id, contest.at, taken)
                return decision, number
        settle(lake, contest.registry, contest.at)
    raise OvertakenError(
        f"the champion changed {MOST_JUDGED} times while it was challenged", "Settle on one, and run 'outfitter train' again."
    )


def _judged(contest: Contest, judge: Judge, decision_id: str, champion: Version | None) -> tuple[Decision, Version | None]:
    """The decision with its shadow run, and the version it is about where it needs one."""
    decision, recipe = judge()
    if not (decision.goes_live or decision.verdict in WAITING):
        return decision, None
    version = _make_version(contest, recipe, decision_id)
    shadow = shadow_run(contest.material, version, champion, contest.exam.until, contest.at)
    if champion is None and shadow.broken:
        raise ModelError(f"'{recipe.model}' cannot be the first in production: {shadow.broken}")
    return decision.after(shadow), version


def page_of(settings: Settings, decision_id: str) -> Path:
    """Where the page of a decision lies."""
    return settings.reports / "decisions" / f"{decision_id}.html"


def _explain(contest: Contest, decision_id: str, decision: Decision, version: str | None, run_id: str) -> None:
    """A page and its figures, in the reports and on the MLflow runs of what was judged and of what came of it; once.

    version: the one that goes live or waits, which carries the verdict as tags too.
    """
    settings, snapshot = contest.material.settings, contest.material.snapshot
    page = page_of(settings, decision_id)
    if page.exists():
        return
    window = f"{contest.exam.asked:%Y-%m-%d} to {contest.exam.until:%Y-%m-%d}"
    about = {"decided": f"{contest.at:%Y-%m-%d %H:%M}", "test window": window, "snapshot": snapshot.id, "version": _told(version, decision)}
    texts = {"decision.html": decision_page(decision, settings, about), "decision.json": as_json(decision)}
    tags = {"outfitter.verdict": decision.verdict, "outfitter.reason": decision.reason}
    runs = [run_id] if version is None else [run_id, contest.registry.run_of(version)]
    for run in dict.fromkeys(runs):
        contest.registry.annotate(run, tags, {}, texts)
    if version is not None:
        contest.registry.describe(version, tags)
        if decision.shadow is not None:
            note_shadow(contest.registry, runs[-1], decision.shadow)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.with_suffix(".json").write_text(texts["decision.json"], encoding="utf-8")
    page.write_text(texts["decision.html"], encoding="utf-8")  # last: it says that all of it is done


def _told(version: str | None, decision: Decision) -> str:
    return "none" if version is None else version if decision.goes_live else f"{version}, which waits"


def _make_version(contest: Contest, recipe: Recipe, decision_id: str) -> Version:
    """Fit the recipe through ``as_of``, check it, log and register it; the scores it carries are those of the same recipe in the exam."""
    made = contest.registry.find("outfitter.decision", decision_id)
    if made is not None and recipe_of(made) == recipe:
        return made
    settings = contest.material.settings
    result = sit(contest.exam, contest.fit(recipe, contest.exam.asked))
    scores = {name: interval(result.per_user[name], settings.bootstrap_samples, settings.seed) for name in METRICS}
    tags = {"outfitter.role": "production", "outfitter.decision": decision_id}
    with contest.registry.running(recipe.model) as run_id:
        model = contest.fit(recipe, contest.exam.until)
        _refuse_broken(contest, model)
        log_fitted(contest.registry, model, contest.material, contest.exam, scores, result, tags)
    if contest.leaks is not None:
        note_leaks(contest.registry, [run_id], contest.leaks)
    return contest.registry.register(run_id, {**tags, **provenance(contest.material), **described(model)})


def _refuse_broken(contest: Contest, model: Recommender) -> None:
    """The model that goes live is not the one that was examined but its refit: it must still answer, in full, with numbers."""
    k = min(contest.material.settings.list_length, len(model.item_ids))
    items = catalogue(contest.material.snapshot, contest.exam.until, model.item_ids)
    asked = histories(contest.exam.events, contest.exam.users[:CHECKED_USERS], items, contest.exam.until)
    top = model.recommend(asked, k, exclude_seen=False)
    if (top.items < 0).any() or not np.isfinite(top.scores).all():
        raise ModelError(
            f"{model.name}, fitted through {contest.exam.until:%Y-%m-%d}, does not give {k} items with finite scores to every user"
        )
