"""Finding, reading and judging deliveries, and writing them to the lake."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from expectations.inspection import Findings, Inspection
from expectations.judging import Bench, conclude
from expectations.profile import Profile
from outfitter.datasets import adapter
from outfitter.datasets.base import Role, SourceFile
from outfitter.errors import SettingsError, SourceError
from outfitter.lake import deliveries, renames
from outfitter.lake.deliveries import Delivery, Judgement
from outfitter.lake.founding import facts
from outfitter.lake.sources import Source, SourceObject, open_source
from outfitter.lake.staging import Staged
from outfitter.progress import report
from outfitter.schema import DELIVERIES, empty
from outfitter.settings import Settings
from tasks.work import Work

log = logging.getLogger("outfitter.ingestion")
READ_FIRST = ("items", "users", "interactions")
SIFTED = ("interactions", "items", "users", "quarantine")
OLDER = "it was last changed before the version that is in the lake; touch it if it is to count"
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Arrival:
    """A delivery that the ledger has something new to learn from: read, its rows sifted and staged, not yet judged as a whole.

    findings: what the rows were found to be; None when the file is ``broken``, which says why it could not be read.
    """

    delivery: Delivery
    staged: Staged
    findings: Findings | None
    broken: str = ""

    @property
    def order(self) -> tuple[int, datetime, str]:
        """Catalogue, users, then interactions by the time of their first event."""
        first = self.findings.profile.first_event if self.findings else None
        return READ_FIRST.index(self.delivery.role), first or EARLIEST, self.delivery.object


@dataclass(frozen=True)
class Offer:
    """An object of the source that may be news, where its bytes lie, and the delivery that they are."""

    object: SourceObject
    file: SourceFile
    delivery: Delivery


@dataclass(frozen=True)
class News:
    """What is new to the ledger, and what is not looked at and why, by object."""

    offers: list[Offer]
    ignored: Mapping[str, str]


@dataclass(frozen=True)
class Listing:
    """What a source holds: its objects by name, and what each of those the adapter reads is."""

    source: Source
    objects: Mapping[str, SourceObject]
    roles: Mapping[str, Role]

    def has(self, role: Role) -> bool:
        """Whether any of its files holds items, or users."""
        return role in self.roles.values()


def with_source(settings: Settings) -> Settings:
    """Settings that name where to read; the synthetic shop is drawn into the home when nobody says."""
    if settings.path is not None:
        return settings
    if settings.source != "synthetic":
        raise SettingsError(
            f"source '{settings.source}' needs a folder or a bucket", "Name it: --path DIR or s3://... (or OUTFITTER_PATH)."
        )
    from outfitter.datasets.synthetic import Shop, write_shop

    shop = Shop(settings.shop_users, settings.shop_items, settings.shop_interactions, settings.shop_days, settings.seed)
    folder = settings.home / "shops" / "-".join(str(n) for n in (shop.users, shop.items, shop.interactions, shop.days, shop.seed))
    write_shop(shop, folder, lambda what, done, total: report("ingest", f"drawing the synthetic shop ({what})", done=done, total=total))
    return settings.model_copy(update={"path": str(folder)})


def bench_for(work: Work, settings: Settings) -> Bench:
    """What this run's deliveries are judged by."""
    return Bench(settings, adapter(settings.source, settings), work.now, work.docs)


def look(settings: Settings, bench: Bench) -> Listing:
    """List the source. Raises SourceError when it is not there or lacks what its format needs."""
    source = open_source(settings)
    objects = {one.name: one for one in source.list()}
    return Listing(source, objects, bench.adapter.discover(sorted(objects), source.where))


@task(name="discover", cache_policy=NO_CACHE)
def discover(work: Work, listing: Listing, bench: Bench) -> News:
    """The objects that are new to the ledger, each with its place in its object's history. What has not changed is not fetched."""
    ledger = work.lake.read("deliveries") if facts(work.lake) else empty(DELIVERIES)
    known = deliveries.known_tags(ledger, bench.rules)
    changed = [listing.objects[name] for name in listing.roles if (name, listing.objects[name].tag) not in known]
    offers: dict[str, Offer] = {}
    ignored: dict[str, str] = {}
    for number, one in enumerate(changed, start=1):
        report("ingest", f"looking at {one.name}", done=number, total=len(changed))
        try:
            offers[one.name] = _offer(work, listing, one, bench)
        except SourceError as error:  # gone or changed since it was listed: the next run sees what is there then
            ignored[one.name] = str(error)
            continue
        if deliveries.outdated(ledger, offers[one.name].delivery):
            ignored[one.name] = OLDER
    offered = [offer.delivery for offer in offers.values()]
    if moved := renames.renames(ledger, offered, listing.objects):
        renames.record(work.lake, moved, work.now)
        ledger = work.lake.read("deliveries")
    placed = deliveries.place_all(ledger, offered, bench.rules)
    for name, why in ignored.items():
        log.warning("%s is ignored: %s", name, why)
    return News([replace(offers[delivery.object], delivery=delivery) for delivery in placed], ignored)


