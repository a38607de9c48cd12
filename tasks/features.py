"""Feature rows by cut-off, and their way through Feast."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

import feature_repo
from outfitter.features import store as feast
from outfitter.features.asof import Windows, rows_as_of
from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake.snapshot import Snapshot
from outfitter.progress import report
from tasks.work import Work

if TYPE_CHECKING:  # Feast takes seconds to import, and a run that finds nothing new never needs it
    from feast import FeatureStore

READ_BACK = 200


@task(name="compute features", cache_policy=NO_CACHE)
def compute(work: Work, snapshot: Snapshot, windows: Windows, cutoffs: list[datetime], materialization: str) -> None:
    """Compute the rows of every cut-off and append them to the lake under the materialization's id."""
    targets = [name for name, rule in work.settings.events.items() if rule.target]
    for table in FEATURE_TABLES:
        work.features.create(table)
    for number, cutoff in enumerate(cutoffs, start=1):
        report("materialize", f"features as of {cutoff:%Y-%m-%d}", done=number - 1, total=len(cutoffs))
        frames = rows_as_of(snapshot.scan("interactions"), snapshot.items(cutoff), cutoff, windows, targets)
        for table, rows in zip(FEATURE_TABLES, frames, strict=True):
            named = rows.with_columns(pl.lit(materialization).alias("materialization"))
            work.features.append(table, named, transaction=f"{materialization}:{cutoff.isoformat()}")


@task(name="feast apply", cache_policy=NO_CACHE)
def apply(work: Work, materialization: str) -> FeatureStore:
    """Export the rows of a materialization and register the views over them."""
    report("materialize", "registering the features with Feast")
    feast.ensure_exported(work.settings.home / "feast" / "rows", work.features, materialization)
    store = feature_repo.open_store()
    feature_repo.apply(store)
    return store


@task(name="materialize online", cache_policy=NO_CACHE)
def send_online(work: Work, store: FeatureStore, newest: datetime) -> int:
    """Fill the online store, then read a sample back and compare it with the offline rows; returns how many were compared."""
    report("materialize", "filling the online store")
    feast.materialize_online(store, newest)
    return feast.compare_online(store, work.settings.home / "feast" / "rows", READ_BACK, work.settings.seed)
