"""ingest: find what is new, read it, validate it, write it to the lake, take a snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
from prefect import flow

from expectations.docs import build_docs
from outfitter.errors import NotEnoughData, StoppedByValidation
from outfitter.lake.deliveries import Judgement
from outfitter.lake.founding import found, refuse_other_source
from outfitter.lake.keys import default_buckets
from outfitter.lake.snapshot import Snapshot, live_deliveries, take_snapshot
from outfitter.progress import report
from tasks.artifacts import leave
from tasks.ingestion import Arrival, bench_for, commit, count_users, discover, read, source_folder, validate
from tasks.work import Work, at_work


@flow(name="ingest", log_prints=False)
def ingest(source: str | None = None, path: str | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Take in what is new from a source: validated deliveries, quarantined rows, a snapshot of the lake."""
    with at_work(now, source=source, path=path) as work:
        refuse_other_source(work.lake, work.settings.source)
        bench = bench_for(work)
        arrivals = read(discover(work, source_folder(work.settings), bench), bench.adapter)
        judgements = _take_in(work, arrivals, bench) if arrivals else []
        if arrivals:
            build_docs(work.docs)
        snapshot = _snapshot(work)
        return _summary(work, arrivals, judgements, snapshot)


def _take_in(work: Work, arrivals: list[Arrival], bench: Any) -> list[Judgement]:
    buckets = work.settings.n_buckets or default_buckets(count_users(arrivals))
    known = found(work.lake, buckets, bench.adapter.name, work.now)
    judgements = []
    for number, arrival in enumerate(arrivals, start=1):
        report("ingest", f"validating {arrival.delivery.object}", done=number - 1, total=len(arrivals))
        judgements.append(validate(arrival, bench))
        commit(work, arrival, judgements[-1], known.n_buckets)
    return judgements


def _snapshot(work: Work) -> Snapshot:
    """The snapshot of what is accepted. When nothing is, the reasons that stopped the deliveries are the error."""
    try:
        return take_snapshot(work.lake, work.now)
    except NotEnoughData as error:
        stopped = live_deliveries(work.lake).filter(pl.col("status") == "rejected")
        if stopped.is_empty():
            raise
        row = stopped.row(0, named=True)
        raise StoppedByValidation(
            f"{row['object']}: {row['reason']}", f"Nothing of it was used. Mend the file and deliver it again; details in {work.docs}"
        ) from error


def _summary(work: Work, arrivals: list[Arrival], judgements: list[Judgement], snapshot: Snapshot) -> dict[str, Any]:
    stopped = {a.delivery.object: j.stopped for a, j in zip(arrivals, judgements, strict=True) if j.stopped}
    reasons = pl.concat([j.quarantine.select("reasons") for j in judgements]).explode("reasons") if judgements else None
    counts = dict(reasons["reasons"].str.split(": ").list.first().value_counts(sort=True).rows()) if reasons is not None else {}
    stubs = snapshot.scan("items").group_by("item_key").agg(pl.col("catalogued").any()).filter(~pl.col("catalogued")).collect().height
    summary = {
        "snapshot": snapshot.id,
        "as_of": snapshot.as_of.isoformat(),
        "new_deliveries": len(arrivals),
        "rows_in": sum(j.rows_in for j in judgements),
        "rows_accepted": sum(j.rows_in - (j.rows_in if j.stopped else j.rows_quarantined) for j in judgements),
        "rows_quarantined": sum(j.rows_in if j.stopped else j.rows_quarantined for j in judgements),
        "quarantine_reasons": counts,
        "stopped": stopped,
        "stub_items": stubs,
        "interactions": snapshot.scan("interactions").select(pl.len()).collect().item(),
        "users": snapshot.users().select(pl.len()).collect().item(),
        "items": snapshot.items().select(pl.len()).collect().item(),
        "data_docs": str(work.docs / "site" / "index.html"),
    }
    leave("ingest", f"Ingested {len(arrivals)} new deliveries", summary)
    message = f"{summary['rows_in']:,} rows in {len(arrivals)} new deliveries" if arrivals else "nothing new"
    report("ingest", message, "done" if arrivals else "skipped")
    return summary
