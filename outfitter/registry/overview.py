"""The registered versions in figures: what each is, what it scored, and when it was in production; and two of them on the same users."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

import numpy as np

from models.metrics import overlap
from outfitter.evaluation.exam import METRIC, Result, sit
from outfitter.lake.tables import Lake
from outfitter.registry.contest import Contest, as_it_was_then
from outfitter.registry.gate import compared
from outfitter.registry.production import Move, history
from outfitter.registry.versions import CARD, CHALLENGER, CHAMPION, Registry, Version


def overview(lake: Lake, registry: Registry) -> list[dict[str, Any]]:
    """A row a version, the newest first."""
    roles, moves = _roles(registry), _moves(lake)
    return [_row(registry, str(one.version), str(one.run_id), dict(one.tags), moves, roles) for one in registry.all_versions()]


def details(lake: Lake, registry: Registry, version: Version) -> dict[str, Any]:
    """The row of one version, with its model card and all that was decided on it."""
    moves = _moves(lake)
    row = _row(registry, version.version, version.run_id, dict(version.tags), moves, _roles(registry))
    return {**row, "moves": [asdict(one) for one in moves[version.version]], "card": registry.read_text(version.run_id, CARD)}


def side_by_side(contest: Contest, one: Version, other: Version) -> dict[str, Any]:
    """Both on the users of the contest's exam, each as it was when the exam asks; ``gain`` is that of the second on the first.

    A version that has learnt from later than that is fitted again up to then, by its own recipe.
    """
    results = [sit(contest.exam, as_it_was_then(contest, version)) for version in (one, other)]
    comparison = compared(results[1], results[0], contest.material.settings)
    return {
        "asked": contest.exam.asked.isoformat(),
        "until": contest.exam.until.isoformat(),
        "users": len(contest.exam.users),
        "k": contest.material.settings.list_length,
        "versions": [{"version": version.version, **_scores(result)} for version, result in zip((one, other), results, strict=True)],
        "gain": asdict(comparison.gain),
        "p": comparison.p,
        "overlap": float(np.nanmean(overlap(results[0].shown, results[1].shown))),
    }


def _scores(result: Result) -> dict[str, Any]:
    means = {metric: result.mean(metric) for metric in result.per_user}
    rest = {"coverage": result.coverage, "popularity": result.popularity, "megabytes": result.megabytes}
    return {"model": result.recipe.model, **means, **rest, "milliseconds_a_user": 1000 * result.seconds / len(result.per_user[METRIC])}


def _roles(registry: Registry) -> dict[str, str | None]:
    """The version that each alias names."""
    return {name: registry.alias(name) for name in (CHAMPION, CHALLENGER)}


def _moves(lake: Lake) -> dict[str, list[Move]]:
    moves = defaultdict(list)
    for move in history(lake):
        moves[move.version].append(move)
    return moves


def _row(
    registry: Registry, version: str, run_id: str, tags: dict[str, str], moves: dict[str, list[Move]], roles: dict[str, str | None]
) -> dict[str, Any]:
    run = registry.run(run_id)
    metrics = {name: value for name, value in run.data.metrics.items() if name.startswith(METRIC)}
    return {
        "version": version,
        "model": run.data.params.get("model"),
        "in_production": version == roles[CHAMPION],
        "challenger": version == roles[CHALLENGER],
        "verdict": tags.get("outfitter.verdict"),
        "decisions": [f"{one.decided_at:%Y-%m-%d %H:%M} {one.verdict}" for one in moves[version]],
        "learnt_until": run.data.tags.get("outfitter.fit_until"),
        "snapshot": tags.get("outfitter.snapshot"),
        "metrics": metrics,
        "run_id": run_id,
    }
