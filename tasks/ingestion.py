"""Finding, reading and judging deliveries, and writing them to the lake."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from expectations.judging import Bench, judge
from outfitter.datasets import adapter
from outfitter.datasets.base import Adapter, Frames, SourceFile
from outfitter.errors import SettingsError
from outfitter.lake import deliveries
from outfitter.lake.deliveries import Delivery, Judgement
from outfitter.lake.founding import facts
from outfitter.progress import report
from outfitter.schema import DELIVERIES, empty
from outfitter.settings import Settings
from tasks.work import Work

log = logging.getLogger("outfitter.ingestion")


@dataclass(frozen=True)
class Arrival:
    """A file that the ledger has something new to learn from, and what it holds."""

    delivery: Delivery
    frames: Frames


def source_folder(settings: Settings) -> Path:
    """The folder to read; the synthetic shop is drawn into the home when nobody names one."""
    if settings.path is not None:
        return settings.path
    if settings.source != "synthetic":
        raise SettingsError(f"source '{settings.source}' needs a folder", "Name it: --path DIR (or OUTFITTER_PATH).")
    from outfitter.datasets.synthetic import Shop, write_shop

    shop = Shop(settings.shop_users, settings.shop_items, settings.shop_interactions, settings.shop_days, settings.seed)
    folder = settings.home / "shops" / "-".join(str(n) for n in (shop.users, shop.items, shop.interactions, shop.days, shop.seed))
    write_shop(shop, folder, lambda what, done, total: report("ingest", f"drawing the synthetic shop ({what})", done=done, total=total))
    return folder


@task(name="discover", cache_policy=NO_CACHE)
def discover(work: Work, folder: Path, bench: Bench) -> list[tuple[SourceFile, Delivery]]:
    """The files of the source that are new to the ledger, catalogue first, each with its place in its object's history."""
    files = {file.name: file for file in bench.adapter.discover(folder)}
    ledger = work.lake.read("deliveries") if facts(work.lake) else empty(DELIVERIES)
    offered = []
    for number, file in enumerate(files.values(), start=1):
        report("ingest", f"looking at {file.name}", done=number, total=len(files))
        offered.append(deliveries.describe(file.path, file.name, bench.adapter.name))
        if deliveries.outdated(ledger, offered[-1]):
            log.warning("%s is ignored: it was last changed before the version that is in the lake; touch it if it is to count", file.path)
    return [(files[delivery.object], delivery) for delivery in deliveries.place_all(ledger, offered, bench.rules)]


@task(name="read", cache_policy=NO_CACHE)
def read(found: list[tuple[SourceFile, Delivery]], reader: Adapter) -> list[Arrival]:
    """Read every new file before any is written, so that a bad one leaves the lake as it was."""
    arrivals = []
    for number, (file, delivery) in enumerate(found, start=1):
        report("ingest", f"reading {file.name}", done=number, total=len(found))
        arrivals.append(Arrival(delivery, reader.read(file)))
    return arrivals


@task(name="validate", cache_policy=NO_CACHE)
def validate(arrival: Arrival, bench: Bench) -> Judgement:
    """Great Expectations over one delivery."""
    return judge(arrival.frames, arrival.delivery.object, bench)


@task(name="commit", cache_policy=NO_CACHE)
def commit(work: Work, arrival: Arrival, judgement: Judgement, n_buckets: int) -> None:
    """Write one judged delivery to the lake."""
    deliveries.commit(work.lake, arrival.delivery, judgement, n_buckets, work.now)


def bench_for(work: Work) -> Bench:
    """What this run's deliveries are judged by."""
    return Bench(work.settings, adapter(work.settings.source), work.now, work.docs)


def count_users(arrivals: list[Arrival]) -> int:
    """How many different users the arrivals name: what a new lake's buckets are chosen by."""
    frames = [frame for arrival in arrivals for frame in (arrival.frames.users, arrival.frames.interactions) if frame is not None]
    return pl.concat([frame["user_id"] for frame in frames]).n_unique() if frames else 0
