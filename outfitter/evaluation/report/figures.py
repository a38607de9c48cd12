"""The figures of an error analysis: each model's summary, who is served well, what is found, at which rank, and how popular it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Positions
from models.metrics import RANKING, hits
from outfitter.errors import ModelError
from outfitter.evaluation.bootstrap import Interval, intervals
from outfitter.evaluation.report.case import Case
from outfitter.evaluation.report.examples import MissedItem, MissedUser, missed_items, missed_users
from outfitter.evaluation.report.summary import Line, summary
from outfitter.evaluation.segments import Segmentation, measure_segments

BANDS = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Shares of the catalogue, most popular first: the head is finely divided, for most of what is taken is there."""
BY_USER, BY_ITEM = "ndcg", "recall"
"""What a segment of users, and one of what they took, is measured by."""
TAKEN = "what was taken"


@dataclass(frozen=True)
class Part:
    """One segment: how many users have a part in it, and each model's figure there."""

    label: str
    users: int
    scores: Mapping[str, Interval]


@dataclass(frozen=True)
class Breakdown:
    """All segments of one segmentation."""

    name: str
    over: str
    metric: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Analysis:
    """All that the report tells. ``lines`` are best first; shares by rank and by band of popularity are by model."""

    users: int
    taken: int
    k: int
    lines: Sequence[Line]
    breakdowns: Sequence[Breakdown]
    hits_by_rank: Mapping[str, Sequence[float]]
    bands: Sequence[str]
    shares_by_popularity: Mapping[str, Sequence[float]]
    missed_users: Sequence[MissedUser]
    missed_items: Sequence[MissedItem]

    @property
    def models(self) -> list[str]:
        return [line.model for line in self.lines]


def analyse(shown: Mapping[str, Positions], case: Case, samples: int, seed: int) -> Analysis:
    """All figures. Raises ModelError when there is no model, or when lists are of other users or lengths."""
    widths = {items.shape for items in shown.values()}
    if len(widths) != 1:
        raise ModelError(f"lists of {sorted(widths)} users and ranks cannot be compared", "Let all models answer the same question.")
    lines = summary(shown, case, samples, seed)
    ranked = {line.model: shown[line.model] for line in lines}
    best = ranked[lines[0].model]
    return Analysis(
        len(case.truth.counts),
        len(case.truth.items),
        best.shape[1],
        lines,
        [_breakdown(ranked, case, one, samples, seed) for one in case.segments],
        {model: hits(items, case.truth).mean(axis=0).tolist() for model, items in ranked.items()},
        _band_labels(),
        {model: _shares(items[items >= 0], case) for model, items in ranked.items()} | {TAKEN: _shares(case.truth.items, case)},
        missed_users(best, case.truth, case.taken_before, case.user_names, case.item_names),
        missed_items(ranked, case.truth, case.takers, case.item_names),
    )


def _breakdown(shown: Mapping[str, Positions], case: Case, segmentation: Segmentation, samples: int, seed: int) -> Breakdown:
    """The segments that anybody is in; all models from the same resamples."""
    name = BY_USER if segmentation.over == "users" else BY_ITEM
    figures = [measure_segments(segmentation, RANKING[name], items, case.truth) for items in shown.values()]
    found = intervals(np.concatenate(figures, axis=1), samples, seed, clusters=case.clusters)
    users, width = (~np.isnan(figures[0])).sum(axis=0), len(segmentation.labels)
    parts = [
        Part(label, int(users[part]), {model: found[place * width + part] for place, model in enumerate(shown)})
        for part, label in enumerate(segmentation.labels)
        if users[part]
    ]
    return Breakdown(segmentation.name, segmentation.over, name, parts)


def _band_labels() -> list[str]:
    starts = (0.0, *BANDS[:-1])
    return [f"{start:.0%} to {end:.0%} most popular" for start, end in zip(starts, BANDS, strict=True)] + ["unknown to the models"]


def _shares(items: NDArray[np.int32], case: Case) -> list[float]:
    """What share of these items lies in each band of popularity, and beyond all of them."""
    n_items = len(case.takers)
    rank = np.empty(n_items)
    rank[np.argsort(-case.takers, kind="stable")] = np.arange(n_items)
    known = items[items < n_items]
    bands = np.searchsorted(np.asarray(BANDS), rank[known] / max(1, n_items), side="right")
    counts = np.append(np.bincount(bands, minlength=len(BANDS)), len(items) - len(known))
    return [float(share) for share in counts / max(1, len(items))]
