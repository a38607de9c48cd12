"""Each model in one line: how well it ranks, what its lists are like, and how far it is behind the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models import metrics
from models.data import Positions
from models.metrics import RANKING, PerUser
from outfitter.evaluation.bootstrap import Interval, intervals
from outfitter.evaluation.report.case import Case

CHOOSING = "ndcg"
"""What decides which model is the best."""
SHORTER = (1, 5, 10, 20)
"""Lengths at which lists are measured too, as far as they reach: a screen shows fewer items than a list has."""
AT_LENGTHS = {name: RANKING[name] for name in ("ndcg", "recall")}


@dataclass(frozen=True)
class Line:
    """One model: ``scores`` are of the ranking, ``shorter`` those of the lists' heads (by names as ``ndcg@5``), ``lists`` tell what it
    shows, ``behind`` is its NDCG less the best model's, paired."""

    model: str
    scores: Mapping[str, Interval]
    shorter: Mapping[str, Interval]
    lists: Mapping[str, Interval]
    behind: Interval


def summary(shown: Mapping[str, Positions], case: Case, samples: int, seed: int) -> list[Line]:
    """One line a model, the highest NDCG first; all figures are from the same resamples of users."""
    scores = {model: {name: metric(items, case.truth) for name, metric in RANKING.items()} for model, items in shown.items()}
    shorter = {model: _of_heads(items, case) for model, items in shown.items()}
    lists = {model: _of_lists(items, case) for model, items in shown.items()}
    best = max(scores, key=lambda model: float(scores[model][CHOOSING].mean()))
    behind = {model: scores[model][CHOOSING] - scores[best][CHOOSING] for model in shown}
    columns = [
        column for model in shown for column in (*scores[model].values(), *shorter[model].values(), *lists[model].values(), behind[model])
    ]
    found = iter(intervals(np.stack(columns, axis=1), samples, seed, clusters=case.clusters))
    lines = [
        Line(
            model,
            {name: next(found) for name in scores[model]},
            {name: next(found) for name in shorter[model]},
            {name: next(found) for name in lists[model]} | _of_all_lists(items, case),
            next(found),
        )
        for model, items in shown.items()
    ]
    return sorted(lines, key=lambda line: -line.scores[CHOOSING].mean)


def _of_heads(items: Positions, case: Case) -> dict[str, PerUser]:
    return metrics.measure(items, case.truth, [k for k in SHORTER if k < items.shape[1]], AT_LENGTHS)


def _of_lists(items: Positions, case: Case) -> dict[str, PerUser]:
    placed, takers = _among_available(items, case), case.takers[case.available]
    return {
        "diversity": metrics.diversity(items, case.attributes),
        "novelty": metrics.novelty(placed, takers, case.n_known),
        "popularity": metrics.popularity_percentile(placed, takers),
    }


def _of_all_lists(items: Positions, case: Case) -> dict[str, Interval]:
    """Figures of all lists together: they have no mean over users, and so no interval."""
    placed, n_items = _among_available(items, case), max(1, int(case.available.sum()))
    unequal = metrics.gini(placed, n_items) if (placed >= 0).any() else np.nan
    return {name: Interval(value, np.nan, np.nan) for name, value in (("coverage", metrics.coverage(placed, n_items)), ("gini", unequal))}


def _among_available(items: Positions, case: Case) -> Positions:
    """The lists by places among what could be shown: exposure is not unequal because something was off the market."""
    place = np.where(case.available, np.cumsum(case.available) - 1, -1)
    return np.where(items >= 0, place[items], -1).astype(np.int32)
