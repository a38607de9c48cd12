"""materialize: user and item features as of weekly cut-offs, through Feast, offline and online."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
from prefect import flow

from outfitter.errors import NotEnoughData
from outfitter.features.asof import Windows
from outfitter.features.spec import FEATURE_TABLES, FEATURES_VERSION, ITEM_FEATURES, USER_FEATURES
from outfitter.lake import stages
from outfitter.lake.snapshot import Snapshot
from outfitter.progress import report
from tasks.artifacts import leave
from tasks.features import apply, compute, send_online
from tasks.work import Work, at_work


@flow(name="materialize", log_prints=False)
def materialize(as_of: datetime | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Compute features as of ``as_of`` (the newest accepted event by default) and send the newest online."""
    with at_work(now) as work:
        snapshot = work.snapshot()
        moment = as_of or snapshot.as_of
        print_ = materialization_of(work, snapshot, moment)
        if (done := stages.find(work.lake, "materialize", print_)) is not None:
            report("materialize", "nothing new", "skipped")
            return {**done, "new": False}
        refuse_before_the_first_event(snapshot, moment)
        outputs = _materialize(work, snapshot, moment, print_)
        leave("materialize", f"Features as of {moment:%Y-%m-%d}", outputs)
        report("materialize", f"{outputs['user_rows']:,} user rows and {outputs['item_rows']:,} item rows", "done")
        return {**stages.record(work.lake, "materialize", print_, outputs, work.now), "new": True}


def materialization_of(work: Work, snapshot: Snapshot, as_of: datetime) -> str:
    """The fingerprint of the features of a snapshot as of a moment."""
    settings = {name: getattr(work.settings, name) for name in ("events", "training_cutoffs", "window_days")}
    return stages.fingerprint("materialize", snapshot=snapshot.id, as_of=as_of, features=FEATURES_VERSION, settings=settings)


def refuse_before_the_first_event(snapshot: Snapshot, as_of: datetime) -> None:
    """Raises NotEnoughData when nothing had happened yet: there would be nobody to compute features of."""
    first = snapshot.scan("interactions").select(pl.col("timestamp").min()).collect().item()
    if as_of < first:
        raise NotEnoughData(f"the first event is of {first:%Y-%m-%d}, nothing had happened by {as_of:%Y-%m-%d}", "Give a later --as-of.")


def _materialize(work: Work, snapshot: Snapshot, as_of: datetime, print_: str) -> dict[str, Any]:
    windows = Windows.before(as_of, work.settings.window_days)
    cutoffs = windows.cutoffs(work.settings.training_cutoffs)
    compute(work, snapshot, windows, cutoffs, print_)
    store = apply(work, print_)
    compared = send_online(work, store, as_of) if as_of >= snapshot.as_of else 0  # what is online is never set back
    counts = [
        work.features.scan(table).filter(pl.col("materialization") == print_).select(pl.len()).collect().item() for table in FEATURE_TABLES
    ]
    return {
        "materialization": print_,
        "snapshot": snapshot.id,
        "as_of": as_of.isoformat(),
        "cutoffs": len(cutoffs),
        "user_features": len(USER_FEATURES),
        "item_features": len(ITEM_FEATURES),
        "user_rows": counts[0],
        "item_rows": counts[1],
        "read_back": compared,
    }
