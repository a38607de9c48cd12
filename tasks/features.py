"""Feature rows by cut-off, and their way through Feast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

import feature_repo
from outfitter.features import newest, offline, online
from outfitter.features.asof import Windows, users_named
from outfitter.features.compute import item_rows, user_rows
from outfitter.features.lineage import Lineage
from outfitter.features.prices import price_tables
from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.meanwhile import import_meanwhile
from outfitter.progress import report
from tasks.work import Work

if TYPE_CHECKING:  # Feast takes seconds to import, and a run that finds nothing new never needs it
    from feast import FeatureStore

READ_BACK = 200
BUCKETS_A_COMMIT = 8  # bounds the memory; a commit for every bucket of every cut-off would be a thousand


@task(name="compute features", cache_policy=NO_CACHE)
def compute(work: Work, snapshot: Snapshot, windows: Windows, cutoffs: list[datetime], materialization: str) -> None:
    """Compute the rows of every cut-off and append them to the lake under the materialization's id."""
    targets = work.targets
    for table in FEATURE_TABLES:
        work.features.create(table)
    prices = price_tables(snapshot, min(cutoffs), max(cutoffs), targets)
    for number, cutoff in enumerate(cutoffs, start=1):
        report("materialize", f"features as of {cutoff:%Y-%m-%d}", done=number - 1, total=len(cutoffs))
        named = users_named(snapshot.scan("interactions"), cutoff, windows, targets)
        into = Destination(work.features, materialization, cutoff)
        for first in range(0, snapshot.n_buckets, BUCKETS_A_COMMIT):
            buckets = range(first, min(first + BUCKETS_A_COMMIT, snapshot.n_buckets))
            into.put("user_features", f":{first}", partial(_users_of, snapshot, cutoff, targets, named, prices, buckets))
        into.put("item_features", "", partial(item_rows, snapshot, cutoff, targets, prices))


def _users_of(*asked: Any) -> pl.DataFrame:
    return pl.concat(user_rows(*asked))


@dataclass(frozen=True)
class Destination:
    """Where the rows of a cut-off go: the feature tables, under the name of the materialization."""

    features: Lake
    materialization: str
    cutoff: datetime

    def put(self, table: str, part: str, make: Callable[[], pl.DataFrame]) -> None:
        """Rows are made only when this part has not been committed before: a killed run goes on where it was."""
        transaction = f"{self.materialization}:{self.cutoff.isoformat()}{part}"
        if not self.features.committed(table, transaction):
            stamp = pl.lit(self.cutoff, dtype=pl.Datetime("us", "UTC")).alias("cutoff")
            self.features.append(table, make().with_columns(stamp, pl.lit(self.materialization).alias("materialization")), transaction)


@task(name="renew newest features", cache_policy=NO_CACHE)
def renew(work: Work, snapshot: Snapshot, cutoff: datetime) -> Lineage:
    """Bring the newest rows up to ``cutoff``, computing only the users who changed."""
    report("materialize", f"newest features as of {cutoff:%Y-%m-%d}")
    import_meanwhile("feast")
    return newest.renew(work.features, snapshot, cutoff, work.targets, work.now)


@task(name="adopt newest features", cache_policy=NO_CACHE)
def adopt(work: Work, snapshot: Snapshot, cutoff: datetime, materialization: str) -> Lineage:
    """Let the rows of a materialization, which hold everybody, be the newest rows."""
    return newest.adopt(work.features, snapshot, cutoff, work.targets, materialization, work.now)


@task(name="export features", cache_policy=NO_CACHE)
def export(work: Work, materialization: str) -> None:
    """Give Feast the rows of a materialization to join training rows with."""
    report("materialize", "exporting the features for Feast")
    offline.ensure_exported(work.settings.home / "feast" / "rows", work.features, materialization)


@task(name="feast apply", cache_policy=NO_CACHE)
def apply(work: Work) -> FeatureStore:
    """Register entities, views and services with Feast."""
    report("materialize", "registering the features with Feast")
    store = feature_repo.open_store(work.settings)
    feature_repo.apply(store)
    return store


@task(name="materialize online", cache_policy=NO_CACHE)
def send_online(work: Work, store: FeatureStore, snapshot: Snapshot, lineage: Lineage) -> dict[str, int]:
    """Send what changed, read a sample back and compare it with the offline rows, and clear away what no lineage names any more."""
    sending = online.Sending(store, work.settings, work.features, snapshot, lineage)
    outcome = online.send(sending)
    report("materialize", "reading back from the online store")
    compared = online.compare_online(sending, outcome, READ_BACK, work.settings.seed)
    newest.clear(work.features, lineage)
    return {
        "users_sent": len(outcome.users),
        "items_sent": len(outcome.items),
        "users_removed": outcome.users_removed,
        "items_removed": outcome.items_removed,
        "read_back": compared,
    }
