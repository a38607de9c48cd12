"""Whose features are no longer what they were: between two cut-offs, and between two snapshots.

Within a snapshot that is decided by events entering and leaving windows (``asof.users_moved``). Between snapshots rows arrive late, are
corrected or taken back, and the catalogue says something else of an item; and since a price is judged by the category's sales of the
month before and by the item's weeks before, such rows also move users who have no part in them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from outfitter.features.asof import users_moved
from outfitter.features.lineage import Point
from outfitter.features.spec import SLOTS, USER_WINDOWS
from outfitter.lake.snapshot import CONTENT, Snapshot
from outfitter.schema import EPOCH

ROW = ["user_key", "item_key", "timestamp", "sequence", "event", "price", "quantity"]
AT_ONCE = 4_000_000
"""Differing rows that are compared in one go; more are compared bucket by bucket."""
WEEK = pl.col("timestamp").dt.epoch("d") // 7
MONTH = pl.col("timestamp").dt.year().cast(pl.Int32) * 12 + pl.col("timestamp").dt.month()


def users_to_renew(before: Point, after: Point, snapshot: Snapshot, targets: Collection[str]) -> pl.Series | None:
    """Int32 user keys, ascending: those whose rows as of ``after`` (a point of ``snapshot``) may differ from those as of ``before``.

    None means everybody: the rules are others, time went backwards, or the tables of the earlier snapshot have been cleared away.
    """
    if before.rules != after.rules or before.cutoff > after.cutoff or not _readable(before, snapshot):
        return None
    then = before.open(snapshot.lake)
    rows, goods = differing_rows(then, snapshot), _recategorised(then, before.cutoff, snapshot, after.cutoff)
    sold = snapshot.scan("interactions").filter(pl.col("item_key").is_in(goods.implode())).select(ROW).collect()
    found = [
        users_moved(snapshot, before.cutoff, after.cutoff),
        rows["user_key"],
        sold["user_key"],
        _judged_by(pl.concat([rows, sold]), then, snapshot, after.cutoff, targets),
    ]
    return pl.concat([users.cast(pl.Int32).rename("user_key") for users in found]).unique().sort()


def differing_rows(then: Snapshot, now: Snapshot) -> pl.DataFrame:
    """The interactions (columns of ROW) that one snapshot has and the other has not."""
    if then.versions["interactions"] == now.versions["interactions"]:
        return then.scan("interactions").select(ROW).clear().collect()
    counts = [one.scan("interactions").group_by("delivery_id").agg(pl.len().alias("rows")).collect() for one in (then, now)]
    same = counts[0].join(counts[1], on=["delivery_id", "rows"], how="semi")["delivery_id"]
    other = ~pl.col("delivery_id").is_in(same.implode())
    many = sum(int(count.filter(other)["rows"].sum()) for count in counts)
    return pl.concat(_difference(then, now, where) for where in _parts(now, other, many))


def _parts(now: Snapshot, other: pl.Expr, many: int) -> Iterator[pl.Expr]:
    if many <= AT_ONCE:
        yield other
    else:
        yield from (other & (pl.col("bucket") == bucket) for bucket in range(now.n_buckets))


def _difference(then: Snapshot, now: Snapshot, where: pl.Expr) -> pl.DataFrame:
    """Rows of the same content under another delivery are the same rows: a file that is delivered whole each day differs by a day."""
    sides = [one.scan("interactions").filter(where).select(*ROW, pl.lit(sign).alias("side")) for one, sign in ((then, -1), (now, 1))]
    sums = pl.concat(sides).group_by(ROW).agg(pl.col("side").sum())
    return sums.filter(pl.col("side") != 0).select(ROW).collect()


def _recategorised(then: Snapshot, cutoff_then: datetime, now: Snapshot, cutoff: datetime) -> pl.Series:
    """Keys of the items of which the catalogue says something else than before, as of the cut-offs or at any moment in between."""
    if then.versions["items"] == now.versions["items"] and cutoff_then == cutoff:
        return pl.Series("item_key", [], dtype=pl.Int32)
    described = [one.items(at).select("item_key", *SLOTS).collect() for one, at in ((then, cutoff_then), (now, cutoff))]
    histories = [
        one.scan("items").filter("catalogued").select("item_key", "valid_from", "category").unique().collect() for one in (then, now)
    ]
    odd = [*_not_in_both(*described), *_not_in_both(*histories)]
    return pl.concat(odd).unique()


def _not_in_both(one: pl.DataFrame, other: pl.DataFrame) -> list[pl.Series]:
    columns = one.columns
    return [a.join(b, on=columns, how="anti", nulls_equal=True)["item_key"] for a, b in ((one, other), (other, one))]


def _judged_by(rows: pl.DataFrame, then: Snapshot, now: Snapshot, cutoff: datetime, targets: Collection[str]) -> pl.Series:
    """The users with a price of the last year that is judged by ``rows``: by their items' later weeks, or their categories' next month."""
    rows = rows.filter(pl.col("price").is_not_null() & pl.col("event").is_in(list(targets)))
    if rows.is_empty():
        return rows["user_key"]
    since = max(_start_of_judged(rows["timestamp"].min()), cutoff - timedelta(days=max(USER_WINDOWS)))  # type: ignore[arg-type]
    priced = pl.col("price").is_not_null() & pl.col("event").is_in(list(targets))
    judged = now.scan("interactions").filter(priced & (pl.col("timestamp") >= since)).select("user_key", "item_key", "timestamp")
    categories = pl.concat([one.scan("items").select("item_key", "category") for one in (then, now)]).drop_nulls().unique()
    first = rows.lazy().group_by("item_key").agg(WEEK.min().alias("first"))
    months = rows.lazy().join(categories, on="item_key").select("category", (MONTH + 1).alias("month")).unique()
    by_item = judged.join(first, on="item_key").filter(pl.col("first") < WEEK).select("user_key")
    of_category = judged.with_columns(MONTH.alias("month")).join(categories, on="item_key")
    by_category = of_category.join(months, on=["category", "month"], how="semi")
    return pl.concat([by_item, by_category.select("user_key")]).unique().collect()["user_key"]


def _start_of_judged(moment: datetime) -> datetime:
    """The earliest moment whose prices a row of ``moment`` can have a part in judging: the next week's or month's start."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    days_since_1970 = (day - EPOCH).days
    next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return min(day + timedelta(days=7 - days_since_1970 % 7), next_month)


def _readable(point: Point, snapshot: Snapshot) -> bool:
    """Whether the tables that a point names are there still: old versions are cleared away some time."""
    return all(_has(snapshot.lake.uri(table), point.versions[table]) for table in CONTENT)


def _has(uri: str, version: int) -> bool:
    try:
        files = DeltaTable(uri, version=version).file_uris()
    except DeltaError:
        return False
    return all(Path(unquote(file)).exists() for file in files)
