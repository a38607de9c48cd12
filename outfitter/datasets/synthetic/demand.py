"""How much is wanted of each item, by whom and at what price, in one span of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from outfitter.datasets.synthetic.catalogue import Catalogue, season
from outfitter.datasets.synthetic.knobs import Ints, Reals, Shop, Span, Stream
from outfitter.datasets.synthetic.people import SEGMENTS, segment_centres, segment_shares
from outfitter.datasets.synthetic.vocabulary import CATEGORIES, COLOURS

RISE = 1.5
END = 2.5
"""Demand rises within about ``RISE`` weeks; after ``END`` lives an item is sold out for good."""
SALE_MONTHS = (1, 7, 8)
MARKDOWNS = ((0.8, 0.20), (1.6, 0.25))
SALE = 0.25
BALANCING_STEPS = 12
DRIFT_PRICE = 0.30
DRIFT_MIX = 1.2


@dataclass(frozen=True)
class Demand:
    """weight float64[m] >= 0: what sells, taste aside; price float64[m]: what a unit costs; thresholds float64[SEGMENTS * m]:
    the segments' cumulative item distributions end to end, the s-th rising from s to s + 1."""

    weight: Reals
    price: Reals
    thresholds: Reals

    def draw(self, segment: Ints, chance: Reals) -> Ints:
        """int64[...]: for each ``segment`` and ``chance`` in [0, 1) an item, by inversion of the distribution function."""
        m = len(self.weight)
        found = np.searchsorted(self.thresholds, segment + chance * (1 - 1e-12), side="right") - segment * m
        return np.asarray(np.clip(found, 0, m - 1))


class Market:
    """The demand of every span: P(item | segment) is proportional to exp(centre . vector) * appeal * life cycle * season.

    It is balanced: taste says who buys an item, and the rest how much of it sells. So popularity alone recommends about as well
    whatever the ``taste`` and the seed, and what a model gains over it was planted.
    """

    def __init__(self, shop: Shop, catalogue: Catalogue) -> None:
        self._shop = shop
        self._catalogue = catalogue
        self._liking = np.exp(segment_centres(shop) @ catalogue.vectors.T.astype(np.float64))

    def demand(self, span: Span) -> Demand:
        """Demand and prices in ``span``. Memory: float64[SEGMENTS, m], whatever the number of users."""
        weight = self._catalogue.appeal * life_cycle(self._catalogue, span.week) * season(self._catalogue.category, _day_of_year(span))
        if span.drifting(self._shop):
            weight = weight * self._drifted_mix()
        if not weight.any():  # a tiny shop may have nothing current: it then sells what it has launched
            weight = (self._catalogue.launch <= span.week).astype(np.float64)
        total = np.cumsum(_balanced(self._liking, weight), axis=1)
        total /= total[:, -1:]
        thresholds = (total + np.arange(SEGMENTS)[:, None]).ravel()
        return Demand(weight, self._prices(span), thresholds)

    def _drifted_mix(self) -> Reals:
        """float64[m]: half of the categories and colours, drawn, gain what the others lose."""
        rng = self._shop.rng(Stream.DRIFT, part=1)
        size = DRIFT_MIX * self._shop.drift
        by_category = np.where(rng.permutation(len(CATEGORIES)) % 2 == 0, size, -size)
        by_colour = np.where(rng.permutation(len(COLOURS)) % 2 == 0, size, -size) / 2
        return np.asarray(np.exp(by_category[self._catalogue.category] + by_colour[self._catalogue.colour]))

    def _prices(self, span: Span) -> Reals:
        """float64[m]: the launch price less markdowns for age and for the end of the season, in two decimals."""
        lived = (span.week - self._catalogue.launch) / self._catalogue.life
        kept = np.ones(len(lived))
        for after, cut in MARKDOWNS:
            kept *= np.where((lived > after) & ~self._catalogue.basic, 1 - cut, 1.0)
        if _first_date(span).month in SALE_MONTHS:
            kept *= np.where(season(self._catalogue.category, _day_of_year(span)) < 0.9, 1 - SALE, 1.0)
        if span.drifting(self._shop):
            kept *= 1 + DRIFT_PRICE * self._shop.drift
        return np.round(self._catalogue.price * kept, 2)


def _balanced(liking: Reals, weight: Reals) -> Reals:
    """float64[SEGMENTS, m]: ``liking`` scaled by rows and columns (Sinkhorn 1967) until every row sums to 1 and the rows, weighted
    by the segments' sizes, to the shares in ``weight``."""
    shares, sold = segment_shares(), np.flatnonzero(weight)
    table, aim = liking[:, sold], weight[sold] / weight.sum()
    for _ in range(BALANCING_STEPS):
        table = table * (aim / (shares @ table))
        table = table / table.sum(axis=1, keepdims=True)
    out = np.zeros(liking.shape)
    out[:, sold] = table
    return out


def life_cycle(catalogue: Catalogue, week: int) -> Reals:
    """float64[m]: 0 before the launch and after the end, a quick rise and an exponential fall between."""
    age = (week - catalogue.launch).astype(np.float64)
    curve = (1 - np.exp(-(age + 1) / RISE)) * np.exp(-age / catalogue.life)
    return np.where((age >= 0) & (age <= END * catalogue.life), curve, 0.0)


def daily_rows(shop: Shop) -> Ints:
    """int64[days]: how many of the shop's rows fall on each day; they sum to ``interactions``.

    Saturdays and December are busy, and the shop grows by a fifth a year.
    """
    days = [shop.first_day + timedelta(days=d) for d in range(shop.days)]
    weekday = np.array([0.9, 0.85, 0.9, 1.0, 1.15, 1.4, 0.8])[[d.weekday() for d in days]]
    month = np.where([d.month == 12 for d in days], 1.35, 1.0)
    growth = 1 + 0.2 * np.arange(shop.days) / 365
    share = np.cumsum(weekday * month * growth)
    ends = np.round(share / share[-1] * shop.interactions).astype(np.int64)
    return np.asarray(np.diff(ends, prepend=0))


def _first_date(span: Span) -> date:
    return date(1970, 1, 1) + timedelta(days=span.first)


def _day_of_year(span: Span) -> float:
    return float(_first_date(span).timetuple().tm_yday)
