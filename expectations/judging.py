"""The last word on a delivery: accepted, rejected because it is bad, or held because it is unlike those before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from expectations import docs as data_docs
from expectations.delivery import figures, own_facts, referential_facts, suite
from expectations.facts import Effect, Fact
from expectations.freshness import Times, days_between, freshness, gap_days
from expectations.guard import quiet
from expectations.history import learnt
from expectations.profile import Place, Profile
from expectations.runner import check
from outfitter.datasets.base import Adapter, Role
from outfitter.lake.stages import fingerprint
from outfitter.settings import Settings

SUITES = 2
"""Raise it when the suites ask something else: what they rejected or held is then judged again."""
JUDGED_BY = ("max_bad_share", "history_deliveries", "history_warn", "history_hold")


@dataclass(frozen=True)
class Bench:
    """What a delivery is judged by: the settings, the adapter's word on identical rows, and the moment that counts as now.

    docs: the folder of the data docs. rules: a hash of all but the moment.
    """

    settings: Settings
    adapter: Adapter
    now: datetime
    docs: Path
    rules: str = field(init=False)

    def __post_init__(self) -> None:
        told = {name: getattr(self.settings, name) for name in JUDGED_BY}
        events, same = sorted(self.settings.events), self.adapter.identical_rows
        object.__setattr__(self, "rules", fingerprint("rules", suites=SUITES, events=events, same=same, **told))


@dataclass(frozen=True)
class Verdict:
    """What becomes of a delivery. reason: why it is not accepted, else empty. warnings: what is odd and stops nothing.

    validation_id: the same for the same rows, past and rules, whatever the size of the blocks and the time of day. profile: with the
    delivery's place in the lake; this one belongs in the ledger. page: the delivery's page in the data docs.
    """

    status: Literal["accepted", "rejected", "held"]
    reason: str
    warnings: tuple[str, ...]
    validation_id: str
    profile: Profile
    page: Path


def conclude(
    profile: Profile,
    name: str,
    role: Role,
    bench: Bench,
    *,
    past: pl.DataFrame,
    items_met: pl.DataFrame,
    known_items: pl.Series,
    catalogued: pl.Series | None,
    users_met: pl.DataFrame | None = None,
    known_users: pl.Series | None = None,
) -> Verdict:
    """Judge a delivery as a whole and write its page; its blocks may have been inspected in another process.

    past: rows of the ledger (``DELIVERIES``) of the same source and role, accepted, with events before this one's, in event-time order.
    items_met, users_met: ``item_id`` or ``user_id`` and ``rows``, from ``Findings``. known_items: ids that the lake knew before.
    catalogued: ids with a row in the catalogue, None when the source has none. known_users: likewise, None when not to be asked.
    """
    times = Times.of(past)
    place = Place(
        **_new(role, items_met, known_items),
        **_without(items_met, catalogued, "uncatalogued_items", "uncatalogued_rows"),
        **_without(users_met, known_users, "unknown_users", "unknown_user_rows"),
        **_late(profile, times, bench.now),
    )
    full = replace(profile, place=place)
    earlier = [Profile.from_json(text) for text in past["profile"].drop_nulls() if text]
    settings = bench.settings
    facts = [*own_facts(full, earlier, settings.max_bad_share), *referential_facts(full), *learnt(full, earlier, settings)]
    return _verdict(full, [*facts, *freshness(full, times, settings)], name, bench)


def _new(role: Role, met: pl.DataFrame, known: pl.Series) -> dict[str, int]:
    return {"new_items": met.filter(~pl.col("item_id").is_in(known.implode())).height} if role == "interactions" else {}


def _without(met: pl.DataFrame | None, known: pl.Series | None, ids: str, rows: str) -> dict[str, int]:
    """How many ids are not ``known``, and how many rows name them."""
    if met is None or known is None or not met.height:
        return {}
    lacking = met.filter(~pl.col(met.columns[0]).is_in(known.implode()))
    return {ids: lacking.height, rows: int(lacking["rows"].sum())}


def _late(profile: Profile, times: Times, now: datetime) -> dict[str, Any]:
    first, last = profile.first_event, profile.last_event
    if first is None or last is None:
        return {}
    gap = {} if times.newest is None else {"gap_days": gap_days(times.newest, first)}
    return {"stale_days": days_between(last, now), **gap}


def _verdict(profile: Profile, facts: Sequence[Fact], name: str, bench: Bench) -> Verdict:
    """Run the facts through a checkpoint and act on what failed: a rejection counts before a hold, and both before a warning."""
    held_to = suite(facts)
    with quiet():
        outcome = check(figures(facts), held_to, f"delivery: {name}")
        page = data_docs.add_page(bench.docs, held_to, outcome.key, outcome.suite_result)
    passed = [bool(result.success) for result in outcome.results]
    failed = [fact for fact, fine in zip(facts, passed, strict=True) if not fine]
    rejected, held = (_said(failed, effect) for effect in ("reject", "hold"))
    on_hold = {fact.subject for fact in failed if fact.effect == "hold"}
    warnings = _said([fact for fact in failed if fact.subject not in on_hold or rejected], "warn")
    status: Literal["accepted", "rejected", "held"] = "rejected" if rejected else "held" if held else "accepted"
    return Verdict(status, "; ".join(rejected or held), tuple(warnings), _id(profile, facts, passed, name, bench), profile, page)


def _said(failed: Sequence[Fact], effect: Effect) -> list[str]:
    return [fact.said for fact in failed if fact.effect == effect]


def _id(profile: Profile, facts: Sequence[Fact], passed: Sequence[bool], name: str, bench: Bench) -> str:
    """32 hex digits over the rules, every outcome of the blocks, and every fact that does not depend on the time of day."""
    told = [[f.subject, f.value, f.low, f.high, f.effect, fine] for f, fine in zip(facts, passed, strict=True) if not f.clock]
    content = json.dumps([name, bench.rules, profile.rows_in, profile.digest, told], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]
