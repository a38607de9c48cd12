"""The model card (Mitchell et al., Model Cards for Model Reporting, 2019): what a person should know before relying on a model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from models.base import Recommender
from outfitter.evaluation.bootstrap import Interval, interval
from outfitter.evaluation.exam import METRIC, Exam, Result
from outfitter.evaluation.leaks.report import LeakReport
from outfitter.evaluation.training import Material
from outfitter.lake.founding import facts
from outfitter.registry.guardrails import segments
from outfitter.settings import Settings

LEAKS = "\n## Leak checks\n"


def model_card(model: Recommender, material: Material, exam: Exam, scores: Mapping[str, Interval], result: Result) -> str:
    """The card of a fitted model as Markdown, from what was measured."""
    settings, snapshot = material.settings, material.snapshot
    k, source = settings.list_length, facts(snapshot.lake)
    rows = "\n".join(f"| {name}@{k} | {score.mean:.4f} | {score.low:.4f} to {score.high:.4f} |" for name, score in scores.items())
    params = "\n".join(f"- {name}: {value}" for name, value in model.params().items()) or "- none"
    users = len(next(iter(result.per_user.values())))
    return f"""# {model.name}

Recommends {k} items to a user from their history. Learnt from snapshot `{snapshot.id}`, events from {_first(exam)} up to
{model.fit_until}; features from materialization `{material.materialization}`.

## Measured

By the same recipe, fitted up to {exam.asked:%Y-%m-%d}: full ranking of everything sellable, {users:,} users with something to find
from then to {exam.until:%Y-%m-%d}; 95% percentile bootstrap over users, {settings.bootstrap_samples:,} resamples, seed {settings.seed}.

| metric | mean | 95% interval |
|---|---|---|
{rows}

Shows {result.coverage:.1%} of the sellable items to someone.

## By segment

| users | how many | {METRIC}@{k} | 95% interval |
|---|---|---|---|
{_segments(exam, settings, result)}

## Parameters

{params}

## Limits

- Knows {len(model.item_ids):,} items; what is not among them is never recommended.
- A user without history gets what sold most recently.
- Source `{source.source if source else settings.source}`; its catalogue is taken as it stands in the deliveries, with no history of
  its own before them.
- {"What a user took before may be recommended again." if settings.repeat_purchases else "What a user took before is never recommended."}
"""


def _first(exam: Exam) -> str:
    first = exam.events["timestamp"].min()
    return f"{first:%Y-%m-%d}" if isinstance(first, datetime) else "nowhere"


def _segments(exam: Exam, settings: Settings, result: Result) -> str:
    """A row for each segment with anybody in it."""
    rows = []
    for name, mask in segments(exam).items():
        if mask.any():
            score = interval(result.per_user[METRIC][mask], settings.bootstrap_samples, settings.seed)
            rows.append(f"| {name} | {int(mask.sum()):,} | {score.mean:.4f} | {score.low:.4f} to {score.high:.4f} |")
    return "\n".join(rows)


def with_leaks(card: str, leaks: LeakReport) -> str:
    """The card with what the leak checks found as its last section, in place of what an earlier look found."""
    return f"{card.split(LEAKS, maxsplit=1)[0]}{LEAKS}\n{leaks.markdown()}"
