"""From candidates to a decision, and from a decision to what is in production: written so that a killed run finishes it once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

import models
from models.base import Recipe, Recommender
from models.checkpoint import read
from outfitter.errors import ModelError
from outfitter.evaluation.bootstrap import interval
from outfitter.evaluation.exam import METRIC, METRICS, Exam, Result, sit
from outfitter.evaluation.inputs import catalogue, histories
from outfitter.evaluation.leaks.report import LeakReport
from outfitter.evaluation.training import Material, fit
from outfitter.lake import stages
from outfitter.registry.candidates import BASELINES, Candidate, log_fitted, note_leaks
from outfitter.registry.decision_page import decision_page
from outfitter.registry.gate import Decision, decide
from outfitter.registry.guardrails import Mask
from outfitter.registry.records import as_json, decided, write_down
from outfitter.registry.versions import Registry, Version
from outfitter.settings import Settings

CHECKED_USERS = 1000
Judge = Callable[[], tuple[Decision, Recipe]]


@dataclass(frozen=True)
class Contest:
    """One training run's way to production; ``fingerprint`` is the training run's."""

    material: Material
    exam: Exam  # on the test window
    registry: Registry
    fingerprint: str
    at: datetime
    leaks: LeakReport | None = None  # what the leak checks found before; noted on the version that goes live
    fits: dict[tuple[Recipe, datetime], Recommender] = field(default_factory=dict)

    def decision_id(self, step: str) -> str:
        return stages.fingerprint("decision", training=self.fingerprint, step=step)

    def fit(self, recipe: Recipe, until: datetime) -> Recommender:
        """The recipe fitted up to ``until``, once a contest."""
        if (recipe, until) not in self.fits:
            self.fits[recipe, until] = fit(recipe, self.material, until)
        return self.fits[recipe, until]


def best(candidates: Sequence[Candidate], among: Sequence[str] | None = None) -> Candidate:
    """The candidate with the highest NDCG on the validation window; the first of equals."""
    return max((c for c in candidates if among is None or c.recipe.model in among), key=lambda candidate: candidate.scores[METRIC].mean)


def _challenger(contest: Contest, champion: Version, candidates: Sequence[Candidate]) -> Recipe:
    """The best on the validation window; where the champion is that already, on these very data, the best of the others."""
    current = learnt_until(champion) >= contest.exam.until
    others = [c for c in candidates if not (current and c.recipe == recipe_of(champion))]
    return best(others).recipe


def segments(exam: Exam) -> dict[str, Mask]:
    """Users by how much they had taken before the exam."""
    activity = exam.activity
    return {"no history": activity == 0, "1 to 4 items": (activity > 0) & (activity < 5), "5 items or more": activity >= 5}


def bootstrap(contest: Contest, candidates: Sequence[Candidate]) -> Decision:
    """With nothing in production, the best popularity model goes live; otherwise what was decided then is told again."""

    def judge() -> tuple[Decision, Recipe]:
        chosen = best(candidates, BASELINES)
        reason = f"nothing was in production; {chosen.recipe.model} is the best popularity model on the validation window"
        return Decision("bootstrap", reason, chosen.recipe.model), chosen.recipe

    return _settle(contest, "bootstrap", judge, best(candidates, BASELINES).run_id)


def challenge(contest: Contest, candidates: Sequence[Candidate]) -> tuple[Decision, dict[str, Result]]:
    """The best candidate meets the champion and the best popularity model on the test window; returns their results by role."""
    champion = require_champion(contest.registry)
    challenger, baseline = _challenger(contest, champion, candidates), best(candidates, BASELINES).recipe
    results: dict[str, Result] = {}

    def judge() -> tuple[Decision, Recipe]:
        results["champion"] = sit(contest.exam, as_it_was_then(contest, champion))
        results["challenger"] = sit(contest.exam, contest.fit(challenger, contest.exam.asked))
        results["baseline"] = sit(contest.exam, contest.fit(baseline, contest.exam.asked))
        refresh = challenger == recipe_of(champion)
        if refresh and _learnt_later(contest, champion):
            return _same_recipe(challenger), challenger
        met = baseline == recipe_of(champion) and learnt_until(champion) >= contest.exam.asked  # the champion is that very model
        rivals = [] if challenger.model in BASELINES or met else [results["baseline"]]
        decision = decide(results["challenger"], results["champion"], rivals, segments(contest.exam), contest.material.settings, refresh)
        return decision, challenger

    run_id = next(candidate.run_id for candidate in candidates if candidate.recipe == challenger)
    return _settle(contest, "challenge", judge, run_id), results


def refresh(contest: Contest) -> Decision:
    """The champion's own recipe on newer data: must not be worse, and popularity's counts are simply brought up to date."""
    champion = require_champion(contest.registry)
    recipe = recipe_of(champion)

    def judge() -> tuple[Decision, Recipe]:
        if recipe.model in BASELINES:
            return Decision("refreshed", f"the counts of {recipe.model} were brought up to date", recipe.model, recipe.model), recipe
        if _learnt_later(contest, champion):
            return _same_recipe(recipe), recipe
        before, now = as_it_was_then(contest, champion), contest.fit(recipe, contest.exam.asked)
        settings = contest.material.settings
        return decide(sit(contest.exam, now), sit(contest.exam, before), [], segments(contest.exam), settings, refresh=True), recipe

    return _settle(contest, "refresh", judge, champion.run_id)


def require_champion(registry: Registry) -> Version:
    champion = registry.champion()
    if champion is None:
        raise ModelError("the registry has no champion", "Run 'outfitter train' to make the first one.")
    return champion


def refuse_the_past(registry: Registry, as_of: datetime) -> None:
    """Raises ModelError when the model in production has learnt from later than ``as_of``.

    It must not recommend as of then, for it has seen what came after; and a model that knows less must not take its place.
    """
    champion = registry.champion()
    if champion is None:
        return
    until = learnt_until(champion)
    if until > as_of:
        raise ModelError(
            f"the model in production has learnt until {until:%Y-%m-%d %H:%M}, after {as_of:%Y-%m-%d %H:%M}",
            "To look back, use a home of its own: OUTFITTER_HOME=.outfitter-back outfitter run --as-of ...",
        )


def learnt_until(version: Version) -> datetime:
    """The moment up to which a version's model has seen the data."""
    _, meta = read(version.path)
    return datetime.fromisoformat(meta["fit_until"])


