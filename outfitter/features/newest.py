"""The newest row of every user and item, kept up to date: computed whole once, and then only for those who changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import polars as pl

from outfitter.features import lineage
from outfitter.features.compute import item_rows, parts, user_parts, user_rows
from outfitter.features.lineage import Lineage, Link, Point, point_of
from outfitter.features.prices import price_tables
from outfitter.features.renewal import users_to_renew
from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake import stages
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.progress import report

PREFIX = "newest-"
AT_ONCE = 250_000
"""Rows of one commit: bounds the memory, and the number of files."""
MOST_LINKS = 40
TOMBSTONE = pl.lit(None, dtype=pl.List(pl.Int64())).alias("last_items")


def renew(features: Lake, snapshot: Snapshot, cutoff: datetime, targets: Collection[str], now: datetime) -> Lineage:
    """Bring the newest rows up to ``cutoff`` of ``snapshot``; returns their lineage. A run that was killed goes on where it stopped."""
    for table in FEATURE_TABLES:
        features.create(table)
    point, before = point_of(snapshot, cutoff, targets), lineage.newest(snapshot.lake)
    if before and before.point.id == point.id:
        return before
    users = users_to_renew(before.point, point, snapshot, targets) if before else None
    links = before.links if before and users is not None else ()
    link = _link(features, snapshot, point, targets, links, users)
    if _overgrown([*links, link]):
        merged = _merge(features, snapshot, [*links, link])
        return lineage.record(snapshot.lake, point, [merged], now)
    return lineage.record(snapshot.lake, point, [*links, link], now)


def adopt(features: Lake, snapshot: Snapshot, cutoff: datetime, targets: Collection[str], materialization: str, now: datetime) -> Lineage:
    """Let the rows of a materialization as of ``cutoff``, which hold everybody, be the newest rows."""
    point = point_of(snapshot, cutoff, targets)
    link = Link(materialization, point.id, 0, cutoff.isoformat())
    rows = features.scan("user_features").filter(lineage.of([link])).select(pl.len()).collect().item()
    return lineage.record(snapshot.lake, point, [Link(materialization, point.id, rows, cutoff.isoformat())], now)


def clear(features: Lake, kept: Lineage) -> None:
    """Delete the links that the newest lineage does not name: merged ones, and what killed runs have left.

    Their files stay for a week, so that whoever reads them can finish.
    """
    named = {link.name for link in kept.links}
    for table in FEATURE_TABLES:
        names = features.distinct(table, "materialization")
        if gone := [name for name in names if name.startswith(PREFIX) and name not in named]:
            features.delete_rows(table, "materialization", gone)
            features.vacuum(table, keep_versions=[])


def _link(
    features: Lake, snapshot: Snapshot, point: Point, targets: Collection[str], links: Sequence[Link], users: pl.Series | None
) -> Link:
    """Compute and append the rows of ``users`` (None: of everybody) and of all items as one link after ``links``."""
    name = PREFIX + stages.fingerprint("link", point=point.id, after=[link.name for link in links])
    prices = price_tables(snapshot, point.cutoff, point.cutoff, targets)
    done: list[pl.Series] = []
    computed = _followed(user_rows(snapshot, point.cutoff, targets, users, prices), len(user_parts(range(snapshot.n_buckets), users)), done)
    rows = _append_all(features, name, point.cutoff, computed)
    if users is not None:
        gone = _gone(features, links, users, pl.concat([users.clear(), *done]))
        rows += gone.height
        _append(features, "user_features", name, point.cutoff, gone, f"{name}:gone")
    items = item_rows(snapshot, point.cutoff, targets, prices)
    _append(features, "item_features", name, point.cutoff, items, f"{name}:items")
    return Link(name, point.id, rows)


def _followed(parts: Iterator[pl.DataFrame], total: int, done: list[pl.Series]) -> Iterator[pl.DataFrame]:
    """The rows alone; their users are noted, and progress is told."""
    for number, rows in enumerate(parts, start=1):
        report("materialize", "newest features of users", done=number, total=total)
        done.append(rows["user_key"])
        yield rows


def _append_all(features: Lake, name: str, cutoff: datetime | None, parts: Iterator[pl.DataFrame]) -> int:
    """Append in commits of about AT_ONCE rows; returns how many rows there were."""
    waiting: list[pl.DataFrame] = []
    total = commits = 0
    for rows in parts:
        waiting.append(rows)
        total += rows.height
        if sum(one.height for one in waiting) >= AT_ONCE:
            _append(features, "user_features", name, cutoff, pl.concat(waiting), f"{name}:{commits}")
            commits, waiting = commits + 1, []
    if waiting:
        _append(features, "user_features", name, cutoff, pl.concat(waiting), f"{name}:{commits}")
    return total


def _append(features: Lake, table: str, name: str, cutoff: datetime | None, rows: pl.DataFrame, transaction: str) -> None:
    """``cutoff`` is None for rows that have theirs already."""
    if rows.height:
        stamp = [] if cutoff is None else [pl.lit(cutoff, dtype=pl.Datetime("us", "UTC")).alias("cutoff")]
        features.append(table, rows.with_columns(*stamp, pl.lit(name).alias("materialization")), transaction)


def _gone(features: Lake, links: Sequence[Link], users: pl.Series, computed: pl.Series) -> pl.DataFrame:
    """user_key, bucket, last_items (null): users who had a row in ``links`` and have none any more."""
    lost = users.filter(~users.is_in(computed.implode()))
    rows = features.scan("user_features").filter(lineage.of(links) & pl.col("user_key").is_in(lost.implode()))
    return rows.select("user_key", "bucket").unique().sort("user_key").with_columns(TOMBSTONE).collect()


def _overgrown(links: Sequence[Link]) -> bool:
    return len(links) > MOST_LINKS or sum(link.rows for link in links[1:]) > links[0].rows


def _merge(features: Lake, snapshot: Snapshot, links: Sequence[Link]) -> Link:
    """One link that holds what all of them add up to, each row with its own cut-off."""
    name = PREFIX + stages.fingerprint("merged", links=[link.name for link in links])
    whole = (lineage.present(lineage.current(features, links, part)) for part in parts(range(snapshot.n_buckets), 1))
    rows = _append_all(features, name, None, whole)
    items = lineage.current_items(features, links[-1])
    _append(features, "item_features", name, None, items, f"{name}:items")
    return Link(name, links[-1].point, rows)
