"""The features' way through Feast at any size up to H&M's: the online store filled, a day's increment, and the historical join.

    .venv/bin/python benchmarks/online.py [--scale 0.01 0.1 1] [--store sqlite redis]

A shop is drawn straight into a lake (scale 1: 1,371,980 users, 105,542 items, 31,788,324 purchases over two years), so nothing here waits
for an ingest. Each step runs in a process of its own: wall seconds, and the peak of that process' resident memory; what a Redis server
holds comes on top. ``feast`` in the table is Feast's own ``push`` of the same rows, on few of them, as the figure to beat.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from outfitter.features.spec import FEATURE_TABLES, ITEM_FEATURES, USER_FEATURES, names
from outfitter.lake.founding import found
from outfitter.lake.snapshot import Snapshot, take_snapshot
from outfitter.lake.tables import Lake
from outfitter.schema import DELIVERIES, EPOCH, INTERACTIONS, ITEMS, conform
from outfitter.settings import Settings

USERS, PRODUCTS, PURCHASES, DAYS, DAY_ROWS = 1_371_980, 105_542, 31_788_324, 734, 45_000
START = datetime(2018, 9, 20, tzinfo=UTC)
FEAST_ROWS = 10_000
JOINED, JOIN_FEATURES, JOIN_CUTOFFS = 2_000_000, 20, 6
TARGETS = ("purchase",)
BIG_SHOP = 1_000_000


@dataclass(frozen=True)
class Size:
    """A share of H&M's shop."""

    scale: float

    @property
    def users(self) -> int:
        return round(USERS * self.scale)

    @property
    def items(self) -> int:
        return round(PRODUCTS * self.scale)

    @property
    def buckets(self) -> int:
        return 64 if self.users >= BIG_SHOP else 8


@dataclass(frozen=True)
class Cost:
    """What a step took, and what it says of itself."""

    seconds: float
    peak_mib: float
    told: dict[str, Any]


def measured(step: Callable[..., dict[str, Any]], *arguments: Any) -> Cost:
    """Run a step in a process of its own. Imports are paid before the clock starts where a step does them at its top."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, step, arguments))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError as error:
        raise SystemExit(f"{step.__name__} ended without a result") from error
    process.join()
    return Cost(*found)


def _run(sender: Any, step: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> None:
    started = time.perf_counter()
    told = step(*arguments)
    seconds = told.pop("seconds", time.perf_counter() - started)
    sender.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, told))
    sender.close()
    os._exit(0)  # DuckDB's binding prints pages of leak warnings while the interpreter is taken down


def draw(home: Path, size: Size) -> dict[str, Any]:
    """A lake with two years of purchases in it, in one delivery, and its snapshot."""
    lake = Lake(str(home / "lake"))
    found(lake, size.buckets, "synthetic", START)
    rng = np.random.default_rng(0)
    lake.append("items", _catalogue(size, rng))
    for bucket in range(size.buckets):
        lake.append("interactions", _purchases(size, rng, bucket, round(PURCHASES * size.scale / size.buckets), 0, DAYS, "history"))
    _deliver(lake, "history", DAYS - 1)
    return {}


def deliver_day(home: Path, size: Size) -> dict[str, Any]:
    """One more day of purchases."""
    lake, rng = Lake(str(home / "lake")), np.random.default_rng(1)
    rows = [
        _purchases(size, rng, bucket, round(DAY_ROWS * size.scale / size.buckets), DAYS, DAYS + 1, "day") for bucket in range(size.buckets)
    ]
    lake.append("interactions", pl.concat(rows))
    _deliver(lake, "day", DAYS)
    return {}


def _catalogue(size: Size, rng: np.random.Generator) -> pl.DataFrame:
    keys = np.arange(size.items)
    frame = pl.DataFrame(
        {"item_key": keys, "item_id": keys.astype(str), "valid_from": [EPOCH] * size.items, "catalogued": [False] * size.items}
    )
    kinds = {"category": 130, "colour": 50, "brand": 60}
    described = frame.with_columns(
        *(pl.Series(name, rng.integers(0, count, size.items)).cast(pl.String) for name, count in kinds.items()),
        catalogued=pl.lit(True),
        price=pl.Series(rng.gamma(3, 10, size.items)),
        delivery_id=pl.lit("articles"),
    )
    return pl.concat([conform(frame, ITEMS), conform(described, ITEMS)])


def _purchases(size: Size, rng: np.random.Generator, bucket: int, rows: int, first: int, end: int, delivery: str) -> pl.DataFrame:
    """Purchases of one bucket: few users buy much, few items sell much, and days are all that is known of time."""
    mine = -(-(size.users - bucket) // size.buckets)
    users = (rng.beta(0.6, 2.0, rows) * mine).astype(np.int64) * size.buckets + bucket
    items = (size.items * rng.beta(0.5, 3.0, rows)).astype(np.int64)
    days = pl.Series("timestamp", rng.integers(first, end, rows))
    frame = pl.DataFrame(
        {"user_key": users, "item_key": items, "sequence": np.arange(rows) * size.buckets + bucket, "bucket": np.full(rows, bucket)}
    )
    frame = frame.with_columns(
        (pl.lit(START) + pl.duration(days=pl.lit(days))).alias("timestamp"),
        event=pl.lit("purchase"),
        quantity=pl.lit(1),
        price=pl.Series(np.round(rng.gamma(3, 10, rows), 2)),
        delivery_id=pl.lit(delivery),
    )
    return conform(frame.sort("user_key", "timestamp", "sequence"), INTERACTIONS)


def _deliver(lake: Lake, name: str, last_day: int) -> None:
    """The ledger's row of a delivery, and a snapshot with it."""
    for delivery in {"articles", name} if name == "history" else {name}:
        row = {"delivery_id": [delivery], "object": [delivery], "generation": [0], "status": ["accepted"], "role": ["interactions"]}
        last = [START + timedelta(days=last_day)] if delivery != "articles" else [None]
        lake.append(
            "deliveries",
            conform(pl.DataFrame({**row, "last_event": last}, schema_overrides={"last_event": pl.Datetime("us", "UTC")}), DELIVERIES),
        )
    take_snapshot(lake, START + timedelta(days=last_day))