def recipe_of(version: Version) -> Recipe:
    _, meta = read(version.path)
    return Recipe(meta["model"], tuple(sorted(meta["params"].items())))


def as_it_was_then(contest: Contest, version: Version) -> Recommender:
    """A version as it may sit the exam: itself, or its recipe fitted up to the exam when it learnt later than that."""
    if not _learnt_later(contest, version):
        return models.load(version.path)
    return contest.fit(recipe_of(version), contest.exam.asked)


def _learnt_later(contest: Contest, version: Version) -> bool:
    return learnt_until(version) > contest.exam.asked


def _same_recipe(recipe: Recipe) -> Decision:
    """Fitted up to the exam, the champion and its refresh are one model: there is nothing to compare, and the reason says so."""
    reason = f"{recipe.model} learnt later than the test window starts, so its recipe on newer data cannot be compared; it answers in full"
    return Decision("refreshed", reason, recipe.model, recipe.model)


def _settle(contest: Contest, step: str, judge: Judge, run_id: str) -> Decision:
    """Carry a decision out exactly once: a version, then its row in ``promotions`` (from there on it holds), then the alias.

    A run that was killed after the row finds it and does not judge again; the alias was set right when the run began
    (``outfitter.registry.production.settle``). run_id: of the model that is judged, where the reasons are kept.
    """
    lake, decision_id = contest.material.snapshot.lake, contest.decision_id(step)
    if (known := decided(lake, decision_id)) is None:
        decision, recipe = judge()
        version = _make_version(contest, recipe, decision, decision_id) if decision.goes_live else None
        write_down(lake, decision_id, decision, version, contest.material.snapshot.id, contest.at)
        if version is not None:
            contest.registry.promote(version, decision_id)
        known = decision, version
    _explain(contest, decision_id, *known, run_id)
    return known[0]


def page_of(settings: Settings, decision_id: str) -> Path:
    """Where the page of a decision lies."""
    return settings.reports / "decisions" / f"{decision_id}.html"


def _explain(contest: Contest, decision_id: str, decision: Decision, version: str | None, run_id: str) -> None:
    """A page and its figures, in the reports and on the MLflow runs of what was judged and of what went live; once."""
    settings, snapshot = contest.material.settings, contest.material.snapshot
    page = page_of(settings, decision_id)
    if page.exists():
        return
    window = f"{contest.exam.asked:%Y-%m-%d} to {contest.exam.until:%Y-%m-%d}"
    about = {"decided": f"{contest.at:%Y-%m-%d %H:%M}", "test window": window, "snapshot": snapshot.id, "version": version or "none"}
    texts = {"decision.html": decision_page(decision, settings, about), "decision.json": as_json(decision)}
    tags = {"outfitter.verdict": decision.verdict, "outfitter.reason": decision.reason}
    live = [] if version is None else [contest.registry.version(version).run_id]
    for run in dict.fromkeys((run_id, *live)):
        contest.registry.annotate(run, tags, {}, texts)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.with_suffix(".json").write_text(texts["decision.json"], encoding="utf-8")
    page.write_text(texts["decision.html"], encoding="utf-8")  # last: it says that all of it is done


def _make_version(contest: Contest, recipe: Recipe, decision: Decision, decision_id: str) -> str:
    """Fit the recipe through ``as_of``, check it, log and register it; the scores it carries are those of the same recipe in the exam."""
    if (made := contest.registry.find("outfitter.decision", decision_id)) is not None:
        return made.version
    settings = contest.material.settings
    result = sit(contest.exam, contest.fit(recipe, contest.exam.asked))
    scores = {name: interval(result.per_user[name], settings.bootstrap_samples, settings.seed) for name in METRICS}
    tags = {"outfitter.role": "production", "outfitter.verdict": decision.verdict, "outfitter.decision": decision_id}
    with contest.registry.running(recipe.model) as run_id:
        model = contest.fit(recipe, contest.exam.until)
        _refuse_broken(contest, model)
        log_fitted(contest.registry, model, contest.material, scores, result, {**tags, "outfitter.reason": decision.reason})
    if contest.leaks is not None:
        note_leaks(contest.registry, [run_id], contest.leaks)
    return contest.registry.register(run_id, {**tags, "outfitter.snapshot": contest.material.snapshot.id}).version


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
