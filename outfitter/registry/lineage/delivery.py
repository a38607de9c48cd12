"""From a delivery to all that it touched: snapshots, feature rows, models, decisions and batches of recommendations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from outfitter.lake.holdings import holding
from outfitter.lake.release import find
from outfitter.registry.lineage.runs import Fitted
from outfitter.registry.lineage.sources import Sources

Told = dict[str, Any]


def lineage_of_delivery(sources: Sources, named: str) -> Told:
    """What a delivery (its id, the beginning of it, or its object's name) became part of, as ``docs/lineage.md`` describes it.

    ``missing`` says what is not known any more. Raises LakeError when nothing or more than one delivery answers to ``named``.
    """
    delivery_id = find(sources.lake, named)["delivery_id"]
    delivery = sources.ledger.told(delivery_id)
    held, unknown = holding(sources.lake, delivery_id)
    missing = [f"whether snapshot '{one}' holds it is not known: its rows are gone" for one in unknown]
    runs = [one for one in sources.models.fitted() if one.snapshot in held]
    versions = {one.version for one in runs if one.version}
    versions |= {one["version"] for one in sources.decisions() if one["snapshot_id"] in held and one["version"]}
    touched, decisions = _batches(sources, held, versions), _decisions(sources, held, versions)
    if sources.models.silent:
        missing.append(f"{sources.models.silent}: which models learnt from it is not known")
    missing += _gone(decisions, touched, runs, sources)
    return {
        "delivery": {**delivery, "said": said(delivery, bool(held)), "history": sources.ledger.rows(delivery_id)},
        "snapshots": [{**sources.snapshots[one], "deliveries": count} for one, count in held.items()],
        "features": [one for one in sources.materializations if one["snapshot_id"] in held],
        "models": [{**asdict(run), "learnt_from_it": learnt(run, delivery)} for run in runs],
        "decisions": decisions,
        "batches": touched,
        "missing": missing,
    }


def said(delivery: Mapping[str, Any], touched: bool) -> str:
    """What has become of a delivery, in a sentence."""
    now, before = delivery["now"], "; what follows it touched before" if touched else " and touched nothing"
    if now == "counts":
        return "it counts: its rows are in the newest data"
    if now == "replaced":
        return f"it was replaced by {delivery['replaced_by'][:8]}, a newer version of the same object{before}"
    if now == "withdrawn":
        return f"it was withdrawn{before}"
    waits = "is held until a person releases it" if now == "held" else "was rejected"
    return f"it {waits}{before}: {delivery['reason']}"


def learnt(run: Fitted, delivery: Mapping[str, Any]) -> bool | None:
    """Whether a model of a snapshot that holds it learnt from a delivery: not when all its events are later. None: it cannot be told."""
    if run.fit_until is None:
        return None
    return delivery["first_event"] is None or delivery["first_event"] <= datetime.fromisoformat(run.fit_until)


def _decisions(sources: Sources, held: Mapping[str, int], versions: set[str]) -> list[Told]:
    return [one for one in sources.decisions() if one["snapshot_id"] in held or one["version"] in versions]


def _batches(sources: Sources, held: Mapping[str, int], versions: set[str]) -> list[Told]:
    """Each batch once, as last published, with ``materialization`` (None where it was not kept) and ``by``.

    by: whether its lists were made from what holds the delivery (snapshot), by a version that learnt from such (model), or both.
    """
    newest = {one["batch_id"]: one for one in sources.batches()}
    told = []
    for one in newest.values():
        by = ["snapshot"] if one["snapshot_id"] in held else []
        by += ["model"] if one["model_version"] in versions else []
        if by:
            told.append({**one, "materialization": sources.made_with.get(one["batch_id"]), "by": by})
    return told


def _gone(decisions: Sequence[Told], touched: Sequence[Told], runs: Sequence[Fitted], sources: Sources) -> list[str]:
    """Versions that the lake names and the registry does not."""
    if sources.models.silent:
        return []
    named = {one["version"] for one in decisions if one["version"]} | {one["model_version"] for one in touched if "model" in one["by"]}
    known = {one.version for one in runs}
    return [f"version {one} is gone from the registry" for one in sorted(named - known) if not sources.models.is_registered(one)]