def renew(home: Path) -> dict[str, Any]:
    """The newest feature rows brought up to date: of everybody the first time, then of those who changed."""
    from outfitter.features import newest

    taken, features = _snapshot(home), Lake(str(home / "lake"), FEATURE_TABLES)
    kept = newest.renew(features, taken, taken.as_of, TARGETS, taken.as_of)
    return {"users": kept.links[-1].rows}


def send(home: Path, store: str) -> dict[str, Any]:
    """The newest rows sent to the online store, whole or as an increment, and a sample read back. Feast's import is not counted."""
    import feature_repo
    from outfitter.features import lineage
    from outfitter.features.online import Sending
    from outfitter.features.online import send as send_online

    settings = _active(home, store)
    taken, features = _snapshot(home), Lake(str(home / "lake"), FEATURE_TABLES)
    feast = feature_repo.open_store(settings)
    started = time.perf_counter()
    feature_repo.apply(feast)
    kept = lineage.newest(taken.lake)
    assert kept is not None
    outcome = send_online(Sending(feast, settings, features, taken, kept))
    return {"users": len(outcome.users), "items": len(outcome.items), "seconds": time.perf_counter() - started}


def push_with_feast(home: Path) -> dict[str, Any]:
    """Feast's own way to send rows, on few of them."""
    import feature_repo
    from outfitter.features.packing import packed_users

    settings = _active(home, "sqlite")
    store = feature_repo.open_store(settings)
    feature_repo.apply(store)
    rows = Lake(str(home / "lake"), FEATURE_TABLES).scan("user_features").head(FEAST_ROWS).collect()
    frame = packed_users(rows).cast({"user_key": pl.Int64}).to_pandas()
    started = time.perf_counter()
    store.push("user_profile_pushed", frame)
    return {"users": len(frame), "seconds": time.perf_counter() - started}


def export(home: Path, size: Size) -> dict[str, Any]:
    """Random feature rows of several weekly cut-offs as Feast's Parquet files: a tenth of the users at each, all at the newest."""
    rng = np.random.default_rng(2)
    for table, key, features, count in (
        ("user_features", "user_key", USER_FEATURES, size.users),
        ("item_features", "item_key", ITEM_FEATURES, size.items),
    ):
        folder = home / "feast" / "rows" / table
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(JOIN_CUTOFFS):
            some = count if number == 0 or key == "item_key" else count // 10
            keys = np.sort(rng.choice(count, some, replace=False)).astype(np.int32)
            frame = pl.DataFrame({key: keys, **{name: rng.random(some, dtype=np.float32) for name in names(features)}})
            frame = frame.with_columns(pl.lit(_cutoff(number)).alias("cutoff"))
            if key == "user_key":
                last = rng.integers(0, size.items, (some, 10))
                frame = frame.with_columns(pl.Series("last_items", last).cast(pl.List(pl.Int64)))
            frame.write_parquet(folder / f"{number}.parquet")
    return {}


