"""From candidates to a decision: who is compared with whom, and what the gate makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.base import Recipe
from outfitter.evaluation.exam import Result, sit
from outfitter.registry.candidates import Candidate
from outfitter.registry.contest import Contest, as_it_was_then, learnt_later, learnt_until, recipe_of, require_champion
from outfitter.registry.gate import WAITING, Decision, decide
from outfitter.registry.guardrails import segments
from outfitter.registry.settling import carry_out
from outfitter.registry.standing import POPULAR, best, challengers, to_beat
from outfitter.registry.versions import Version


def bootstrap(contest: Contest, candidates: Sequence[Candidate]) -> Decision:
    """With nothing in production, the best popularity model goes live; otherwise what was decided then is told again."""
    chosen = best(candidates, POPULAR)

    def judge() -> tuple[Decision, Recipe]:
        reason = f"nothing was in production; {chosen.recipe.model} is the best popularity model on the validation window"
        return Decision("bootstrap", reason, chosen.recipe.model), chosen.recipe

    return carry_out(contest, "bootstrap", judge, lambda _: chosen.run_id)[0]


def challenge(contest: Contest, candidates: Sequence[Candidate]) -> tuple[Decision, dict[str, Result]]:
    """The best candidate meets the champion and the baselines on the test window, and then perhaps a simpler one does.

    See ``standing.challengers``. The alias ``challenger`` then names who waits, or nobody. Returns the decision with the results: that of
    the ``champion``, and each model's by its name.
    """
    results: dict[str, Result] = {}

    def judge() -> tuple[Decision, Recipe]:
        champion = require_champion(contest.registry)
        results["champion"] = sit(contest.exam, as_it_was_then(contest, champion))
        stood: list[tuple[Decision, Recipe]] = []
        for one in challengers(candidates, contest.baselines, _current(contest, champion)):
            stood.append((_judged(contest, champion, one, candidates, results), one.recipe))
            if stood[-1][0].goes_live or not stood[-1][0].lets_the_next_stand(contest.material.settings.gate_alpha):
                break
        if not stood:
            return _alone(recipe_of(champion)), recipe_of(champion)
        decision, recipe = stood[-1] if stood[-1][0].goes_live else stood[0]
        return replace(decision, others=tuple(other for other, _ in stood if other is not decision)), recipe

    runs = {candidate.recipe.model: candidate.run_id for candidate in candidates}
    decision, version = carry_out(contest, "challenge", judge, lambda decision: runs[decision.challenger])
    contest.registry.challenge(version if decision.verdict in WAITING else None)
    return decision, results


def _alone(recipe: Recipe) -> Decision:
    return Decision("not better", f"nothing but {recipe.model} was fitted, which is in production", recipe.model, recipe.model)


def _current(contest: Contest, champion: Version) -> Recipe | None:
    return recipe_of(champion) if learnt_until(champion) >= contest.exam.until else None


def _judged(contest: Contest, champion: Version, one: Candidate, candidates: Sequence[Candidate], results: dict[str, Result]) -> Decision:
    """What the gate says of one that stands; ``results`` takes in who has sat the exam for it."""
    recipe = recipe_of(champion)
    refresh = one.recipe == recipe
    if refresh and learnt_later(contest, champion):
        return _same_recipe(recipe)
    met = recipe if learnt_until(champion) >= contest.exam.asked else None  # the champion is that very model
    rivals = [rival for rival in to_beat(one.recipe.model, candidates, contest.baselines) if rival.recipe != met]
    for each in (one, *rivals):
        if each.recipe.model not in results:
            results[each.recipe.model] = sit(contest.exam, contest.fit(each.recipe, contest.exam.asked))
    compared = results[one.recipe.model], results["champion"], [results[rival.recipe.model] for rival in rivals]
    return decide(*compared, segments(contest.exam), contest.material.settings, refresh)


def refresh(contest: Contest) -> Decision:
    """The champion's own recipe on newer data: must not be worse, and popularity's counts are simply brought up to date."""
    run_id = require_champion(contest.registry).run_id

    def judge() -> tuple[Decision, Recipe]:
        champion = require_champion(contest.registry)
        recipe = recipe_of(champion)
        if recipe.model in POPULAR:
            return Decision("refreshed", f"the counts of {recipe.model} were brought up to date", recipe.model, recipe.model), recipe
        if learnt_later(contest, champion):
            return _same_recipe(recipe), recipe
        before, now = as_it_was_then(contest, champion), contest.fit(recipe, contest.exam.asked)
        results = sit(contest.exam, now), sit(contest.exam, before)
        return decide(*results, [], segments(contest.exam), contest.material.settings, refresh=True), recipe

    return carry_out(contest, "refresh", judge, lambda _: run_id)[0]


def _same_recipe(recipe: Recipe) -> Decision:
    """Fitted up to the exam, the champion and its refresh are one model: there is nothing to compare, and the reason says so."""
    reason = f"{recipe.model} learnt later than the test window starts, so its recipe on newer data cannot be compared; it answers in full"
    return Decision("refreshed", reason, recipe.model, recipe.model)
