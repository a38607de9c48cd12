"""What can be turned on the synthetic shop, its calendar and its random streams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from outfitter.errors import SettingsError

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
Vectors = NDArray[np.float32]

LAST_DAY = date(2025, 6, 30)
"""The shop's newest day. It is fixed, so that the same knobs give the same files whenever they are written."""
WEEK = 7
DRIFT_DAYS = 28
DAY_SECONDS = 86_400


class Stream(IntEnum):
    """Independent sources of chance: turning one knob leaves what the others drew as it was."""

    CATALOGUE = 1
    PEOPLE = 2
    TASTE = 3
    TRADE = 4
    DRIFT = 5
    SPOILING = 6


@dataclass(frozen=True)
class Shop:
    """The knobs. ``SettingsError`` is raised for a value outside the bounds given here.

    users: rows of ``users.csv``, 10 to 10 million; items: rows of ``items.csv``, 10 to 1 million.
    interactions: good rows over all months, every event counted, 100 to 1 billion.
    days: length of the history, 35 to 3650, ending on ``LAST_DAY``.
    taste: how strongly people differ in what they choose, 0 (not at all) to 3.
    drift: strength of the change over the last ``DRIFT_DAYS`` days, 0 (none) to 1.
    bad_rows: bad rows added on top of the good ones, as a share of ``interactions``, 0 to .5.
    images: whether to draw a picture of every item.
    """

    users: int = 5000
    items: int = 2000
    interactions: int = 200_000
    days: int = 365
    seed: int = 0
    taste: float = 1.0
    drift: float = 0.0
    bad_rows: float = 0.0
    images: bool = False

    def __post_init__(self) -> None:
        for name, low, high in WHOLE_BOUNDS:
            _check(name, getattr(self, name), low, high, whole=True)
        for name, top in REAL_BOUNDS:
            _check(name, getattr(self, name), 0, top, whole=False)
        if not isinstance(self.images, bool):
            raise SettingsError(f"the synthetic shop's 'images' is {self.images!r}", "Give true or false")

    @property
    def first_day(self) -> date:
        return LAST_DAY - timedelta(days=self.days - 1)

    @property
    def weeks(self) -> int:
        """Weeks begun in the history, counted back from the last day."""
        return -(-self.days // WEEK)

    @property
    def spoilt(self) -> int:
        """How many bad rows are added."""
        return round(self.bad_rows * self.interactions)

    def rng(self, stream: Stream, part: int = 0) -> np.random.Generator:
        """The generator of one stream; ``part`` tells apart its months or weeks."""
        return np.random.default_rng([self.seed, int(stream), part])


WHOLE_BOUNDS = (
    ("users", 10, 10_000_000),
    ("items", 10, 1_000_000),
    ("interactions", 100, 1_000_000_000),
    ("days", 35, 3650),
    ("seed", 0, 2**63 - 1),
)
REAL_BOUNDS = (("taste", 3.0), ("drift", 1.0), ("bad_rows", 0.5))


def _check(name: str, value: object, low: float, high: float, whole: bool) -> None:
    allowed = int if whole else (int, float)
    fits = isinstance(value, allowed) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high
    if not fits:
        kind = "a whole number" if whole else "a number"
        raise SettingsError(f"the synthetic shop's '{name}' is {value!r}", f"Give {kind} from {low} to {high}")


@dataclass(frozen=True)
class Span:
    """Days of one month and one week: demand and prices hold still within it.

    first, stop: days since 1970-01-01; week: weeks from the history's first week, 0-based; number: the span's own, 0-based.
    """

    number: int
    month: str
    week: int
    first: int
    stop: int

    def drifting(self, shop: Shop) -> bool:
        """Whether the span lies in the drift window of a shop that has one."""
        return shop.drift > 0 and self.first > day_number(LAST_DAY) - DRIFT_DAYS


def day_number(day: date) -> int:
    """Days from 1970-01-01 to ``day``."""
    return (day - date(1970, 1, 1)).days


def week_start(shop: Shop, week: Ints) -> Ints:
    """The first day, since 1970-01-01, of each ``week``; negative weeks lie before the history."""
    return day_number(LAST_DAY) + 1 - (shop.weeks - week) * WEEK


def spans(shop: Shop) -> list[Span]:
    """The whole history in order, cut where a week or a month begins."""
    first, last = day_number(shop.first_day), day_number(LAST_DAY)
    days = np.arange(first, last + 1)
    week = shop.weeks - 1 - (last - days) // WEEK
    month = np.array([str(m) for m in days.astype("datetime64[D]").astype("datetime64[M]")])
    cuts = np.flatnonzero((week[1:] != week[:-1]) | (month[1:] != month[:-1])) + 1
    starts = [0, *cuts.tolist()]
    stops = [*cuts.tolist(), len(days)]
    return [
        Span(number, str(month[a]), int(week[a]), int(days[a]), int(days[b - 1]) + 1)
        for number, (a, b) in enumerate(zip(starts, stops, strict=True))
    ]