def _cutoff(number: int) -> datetime:
    return START + timedelta(days=DAYS - 7 * number)


def join(home: Path, size: Size, features: int | None) -> dict[str, Any]:
    """Events joined point in time to ``features`` features of users and items (None: the whole feature service)."""
    import feature_repo
    from outfitter.features.offline import training_rows

    settings = _active(home, "sqlite")
    store = feature_repo.open_store(settings)
    feature_repo.apply(store)
    rng, rows = np.random.default_rng(3), round(JOINED * size.scale)
    moments = pl.Series("timestamp", rng.integers(0, 7 * JOIN_CUTOFFS * 86_400, rows))
    events = pl.DataFrame({"user_key": rng.integers(0, size.users, rows), "item_key": rng.integers(0, size.items, rows)})
    events = events.with_columns(
        (pl.lit(_cutoff(JOIN_CUTOFFS - 1)) + pl.duration(seconds=pl.lit(moments))).dt.cast_time_unit("us").alias("timestamp")
    )
    started = time.perf_counter()
    if features is None:
        found = training_rows(store, events)
    else:
        asked = [*(f"user_features:{name}" for name in names(USER_FEATURES)[: features // 2])]
        asked += [f"item_features:{name}" for name in names(ITEM_FEATURES)[: features - len(asked)]]
        frame = events.rename({"timestamp": "event_timestamp"}).cast({"user_key": pl.Int64, "item_key": pl.Int64}).to_pandas()
        found = pl.DataFrame(store.get_historical_features(frame, asked).to_arrow())
    assert found.height == rows
    return {"rows": rows, "columns": features or len(USER_FEATURES) + len(ITEM_FEATURES), "seconds": time.perf_counter() - started}


def _active(home: Path, store: str) -> Settings:
    settings = Settings(home=home, online_store=store)
    settings.prepare_home()
    settings.activate()
    return settings


def _snapshot(home: Path) -> Snapshot:
    from outfitter.lake.snapshot import open_snapshot

    return open_snapshot(Lake(str(home / "lake")))


@contextmanager
def redis_store(folder: Path) -> Iterator[str]:
    """The address of a Redis server of our own."""
    from tests.servers import running_redis

    with running_redis(folder) as server:
        yield server.url()


def steps(home: Path, size: Size, store: str) -> Iterator[tuple[str, Cost]]:
    """Every step of one size and store, in order; the lake is drawn by whoever comes first."""
    if not (home / "lake").exists():
        measured(draw, home, size)
        yield "features, everybody", measured(renew, home)
        yield "feast push", measured(push_with_feast, home)
        for file in (home / "feast").glob("online.db*"):
            file.unlink()
    yield f"{store.split(':', 1)[0]}: all online", measured(send, home, store)


def increment(home: Path, size: Size, stores: list[str]) -> Iterator[tuple[str, Cost]]:
    """A day arrives, is computed, and goes online."""
    measured(deliver_day, home, size)
    yield "features, a day", measured(renew, home)
    for store in stores:
        yield f"{store.split(':', 1)[0]}: a day online", measured(send, home, store)


def joins(home: Path, size: Size) -> Iterator[tuple[str, Cost]]:
    measured(export, home, size)
    yield "join, 20 features", measured(join, home, size, JOIN_FEATURES)
    yield "join, all features", measured(join, home, size, None)


def show(size: Size, name: str, cost: Cost) -> None:
    told = ", ".join(f"{value:,} {key}" for key, value in cost.told.items())
    sys.stdout.write(f"{size.scale:>6g}  {name:<22} {cost.seconds:>8.1f} {cost.peak_mib:>9.0f}  {told}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=float, nargs="+", default=[0.01, 0.1, 1])
    parser.add_argument("--store", nargs="+", choices=["sqlite", "redis"], default=["sqlite", "redis"])
    asked = parser.parse_args()
    sys.stdout.write(f"{'scale':>6}  {'step':<22} {'wall s':>8} {'peak MiB':>9}\n")
    for size in map(Size, asked.scale):
        with tempfile.TemporaryDirectory() as folder, redis_store(Path(folder)) if "redis" in asked.store else nullcontext() as redis:
            home, stores = Path(folder) / "home", ["sqlite" if store == "sqlite" else str(redis) for store in asked.store]
            for store in stores:
                for name, cost in steps(home, size, store):
                    show(size, name, cost)
            for name, cost in [*increment(home, size, stores), *joins(home, size)]:
                show(size, name, cost)


if __name__ == "__main__":
    main()
