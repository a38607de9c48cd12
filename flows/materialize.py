"""materialize: user and item features as of weekly cut-offs, through Feast, offline and online."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
from prefect import flow

from outfitter.errors import LakeError, NotEnoughData, SettingsError
from outfitter.features.asof import Windows
from outfitter.features.lineage import Point, point_of
from outfitter.features.online import is_online
from outfitter.features.spec import FEATURE_TABLES, FEATURES_VERSION, ITEM_FEATURES, USER_FEATURES
from outfitter.lake import stages
from outfitter.lake.founding import facts
from outfitter.lake.snapshot import Snapshot
from outfitter.progress import report
from tasks.artifacts import leave
from tasks.features import adopt, apply, compute, export, renew, send_online
from tasks.work import Work, at_work


@flow(name="materialize", log_prints=False)
def materialize(as_of: datetime | None = None, now: datetime | None = None, newest_only: bool = False) -> dict[str, Any]:
    """Compute features as of ``as_of`` (the newest accepted event by default) and send the newest online.

    newest_only: leave out the earlier cut-offs, which training needs, and compute only the users who changed since the last time.
    """
    with at_work(now) as work:
        snapshot = work.snapshot()
        moment = as_of or snapshot.as_of
        refuse_synthetic_time(work)
        refuse_before_the_first_event(snapshot, moment)
        if newest_only and moment < snapshot.as_of:
            raise SettingsError(f"{moment:%Y-%m-%d %H:%M} is not the newest cut-off", "Leave out --newest-only, or --as-of.")
        outputs = _newest(work, snapshot, moment) if newest_only else _all(work, snapshot, moment)
        if not outputs["new"]:
            report("materialize", "nothing new", "skipped")
            return outputs
        leave("materialize", f"Features as of {moment:%Y-%m-%d}", outputs)
        report("materialize", _told(outputs), "done")
        return outputs


def materialization_of(work: Work, snapshot: Snapshot, as_of: datetime) -> str:
    """The fingerprint of the features of a snapshot as of a moment."""
    settings = {name: getattr(work.settings, name) for name in ("events", "training_cutoffs", "window_days")}
    return stages.fingerprint("materialize", snapshot=snapshot.id, as_of=as_of, features=FEATURES_VERSION, settings=settings)


def refuse_synthetic_time(work: Work) -> None:
    """Raises LakeError for a source without times: windows, ages and cut-offs would be made of row numbers."""
    known = facts(work.lake)
    if known and known.synthetic_time:
        raise LakeError(
            f"the source '{known.source}' has no times: an event's day is only its place in its sequence",
            "Features and windows need times; such data serves to compare sequence models.",
        )


def refuse_before_the_first_event(snapshot: Snapshot, as_of: datetime) -> None:
    """Raises NotEnoughData when nothing had happened yet: there would be nobody to compute features of."""
    first = snapshot.scan("interactions").select(pl.col("timestamp").min()).collect().item()
    if as_of < first:
        raise NotEnoughData(f"the first event is of {first:%Y-%m-%d}, nothing had happened by {as_of:%Y-%m-%d}", "Give a later --as-of.")


def _newest(work: Work, snapshot: Snapshot, as_of: datetime) -> dict[str, Any]:
    """Only the newest cut-off, only for those who changed."""
    point = point_of(snapshot, as_of, work.targets)
    if is_online(work.settings, work.lake, point):
        return {**_described(point), "new": False}
    lineage = renew(work, snapshot, as_of)
    sent = send_online(work, apply(work), snapshot, lineage)
    return {**_described(point), **sent, "new": True}


def _all(work: Work, snapshot: Snapshot, as_of: datetime) -> dict[str, Any]:
    """Every weekly cut-off that training reads. What is online is never set back to an earlier moment."""
    print_, point = materialization_of(work, snapshot, as_of), point_of(snapshot, as_of, work.targets)
    done = stages.find(work.lake, "materialize", print_)
    live = as_of >= snapshot.as_of
    if done is not None and (not live or is_online(work.settings, work.lake, point)):
        return {**done, "new": False}
    if done is None:
        windows = Windows.before(as_of, work.settings.window_days)
        cutoffs = windows.cutoffs(work.settings.training_cutoffs)
        compute(work, snapshot, windows, cutoffs, print_)
        export(work, print_)
        done = {**_described(point), "materialization": print_, "cutoffs": len(cutoffs), **_counts(work, print_)}
    store, sent = apply(work), {"read_back": 0}
    if live:
        sent = send_online(work, store, snapshot, adopt(work, snapshot, as_of, print_))
    return {**stages.record(work.lake, "materialize", print_, {**done, **sent}, work.now), "new": True}


def _described(point: Point) -> dict[str, Any]:
    counts = {"user_features": len(USER_FEATURES), "item_features": len(ITEM_FEATURES)}
    return {"snapshot": point.snapshot, "as_of": point.cutoff.isoformat(), **counts}


def _counts(work: Work, print_: str) -> dict[str, int]:
    mine = pl.col("materialization") == print_
    rows = [work.features.scan(table).filter(mine).select(pl.len()).collect().item() for table in FEATURE_TABLES]
    return {"user_rows": rows[0], "item_rows": rows[1]}


def _told(outputs: dict[str, Any]) -> str:
    if "user_rows" in outputs:
        return f"{outputs['user_rows']:,} user rows and {outputs['item_rows']:,} item rows"
    return f"{outputs['users_sent']:,} users and {outputs['items_sent']:,} items sent"
