"""From a user's list back to where it came from: batch, model, decision, snapshots, features, history, deliveries."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from models.families import FAMILIES
from outfitter.errors import LakeError
from outfitter.lake import stages
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.registry.batches import lists_of, published
from outfitter.registry.lineage.asked import described_by, features_of, history_of, shown
from outfitter.registry.lineage.sources import Sources, in_production, readable, told_snapshot
from outfitter.settings import EventRule

Told = dict[str, Any]


def lineage_of_list(sources: Sources, user_id: str, at: datetime | None = None) -> Told:
    """All that stands behind the list that a user was shown at ``at`` (now, when left out), as ``docs/lineage.md`` describes it.

    ``missing`` says what is not known any more. Raises LakeError for an unknown user, when nothing had been published by then, and when
    the user is not in that batch.
    """
    missing: list[str] = []
    user = _user(sources.lake, user_id)
    batch = _batch(sources, at, missing)
    row = _list_row(sources.lake, batch, user)
    model = _model(sources, batch, missing)
    snapshots = {
        "training": told_snapshot(sources, model["snapshot"], missing),
        "list": told_snapshot(sources, batch["snapshot_id"], missing),
    }
    content = _content(sources, batch, user, row, missing)
    if sources.models.silent:
        missing.append(sources.models.silent)
    deliveries = _deliveries(sources, snapshots, content)
    return {
        "user": user,
        "at": at,
        "batch": batch,
        "model": model,
        "snapshots": snapshots,
        **content,
        "deliveries": deliveries,
        "missing": missing,
    }


def _user(lake: Lake, user_id: str) -> Told:
    rows = lake.scan("users").filter(pl.col("delivery_id").is_null() & (pl.col("user_id") == user_id))
    found = rows.select("user_id", "user_key", "bucket").collect()
    if found.is_empty():
        raise LakeError(f"no delivery has ever named a user '{user_id}'", "Give the id as the source writes it, leading zeros included.")
    return found.row(0, named=True)


def _batch(sources: Sources, at: datetime | None, missing: list[str]) -> Told:
    row = published(sources.lake, by=at)
    if row is None:
        when = f" by {at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
        first = sources.batches()[:1]
        hint = f"The first batch was published at {first[0]['published_at']:%Y-%m-%dT%H:%M:%S}." if first else "Run 'outfitter recommend'."
        raise LakeError(f"no recommendations had been published{when}", hint)
    return {**row, **_made_from(sources, row, missing), "validation": _validation(sources.settings.reports / "validation", row)}


def _made_from(sources: Sources, row: Told, missing: list[str]) -> Told:
    """materialization, and the settings that the lists were made with; of a batch from before they were kept, what can be concluded."""
    recorded = stages.find(sources.lake, "recommend", row["batch_id"])
    if recorded is not None:
        return recorded
    moment = row["as_of"].isoformat()
    fitting = [one["id"] for one in sources.materializations if (one["snapshot_id"], one["as_of"]) == (row["snapshot_id"], moment)]
    if len(fitting) == 1:
        return {"materialization": fitting[0], "settings": None}
    missing.append(f"which feature rows batch '{row['batch_id']}' was made with was not kept")
    return {"materialization": None, "settings": None}


def _validation(docs: Path, row: Told) -> Told:
    """A batch with a failing list is not published, so it passed; the data docs tell how much was held to what."""
    told: Told = {"id": row["validation_id"], "passed": True, "expectations": None, "page": None}
    results = sorted((docs / "results" / "recommendations").glob(f"*{row['batch_id']}/*/*.json"))
    if not results:
        return told
    statistics = json.loads(results[-1].read_text(encoding="utf-8"))["statistics"]
    page = docs / "site" / "validations" / results[-1].relative_to(docs / "results").with_suffix(".html")
    return {**told, "expectations": statistics["evaluated_expectations"], "page": str(page) if page.exists() else None}


def _list_row(lake: Lake, batch: Told, user: Told) -> Told:
    mine = (pl.col("bucket") == user["bucket"]) & (pl.col("user_key") == user["user_key"])
    rows = lists_of(lake, batch["batch_id"]).filter(mine).collect()
    if rows.is_empty():
        raise LakeError(
            f"user '{user['user_id']}' has no list in batch '{batch['batch_id']}', published at {batch['published_at']:%Y-%m-%d %H:%M:%S}",
            "Nothing that counted in its snapshot named them; a later batch may have them (leave out --at), or an earlier one.",
        )
    return rows.row(0, named=True)


def _model(sources: Sources, batch: Told, missing: list[str]) -> Told:
    """The version that made the list, as the registry, the lake's decisions and the list itself know it."""
    version, run_id = batch["model_version"], batch["run_id"]
    run = sources.models.run(run_id)
    decisions = [one for one in sources.decisions() if one["decided_at"] <= batch["published_at"]]
    own = [one for one in decisions if one["version"] == version]
    if run is None:
        missing.append(f"the MLflow run '{run_id}' of version {version} is gone: what it learnt from is what its decision says")
    elif trouble := sources.models.trouble(version):
        missing.append(f"version {version} cannot be used any more: {trouble}")
    told = asdict(run) if run else {"run_id": run_id, "role": None, "snapshot": None, "materialization": None, "fit_until": None}
    live = in_production(decisions, batch["published_at"])
    return {
        **told,
        "version": version,
        "model": batch["model"],
        "snapshot": told["snapshot"] or (own[0]["snapshot_id"] if own else None),
        "decisions": own,
        "instead_of": live if live and live["version"] != version else None,
    }


