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

Part = TypeVar("Part")
Result = TypeVar("Result")
AT_ONCE = 2  # Polars shares its threads among them: more only cost memory
BUCKETS_A_PART = 4
"""Many small frames cost more than few large ones; but the rows of all users of one bucket are enough, more fall out of the cache."""


def user_rows(
    snapshot: Snapshot,
    cutoff: datetime,
    targets: Collection[str],
    users: pl.Series | None = None,
    prices: Prices | None = None,
    buckets: Sequence[int] | None = None,
) -> Iterator[pl.DataFrame]:
    """Some buckets at a time, a row for each user with an event at or before ``cutoff`` (and in ``users``, when given).

    Yields user_key, the columns of USER_FEATURES as Float32, last_items (List(Int64): up to 50 item keys of target events, oldest
    first) and bucket, sorted by user_key. prices: of ``price_tables``, for several cut-offs at once; made for this one when not given.
    buckets: only these.
    """
    prices = prices or price_tables(snapshot, cutoff, cutoff, targets)
    described, interactions = goods(snapshot, cutoff), snapshot.scan("interactions")

    def rows_of(part: pl.Expr) -> pl.DataFrame:
        rows = known_rows(interactions.filter(part), cutoff, targets, users)
        return user_features(rows, described, prices).join(rows.select("user_key", "bucket").unique(), on="user_key", maintain_order="left")

    return side_by_side(rows_of, user_parts(range(snapshot.n_buckets) if buckets is None else buckets, users))


def item_rows(snapshot: Snapshot, cutoff: datetime, targets: Collection[str], prices: Prices | None = None) -> pl.DataFrame:
    """item_key and the columns of ITEM_FEATURES as Float32: a row for each item in the catalogue at ``cutoff`` or taken by then."""
    prices = prices or price_tables(snapshot, cutoff, cutoff, targets)
    births, interactions = birth_years(snapshot, cutoff), snapshot.scan("interactions")

    def sums_of(part: pl.Expr) -> Sums:
        rows = known_rows(interactions.filter(part), cutoff, targets, ordered=False)
        return bucket_sums(rows, births.filter(part), prices, cutoff)

    sums = add_up(list(side_by_side(sums_of, parts(range(snapshot.n_buckets)))))
    return item_features(snapshot.items(cutoff).select("item_key", "price", "catalogued").collect(), sums)


def birth_years(snapshot: Snapshot, cutoff: datetime) -> pl.DataFrame:
    """user_key, bucket, birth_year as of ``cutoff``: a row for each user whose year of birth is known."""
    rows = snapshot.scan("users").filter(pl.col("delivery_id").is_not_null() & (pl.col("valid_from") <= cutoff))
    rows = rows.select("user_key", "bucket", "birth_year", "valid_from", "delivery_id").sort("user_key", "valid_from", "delivery_id")
    newest = rows.unique("user_key", keep="last").filter(pl.col("birth_year").is_not_null())
    return newest.select("user_key", "bucket", "birth_year").collect(engine="in-memory")


def parts(buckets: Sequence[int], size: int | None = None) -> list[pl.Expr]:
    """Whether a row lies in one of the next ``size`` of ``buckets``, for each so many of them."""
    size = size or BUCKETS_A_PART
    return [pl.col("bucket").is_in(list(buckets[first : first + size])) for first in range(0, len(buckets), size)]


def user_parts(buckets: Sequence[int], users: pl.Series | None) -> list[pl.Expr]:
    """The parts in which ``user_rows`` takes ``users`` (None: all) of ``buckets``."""
    return parts(buckets, 1 if users is None else BUCKETS_A_PART)


def side_by_side(work: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
    """``work`` of each part in turn, the next ones under way while one is looked at; no more than three lie in memory."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: deque[Future[Result]] = deque()
        for part in parts:
            waiting.append(pool.submit(work, part))
            if len(waiting) > AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
