"""Decisions on paper: as JSON, as rows of ``promotions``, and read back."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from outfitter.evaluation.bootstrap import Interval
from outfitter.evaluation.report.density import Density
from outfitter.lake.tables import Lake
from outfitter.registry.gate import Comparison, Decision
from outfitter.registry.guardrails import Guardrail
from outfitter.registry.shadow import Shadow


def write_down(
    lake: Lake, decision_id: str, decision: Decision, version: str | None, snapshot_id: str | None, at: datetime, number: int | None = None
) -> None:
    """Append a decision; one that is there already is left alone. From here on it holds.

    number: of decisions there were when this one was taken, by default all there are. Raises OvertakenError when another has come since:
    of two that were taken at once one is written down, and nothing of the other.
    """
    sequence = count(lake) if number is None else number
    row: dict[str, list[Any]] = {
        "decision_id": [decision_id],
        "sequence": [sequence],
        "decided_at": [at],
        "snapshot_id": [snapshot_id],
        "verdict": [decision.verdict],
        "reason": [decision.reason],
        "challenger": [decision.challenger],
        "champion": [decision.champion],
        "version": [version],
        "record": [as_json(decision)],
    }
    lake.append("promotions", pl.DataFrame(row), transaction=decision_id, rows=sequence)


def count(lake: Lake) -> int:
    """How many decisions have been written down."""
    return int(lake.scan("promotions").select(pl.len()).collect().item())


def decided(lake: Lake, decision_id: str) -> tuple[Decision, str | None] | None:
    """The decision of that id and the version it put live, or None when it has not been taken."""
    rows = lake.scan("promotions").filter(pl.col("decision_id") == decision_id).collect()
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    return read_decision(row["record"]), row["version"]


def read_decision(record: str) -> Decision:
    """A decision out of its JSON record."""
    return _decision(json.loads(record))


def _decision(told: dict[str, Any]) -> Decision:
    gain = Interval(**told["gain"]) if told["gain"] else None
    rails = tuple(Guardrail(**rail) for rail in told["guardrails"])
    comparisons = tuple(_comparison(one) for one in told.get("comparisons", ()))
    others = tuple(_decision(one) for one in told.get("others", ()))
    shadow = Shadow.of(told["shadow"]) if told.get("shadow") else None
    return Decision(**{**told, "gain": gain, "guardrails": rails, "comparisons": comparisons, "others": others, "shadow": shadow})


def _comparison(told: dict[str, Any]) -> Comparison:
    drawn = told["resamples"]
    resamples = Density(drawn["low"], drawn["high"], tuple(drawn["counts"])) if drawn else None
    return Comparison(**{**told, "gain": Interval(**told["gain"]), "resamples": resamples})


def as_json(decision: Decision) -> str:
    """The whole decision, with its numbers."""
    return json.dumps(decision.record(), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a decision record")
