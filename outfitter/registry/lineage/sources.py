"""Where lineage is read from, and what is told of a snapshot and of feature rows. Nothing is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from outfitter.errors import LakeError
from outfitter.features import lineage
from outfitter.lake.holdings import held_by, require_readable, snapshots
from outfitter.lake.snapshot import Snapshot, open_snapshot
from outfitter.lake.tables import Lake
from outfitter.registry.lineage.ledger import Ledger
from outfitter.registry.lineage.runs import Models
from outfitter.settings import Settings


@dataclass(frozen=True)
class Sources:
    """A home's lake, its feature tables and its registry."""

    lake: Lake
    features: Lake
    settings: Settings
    models: Models

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.lake)

    @cached_property
    def snapshots(self) -> dict[str, dict[str, Any]]:
        """snapshot_id, as_of and created_at of each, by id, oldest first."""
        return snapshots(self.lake)

    @cached_property
    def materializations(self) -> list[dict[str, Any]]:
        """id, snapshot_id, as_of and ``rows`` ("every week's" or "the newest"): all feature rows that were ever computed."""
        whole = self.lake.scan("stages").filter(pl.col("stage") == "materialize").sort("finished_at").collect()["outputs"]
        told = [json.loads(text) for text in whole]
        every = [_every_week(one) for one in told]
        known = {one["id"] for one in every}
        newest = [_newest(one) for one in lineage.recorded(self.lake) if one.links[-1].name not in known]
        return every + newest

    @cached_property
    def made_with(self) -> dict[str, str]:
        """The materialization that the lists of a batch were made with, by batch; those from before it was kept are not there."""
        rows = self.lake.scan("stages").filter(pl.col("stage") == "recommend").select("fingerprint", "outputs").collect()
        return {batch: json.loads(text)["materialization"] for batch, text in rows.iter_rows()}

    def decisions(self) -> list[dict[str, Any]]:
        """The rows of ``promotions``, oldest first, without their records."""
        return self.lake.scan("promotions").drop("record").sort("sequence").collect().to_dicts()

    def batches(self) -> list[dict[str, Any]]:
        """The rows of ``batches``, in the order of publication; one that was published again is there again."""
        return self.lake.scan("batches").sort("published_at").collect().to_dicts()


def _every_week(one: dict[str, Any]) -> dict[str, Any]:
    return {"id": one["materialization"], "snapshot_id": one["snapshot"], "as_of": one["as_of"], "rows": "every week's"}


def _newest(one: lineage.Lineage) -> dict[str, Any]:
    return {"id": one.links[-1].name, "snapshot_id": one.point.snapshot, "as_of": one.point.cutoff.isoformat(), "rows": "the newest"}


def readable(lake: Lake, snapshot_id: str, missing: list[str]) -> Snapshot | None:
    """A snapshot whose rows are all there; of another one the reason joins ``missing``."""
    try:
        return require_readable(open_snapshot(lake, snapshot_id))
    except LakeError as error:
        missing.append(error.message)
        return None


def told_snapshot(sources: Sources, snapshot_id: str | None, missing: list[str]) -> dict[str, Any] | None:
    """id, as_of, created_at, versions and the ids of its deliveries; what cannot be told joins ``missing``."""
    if snapshot_id is None or snapshot_id not in sources.snapshots:
        return None
    row = sources.snapshots[snapshot_id]
    told = {"id": snapshot_id, "as_of": row["as_of"], "created_at": row["created_at"]}
    try:
        held = held_by(sources.lake, snapshot_id)
    except LakeError as error:
        missing.append(f"which deliveries snapshot '{snapshot_id}' holds is not known: {error.message}")
        held = []
    return {**told, "versions": open_snapshot(sources.lake, snapshot_id).versions, "deliveries": held}


def in_production(decisions: list[dict[str, Any]], at: datetime) -> dict[str, Any] | None:
    """The decision that held at a moment: the last one until then that put a version live."""
    live = [one for one in decisions if one["version"] is not None and one["decided_at"] <= at]
    return live[-1] if live else None
