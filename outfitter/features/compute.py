"""User and item features as of a cut-off: a map over the buckets of a snapshot. Nothing later than the cut-off is looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

import polars as pl

from outfitter.features.catalogue import goods
from outfitter.features.items import Sums, add_up, bucket_sums, item_features
from outfitter.features.prices import Prices, price_tables
from outfitter.features.rows import known_rows
from outfitter.features.users import user_features
from outfitter.lake.snapshot import Snapshot

Result = TypeVar("Result")
AT_ONCE = 2  # Polars shares its threads among them: more only cost memory


def user_rows(
    snapshot: Snapshot,
    cutoff: datetime,
    targets: Collection[str],
    users: pl.Series | None = None,
    prices: Prices | None = None,
    buckets: Sequence[int] | None = None,
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Bucket by bucket, a row for each user with an event at or before ``cutoff`` (and in ``users``, when given).

    Yields the bucket's number and user_key, the columns of USER_FEATURES as Float32, last_items (List(Int64): up to 50 item keys of
    target events, oldest first) and bucket, sorted by user_key. prices: of ``price_tables``, for several cut-offs at once; made for
    this one when not given. buckets: only these.
    """
    prices = prices or price_tables(snapshot, cutoff, cutoff, targets)
    described, interactions = goods(snapshot, cutoff), snapshot.scan("interactions")

    def rows_of(bucket: int) -> tuple[int, pl.DataFrame]:
        rows = known_rows(interactions.filter(pl.col("bucket") == bucket), cutoff, targets, users)
        return bucket, user_features(rows, described, prices).with_columns(pl.lit(bucket, dtype=pl.Int32).alias("bucket"))

    return side_by_side(rows_of, range(snapshot.n_buckets) if buckets is None else buckets)


def item_rows(snapshot: Snapshot, cutoff: datetime, targets: Collection[str], prices: Prices | None = None) -> pl.DataFrame:
    """item_key and the columns of ITEM_FEATURES as Float32: a row for each item in the catalogue at ``cutoff`` or taken by then."""
    prices = prices or price_tables(snapshot, cutoff, cutoff, targets)
    births, interactions = birth_years(snapshot, cutoff), snapshot.scan("interactions")

    def sums_of(bucket: int) -> Sums:
        rows = known_rows(interactions.filter(pl.col("bucket") == bucket), cutoff, targets, ordered=False)
        return bucket_sums(rows, births.filter(pl.col("bucket") == bucket), prices, cutoff)

    sums = add_up(list(side_by_side(sums_of, range(snapshot.n_buckets))))
    return item_features(snapshot.items(cutoff).select("item_key", "price", "catalogued").collect(), sums)


def birth_years(snapshot: Snapshot, cutoff: datetime) -> pl.DataFrame:
    """user_key, bucket, birth_year as of ``cutoff``: a row for each user whose year of birth is known."""
    rows = snapshot.scan("users").filter(pl.col("delivery_id").is_not_null() & (pl.col("valid_from") <= cutoff))
    rows = rows.select("user_key", "bucket", "birth_year", "valid_from", "delivery_id").sort("user_key", "valid_from", "delivery_id")
    newest = rows.unique("user_key", keep="last").filter(pl.col("birth_year").is_not_null())
    return newest.select("user_key", "bucket", "birth_year").collect(engine="in-memory")


def side_by_side(work: Callable[[int], Result], buckets: Iterable[int]) -> Iterator[Result]:
    """``work`` of each bucket in turn, the next ones under way while one is looked at; no more than three lie in memory."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: deque[Future[Result]] = deque()
        for bucket in buckets:
            waiting.append(pool.submit(work, bucket))
            if len(waiting) > AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
