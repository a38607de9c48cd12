"""Who stands for promotion, in which order, and whom each of them must beat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.base import Recipe
from models.popularity import Popularity, RecentPopularity
from outfitter.evaluation.exam import METRIC
from outfitter.registry.candidates import Candidate

POPULAR = (Popularity.name, RecentPopularity.name)
"""What goes live when nothing is. Only the best of them counts as a baseline."""


def best(candidates: Sequence[Candidate], among: Sequence[str] | None = None) -> Candidate:
    """The candidate with the highest NDCG on the validation window; the first of equals."""
    return max((c for c in candidates if among is None or c.recipe.model in among), key=lambda candidate: candidate.scores[METRIC].mean)


def challengers(candidates: Sequence[Candidate], baselines: Sequence[str], current: Recipe | None) -> Iterator[Candidate]:
    """The best on the validation window, then the best of the baselines that are simpler, and so on down to popularity.

    The next one stands only where the one before was shown to be better than the champion and did not go live for another reason:
    a model that is no better than a simpler one must not keep both out. Tests in an order that is fixed beforehand, each made only when
    the one before it has rejected, need no correction: the chance that anything no better than the champion goes live is that of one
    test (Maurer, Hothorn and Lehmacher, "Multiple comparisons in drug clinical trials and preclinical assays: a-priori ordered
    hypotheses", 1995). current: the champion's recipe where it has learnt all there is, so that it does not stand against itself.
    """
    left = [one for one in candidates if one.recipe != current]
    while left:
        yield (standing := best(left))
        below = simpler(standing.recipe.model, baselines)
        left = [one for one in left if one.recipe.model in below]


def simpler(model: str, baselines: Sequence[str]) -> Sequence[str]:
    """The baselines that are simpler than ``model``: all of them for one that is none itself. Popularity models are equally simple."""
    if model in POPULAR:
        return ()
    return baselines[: baselines.index(model)] if model in baselines else baselines


def to_beat(model: str, candidates: Sequence[Candidate], baselines: Sequence[str]) -> list[Candidate]:
    """The baselines that ``model`` must beat, the simplest first: the best popularity model, and each other one that is simpler."""
    below = [one for one in candidates if one.recipe.model in simpler(model, baselines)]
    popular = [one for one in below if one.recipe.model in POPULAR]
    others = sorted((one for one in below if one.recipe.model not in POPULAR), key=lambda one: baselines.index(one.recipe.model))
    return [*([best(popular)] if popular else []), *others]