def _offer(work: Work, listing: Listing, one: SourceObject, bench: Bench) -> Offer:
    path, role = listing.source.fetch(one, work.incoming), listing.roles[one.name]
    delivery = Delivery(deliveries.content_hash(path), bench.adapter.name, one.name, one.modified, role, one.tag)
    return Offer(one, SourceFile(path, one.name, role), delivery)


@task(name="stage", task_run_name="stage {offer.file.name}", cache_policy=NO_CACHE)
def stage(work: Work, source: Source, offer: Offer, bench: Bench) -> Arrival | None:
    """Read one delivery block by block and sift its rows; None when it is still being written, for the next run to take."""
    staged = Staged.fresh(work.staging / offer.delivery.id)
    try:
        arrival = Arrival(offer.delivery, staged, _sift(offer, staged, bench))
    except SourceError as error:
        log.warning("%s", error)
        arrival = Arrival(offer.delivery, Staged.fresh(staged.folder), None, str(error))
    if source.unchanged(offer.object):
        return arrival
    log.warning("%s was changed while it was read: the next run takes it", offer.object.name)
    staged.drop()
    return None


def _sift(offer: Offer, staged: Staged, bench: Bench) -> Findings:
    """Write the rows that pass and those that do not to the staging folder; returns what was found over all of them."""
    inspection, rows = Inspection(bench, offer.file.name, offer.file.role), 0
    for frames in bench.adapter.read(offer.file):
        sifted = inspection.take(frames)
        for table in SIFTED:
            staged.add(table, getattr(sifted, table))
        rows += max(frame.height for frame in (frames.interactions, frames.items, frames.users) if frame is not None)
        report("ingest", f"read {rows:,} rows of {offer.file.name}")
    return inspection.finish()


@task(name="judge", cache_policy=NO_CACHE)
def judge(work: Work, arrival: Arrival, bench: Bench, listing: Listing) -> Judgement:
    """Great Expectations over the whole of one staged delivery, the ledger's own past among what it is held to."""
    delivery, found = arrival.delivery, arrival.findings
    if found is None:
        return Judgement("rejected", 0, 0, bench.rules, validation_id="", reason=arrival.broken)
    items = work.lake.scan("items").select("item_id", "catalogued").unique().collect()
    verdict = conclude(
        found.profile,
        delivery.object,
        delivery.role,
        bench,
        past=past(work, delivery, found.profile),
        items_met=found.items_met,
        known_items=items["item_id"].unique(),
        catalogued=items.filter("catalogued")["item_id"] if listing.has("items") else None,
        users_met=found.users_met,
        known_users=described_users(work, found.users_met["user_id"]) if listing.has("users") and delivery.role == "interactions" else None,
    )
    return Judgement(
        verdict.status,
        found.profile.rows_in,
        found.profile.rows_quarantined,
        bench.rules,
        verdict.validation_id,
        verdict.reason,
        verdict.warnings,
        found.profile.first_event,
        found.profile.last_event,
        verdict.profile.to_json(),
    )


def described_users(work: Work, among: pl.Series) -> pl.Series:
    """The ids of those of whom a delivery tells more than that they did something."""
    rows = work.lake.scan("users").filter(pl.col("delivery_id").is_not_null() & pl.col("user_id").is_in(among.implode()))
    return rows.select(pl.col("user_id").unique()).collect()["user_id"]


def past(work: Work, delivery: Delivery, profile: Profile) -> pl.DataFrame:
    """The ledger's rows of accepted deliveries like this one whose events came before, in the order of events."""
    ledger = work.lake.read("deliveries")
    like = (pl.col("role") == delivery.role) & (pl.col("object") != delivery.object)
    rows = deliveries.live_rows(ledger).filter(
        like if profile.first_event is None else like & (pl.col("first_event") < profile.first_event)
    )
    return rows.sort("first_event", "ingested_at", "object")


@task(name="commit", cache_policy=NO_CACHE)
def commit(work: Work, arrival: Arrival, judgement: Judgement, n_buckets: int) -> None:
    """Write one judged delivery to the lake; one that is not accepted is parked whole."""
    if judgement.status != "accepted" and not arrival.broken:
        arrival.staged.park(work.aside / arrival.delivery.id)
        deliveries.commit(work.lake, arrival.delivery, judgement, Staged(work.aside / arrival.delivery.id), n_buckets, work.now)
        return
    deliveries.commit(work.lake, arrival.delivery, judgement, arrival.staged, n_buckets, work.now)
    arrival.staged.drop()


def clear_leftovers(*folders: Path) -> None:
    """Nothing that an earlier run staged or fetched counts."""
    import shutil

    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
