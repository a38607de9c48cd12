"""Comparing two windows of data, writing the verdict down and telling the world."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from outfitter.features.asof import Windows
from outfitter.lake.snapshot import Snapshot
from outfitter.monitoring.drift import Drift, drift_report
from outfitter.monitoring.windows import CATEGORICAL, NUMERICAL, reference_window, window_rows
from outfitter.progress import report
from tasks.work import Work


@task(name="compare windows", cache_policy=NO_CACHE)
def compare(work: Work, snapshot: Snapshot, windows: Windows, html: Path) -> Drift:
    """An Evidently report between the training window and the newest one."""
    report("monitor", "comparing the newest window with the training window")
    settings = work.settings
    since, until = reference_window(windows, settings.training_cutoffs)
    targets = [name for name, rule in settings.events.items() if rule.target]
    return drift_report(
        window_rows(snapshot, since, until, targets),
        window_rows(snapshot, windows.test_from, windows.as_of, targets),
        numerical=NUMERICAL,
        categorical=CATEGORICAL,
        sample=settings.drift_sample,
        share=settings.drift_share,
        numerical_threshold=settings.drift_numerical,
        categorical_threshold=settings.drift_categorical,
        html=html,
        seed=settings.seed,
    )


@task(name="record verdict", cache_policy=NO_CACHE)
def write_down(work: Work, snapshot: Snapshot, windows: Windows, check_id: str, drift: Drift) -> None:
    """Append the verdict to the ``drift`` table, once."""
    since, until = reference_window(windows, work.settings.training_cutoffs)
    row = {
        "check_id": [check_id],
        "checked_at": [work.now],
        "snapshot_id": [snapshot.id],
        "reference_from": [since],
        "reference_to": [until],
        "current_from": [windows.test_from],
        "current_to": [windows.as_of],
        "drifted": [drift.drifted],
        "share": [drift.share],
        "reason": [drift.reason],
        "columns": [json.dumps({name: asdict(column) for name, column in drift.columns.items()})],
        "report": [str(drift.report)],
    }
    work.lake.append("drift", pl.DataFrame(row), transaction=check_id)


@task(name="emit event", cache_policy=NO_CACHE)
def tell(work: Work, check_id: str, drift: Drift) -> str:
    """Emit the verdict as a Prefect event, which automations listen to; returns the event's name."""
    name = "outfitter.drift.detected" if drift.drifted else "outfitter.drift.checked"
    payload = {"check_id": check_id, "share": drift.share, "reason": drift.reason, "report": str(drift.report)}
    emit_event(event=name, resource={"prefect.resource.id": f"outfitter.lake.{work.lake.root}"}, payload=payload)
    return name
