"""ingest: find what is new, read and sift it, judge it in the order of events, write it to the lake, take a snapshot."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import polars as pl
from prefect import flow

from expectations.docs import build_docs
from expectations.judging import Bench
from flows.materialize import materialize
from outfitter.errors import NotEnoughData, StoppedByValidation
from outfitter.lake.deliveries import Judgement, sweep
from outfitter.lake.founding import found, refuse_other_source
from outfitter.lake.keys import default_buckets
from outfitter.lake.snapshot import Snapshot, live_deliveries, take_snapshot
from outfitter.lake.staging import count_users
from outfitter.meanwhile import import_meanwhile
from outfitter.progress import report
from tasks.artifacts import leave
from tasks.ingestion import Arrival, Listing, bench_for, clear_leftovers, commit, discover, judge, look, stage, with_source
from tasks.work import Work, at_work

Judged = tuple[Arrival, Judgement]


@flow(name="ingest", log_prints=False)
def ingest(
    source: str | None = None,
    path: str | None = None,
    mapping: str | None = None,
    now: datetime | None = None,
    then_materialize: bool = False,
) -> dict[str, Any]:
    """Take in what is new from a source: validated deliveries, quarantined rows, a snapshot of the lake.

    then_materialize: bring the newest features up to date in the same run.
    """
    with at_work(now, source=source, path=path, mapping=mapping) as work:
        summary = _ingest(work, "feast" if then_materialize else None)
        return summary | {"materialized": materialize(now=work.now, newest_only=True)} if then_materialize else summary


def _ingest(work: Work, needed_later: str | None) -> dict[str, Any]:
    """Everything but the features. needed_later: a library that is imported meanwhile, if there is anything new."""
    refuse_other_source(work.lake, work.settings.source)
    clear_leftovers(work.staging)
    settings = with_source(work.settings)
    bench = bench_for(work, settings)
    listing = look(settings, bench)
    news = discover(work, listing, bench)
    if news.offers and needed_later:
        import_meanwhile(needed_later)
    arrivals = [arrival for offer in news.offers if (arrival := stage(work, listing.source, offer, bench)) is not None]
    judged = _take_in(work, arrivals, bench, listing) if arrivals else []
    if judged:
        build_docs(work.docs)
    snapshot = _snapshot(work)
    clear_leftovers(work.staging, work.incoming, *_outlived(work))
    return _summary(work, judged, snapshot) | {"ignored": news.ignored}


def _take_in(work: Work, arrivals: list[Arrival], bench: Bench, listing: Listing) -> list[Judged]:
    """Judge and commit one delivery after the other: each is compared with what came before it in time."""
    buckets = work.settings.n_buckets or default_buckets(count_users([arrival.staged for arrival in arrivals]))
    known = found(work.lake, buckets, bench.adapter.name, work.now, bench.adapter.synthetic_time)
    sweep(work.lake)
    judged = []
    for number, arrival in enumerate(sorted(arrivals, key=lambda one: one.order), start=1):
        report("ingest", f"validating {arrival.delivery.object}", done=number - 1, total=len(arrivals))
        judgement = judge(work, arrival, bench, listing)
        commit(work, arrival, judgement, known.n_buckets)
        judged.append((arrival, judgement))
    return judged


def _snapshot(work: Work) -> Snapshot:
    """The snapshot of what is accepted. When nothing is, the reasons that stopped the deliveries are the error."""
    try:
        return take_snapshot(work.lake, work.now, work.settings.files_per_bucket)
    except NotEnoughData as error:
        stopped = live_deliveries(work.lake).filter(pl.col("status") != "accepted")
        if stopped.is_empty():
            raise
        row = stopped.row(0, named=True)
        told = row["reason"] if row["object"] in row["reason"] else f"{row['object']}: {row['reason']}"
        raise StoppedByValidation(told, f"Nothing of it was used. Mend the file and deliver it again; details in {work.docs}") from error


def _outlived(work: Work) -> list[Any]:
    """Parked deliveries that a newer version of their object has made pointless."""
    waiting = live_deliveries(work.lake).filter(pl.col("status") != "accepted")["delivery_id"]
    return [folder for folder in work.aside.glob("*") if folder.name not in set(waiting)]


def _summary(work: Work, judged: list[Judged], snapshot: Snapshot) -> dict[str, Any]:
    reasons: Counter[str] = Counter()
    for arrival, _ in judged:
        reasons.update(arrival.findings.profile.reasons if arrival.findings else {})
    stubs = snapshot.scan("items").group_by("item_key").agg(pl.col("catalogued").any()).filter(~pl.col("catalogued")).collect().height
    aside = [j.rows_quarantined if j.status == "accepted" else j.rows_in for _, j in judged]
    rows_in = sum(j.rows_in for _, j in judged)
    summary = {
        "snapshot": snapshot.id,
        "as_of": snapshot.as_of.isoformat(),
        "new_deliveries": len(judged),
        "rows_in": rows_in,
        "rows_accepted": rows_in - sum(aside),
        "rows_quarantined": sum(aside),
        "quarantine_reasons": dict(reasons.most_common()),
        "stopped": {a.delivery.object: j.reason for a, j in judged if j.status == "rejected"},
        "held": {a.delivery.object: j.reason for a, j in judged if j.status == "held"},
        "warnings": {a.delivery.object: list(j.warnings) for a, j in judged if j.warnings},
        "stub_items": stubs,
        "interactions": snapshot.scan("interactions").select(pl.len()).collect().item(),
        "users": snapshot.count_users(),
        "items": snapshot.items().select(pl.len()).collect().item(),
        "data_docs": str(work.docs / "site" / "index.html"),
    }
    leave("ingest", f"Ingested {len(judged)} new deliveries", summary)
    message = f"{rows_in:,} rows in {len(judged)} new deliveries" if judged else "nothing new"
    report("ingest", message, "done" if judged else "skipped")
    return summary