def _content(sources: Sources, batch: Told, user: Told, row: Told, missing: list[str]) -> Told:
    """list, features, history and ``sources``, what told of the shown items and of the user; without the words when the rows are gone."""
    snapshot = readable(sources.lake, batch["snapshot_id"], missing)
    features = features_of(sources.features, batch["materialization"], batch["as_of"], user, missing)
    family = FAMILIES.get(batch["model"])
    features["read"] = family.reads_features if family else None
    if snapshot is None:
        plain = [{"rank": n, "item_key": key, "score": score} for n, (key, score) in enumerate(_pairs(row), start=1)]
        return {"list": plain, "features": features, "history": None, "sources": {}}
    history = history_of(snapshot, user, batch["as_of"], _events(sources, batch))
    told = _told_by(snapshot, row, user, batch["as_of"], history)
    return {"list": shown(snapshot, _pairs(row), batch["as_of"]), "features": features, "history": history, "sources": told}


def _pairs(row: Told) -> list[tuple[int, float]]:
    return list(zip(row["items"], row["scores"], strict=True))


def _events(sources: Sources, batch: Told) -> dict[str, EventRule]:
    if batch["settings"] is None:
        return sources.settings.events
    return {name: EventRule(**rule) for name, rule in batch["settings"]["events"].items()}


def _told_by(snapshot: Snapshot, row: Told, user: Told, as_of: datetime, history: Told) -> dict[str, list[str]]:
    """What each delivery told of this list: its user's events, its user, its items; by delivery."""
    items, person = described_by(snapshot, row["items"], user, as_of)
    told: dict[str, list[str]] = {}
    for what, ids in (("events", history["deliveries"]), ("items", items), ("user", person)):
        for one in ids:
            told.setdefault(one, []).append(what)
    return told


def _deliveries(sources: Sources, snapshots: dict[str, Told | None], content: Told) -> list[Told]:
    """Every delivery in either snapshot, with ``in``: which of them hold it, and ``told_of``: what it says of this very list."""
    held = {name: set(one["deliveries"]) if one else set() for name, one in snapshots.items()}
    rows = sources.ledger.all_told(set().union(*held.values()))
    of_this = content["sources"]
    return [
        {**row, "in": [name for name, ids in held.items() if row["delivery_id"] in ids], "told_of": of_this.get(row["delivery_id"], [])}
        for row in rows
    ]
