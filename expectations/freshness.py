"""How fresh a delivery is: the days since the newest event before it, and the days it took to arrive. Late is never worse than a warning.

Both are compared with the ledger's own past by the formula of ``expectations.history``, upwards only, and both must besides exceed the
95th percentile of the past: a shop that is closed on Sundays has a gap every week.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

import polars as pl

from expectations.facts import Fact
from expectations.history import ODD, RECENT, Usual
from expectations.profile import Profile
from outfitter.settings import Settings

DAY = timedelta(days=1)
MOST = 0.95


@dataclass(frozen=True)
class Times:
    """When the events of past deliveries happened and when each was taken in, in the order of events; UTC."""

    first: Sequence[datetime]
    last: Sequence[datetime]
    taken: Sequence[datetime]

    @classmethod
    def of(cls, past: pl.DataFrame) -> Times:
        """From rows of the ledger; those without events are left out."""
        rows = past.drop_nulls(["first_event", "last_event", "ingested_at"])
        return cls(*(rows[name].to_list() for name in ("first_event", "last_event", "ingested_at")))

    @property
    def newest(self) -> datetime | None:
        return max(self.last, default=None)

    @property
    def gaps(self) -> list[float]:
        """Days between each delivery's first event and the newest before it."""
        newest = accumulate(self.last, max)
        return [gap_days(before, first) for before, first in zip(newest, self.first[1:], strict=False)]

    @property
    def staleness(self) -> list[float]:
        """Days from each delivery's last event to its arrival."""
        return [days_between(last, taken) for last, taken in zip(self.last, self.taken, strict=True)]


def gap_days(before: datetime, first: datetime) -> float:
    """Days by the calendar (UTC), at least 1: the next day follows without a gap whatever its first hour."""
    return float(max((first.date() - before.date()).days, 1))


def days_between(last: datetime, taken: datetime) -> float:
    """Days, at least 1."""
    return max((taken - last) / DAY, 1.0)


def freshness(profile: Profile, times: Times, settings: Settings) -> list[Fact]:
    """The facts on gap and staleness, where the past has enough of them."""
    facts = []
    if profile.place.gap_days is not None:
        facts += _late("days without events before the first", profile.place.gap_days, times.gaps, settings, clock=False)
    if profile.place.stale_days is not None:
        facts += _late("days from the last event to the arrival", profile.place.stale_days, times.staleness, settings, clock=True)
    return facts


def _late(subject: str, value: float, past: Sequence[float], settings: Settings, *, clock: bool) -> list[Fact]:
    recent = past[-RECENT:]
    if len(recent) < settings.history_deliveries:
        return []
    usual = Usual.of([math.log(days) for days in recent])
    most = sorted(recent)[math.ceil(MOST * len(recent)) - 1]
    high = max(most, math.exp(usual.level + usual.width(0.0, settings.history_warn, ODD)))
    told = f"{math.exp(usual.level):.3g} is usual over the last {usual.n} deliveries and up to {high:.3g} passes"
    expected = f"{told}, beyond it the delivery gets a warning"
    return [Fact(subject, value, None, high, "warn", expected, f"{value:.3g} {subject}: {told}", clock)]
