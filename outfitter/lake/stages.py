"""What has been done already: (stage, fingerprint of all that went in) -> outputs. A rerun looks here and skips."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import polars as pl

from outfitter.lake.tables import Lake

STAGE_VERSIONS = {"materialize": 2, "tune": 1, "fit": 2, "leaks": 1, "analyse": 1, "shadow": 1, "train": 4, "recommend": 1, "monitor": 1}
"""Raise a stage's number when its code changes what it produces: finished work is then done anew."""


def fingerprint(stage: str, **inputs: Any) -> str:
    """16 hex digits of SHA-256 over the stage, its code version and its inputs (anything ``json`` can write, or ``str``)."""
    content = json.dumps({"stage": stage, "version": STAGE_VERSIONS.get(stage, 0), **inputs}, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def find(lake: Lake, stage: str, print_: str) -> dict[str, Any] | None:
    """The outputs recorded for this stage and fingerprint, or None when it was never finished."""
    rows = lake.scan("stages").filter((pl.col("stage") == stage) & (pl.col("fingerprint") == print_)).collect()
    return json.loads(rows["outputs"][0]) if rows.height else None


def record(lake: Lake, stage: str, print_: str, outputs: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Write down that a stage is finished; returns ``outputs`` as a later ``find`` will give them."""
    text = json.dumps(outputs, sort_keys=True, default=str)
    row = pl.DataFrame({"stage": [stage], "fingerprint": [print_], "outputs": [text], "finished_at": [at]})
    lake.append("stages", row, transaction=f"{stage}:{print_}")
    return json.loads(text)  # type: ignore[no-any-return]
