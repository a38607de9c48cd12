"""monitor: has the data drifted since training? A report, a verdict, an event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow

from outfitter.features.asof import Windows
from outfitter.lake import stages
from outfitter.progress import report
from tasks.artifacts import leave
from tasks.drift import compare, tell, write_down
from tasks.work import Work, at_work

SETTINGS = ("window_days", "training_cutoffs", "drift_sample", "drift_share", "drift_numerical", "drift_categorical", "seed", "events")


@flow(name="monitor", log_prints=False)
def monitor(as_of: datetime | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Compare the newest window with the training window and emit the verdict."""
    with at_work(now) as work:
        snapshot = work.snapshot()
        windows = Windows.before(as_of or snapshot.as_of, work.settings.window_days)
        settings = {name: getattr(work.settings, name) for name in SETTINGS}
        print_ = stages.fingerprint("monitor", snapshot=snapshot.id, windows=windows, settings=settings)
        if (done := stages.find(work.lake, "monitor", print_)) is not None:
            report("monitor", "nothing new", "skipped")
            return {**done, "new": False}
        outputs = _check(work, snapshot, windows, print_)
        return {**stages.record(work.lake, "monitor", print_, outputs, work.now), "new": True}


def _check(work: Work, snapshot: Any, windows: Windows, print_: str) -> dict[str, Any]:
    drift = compare(work, snapshot, windows, work.settings.reports / "drift" / f"{windows.as_of:%Y-%m-%d}-{print_}.html")
    write_down(work, snapshot, windows, print_, drift)
    event = tell(work, print_, drift)
    outputs = {"drifted": drift.drifted, "share": drift.share, "reason": drift.reason, "report": str(drift.report), "event": event}
    leave("monitor", "Drift" if drift.drifted else "No drift", outputs)
    report("monitor", "drift" if drift.drifted else "no drift", "done")
    return outputs
