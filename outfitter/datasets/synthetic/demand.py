"""How much is wanted of each item, by whom and at what price, in one span of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from outfitter.datasets.synthetic.catalogue import Catalogue, season
from outfitter.datasets.synthetic.knobs import Ints, Reals, Shop, Span, Stream, Vectors, day_number
from outfitter.datasets.synthetic.people import segment_centres, segment_shares
from outfitter.datasets.synthetic.vocabulary import CATEGORIES, COLOURS

RISE = 1.5
END = 2.5
"""Demand rises within about ``RISE`` weeks; after ``END`` lives an item is sold out for good."""
SALE_MONTHS = (1, 7, 8)
MARKDOWNS = ((0.8, 0.20), (1.6, 0.25))
SALE = 0.25
BALANCING_STEPS = 12
MIN_CELL_BITS, CELLS_AN_ITEM = 16, 8
"""How finely a distribution over items is cut into cells: 1/65536, or finer when there are many items."""
DRIFT_PRICE = 0.30
DRIFT_MIX = 1.2


@dataclass(frozen=True)
class Demand:
    """weight float64[m] >= 0: what sells, taste aside; price float64[m]: what a unit costs; draws int32[SEGMENTS, cells]: each
    segment's item distribution as a table in which an item holds as many cells as it has chances; cells is a power of two."""

    weight: Reals
    price: Reals
    draws: NDArray[np.int32]

    def draw(self, rng: np.random.Generator, segment: Ints, each: int) -> NDArray[np.int32]:
        """int32[len(segment), each]: independent draws of items from the distribution of each ``segment``."""
        cells = self.draws.shape[1]
        cell = rng.integers(0, cells, (len(segment), each), dtype=np.uint32)
        return np.asarray(self.draws.ravel()[cell + (segment * cells)[:, None]])


class Market:
    """The demand of every span: P(item | segment) is proportional to exp(centre . vector) * appeal * life cycle * season.

    It is balanced: taste says who buys an item, and the rest how much of it sells. So popularity alone recommends about as well
    whatever the ``taste`` and the seed, and what a model gains over it was planted.
    """

    def __init__(self, shop: Shop, catalogue: Catalogue) -> None:
        self._shop = shop
        self._catalogue = catalogue
        self._liking = np.exp(segment_centres(shop) @ catalogue.vectors.T.astype(np.float64)).astype(np.float32)

    def demand(self, span: Span) -> Demand:
        """Demand and prices in ``span``. Memory: some 16 numbers a segment and item, whatever the number of users."""
        weight = self._catalogue.appeal * life_cycle(self._catalogue, span.week) * season(self._catalogue.category, _day_of_year(span))
        if span.drifting(self._shop):
            weight = weight * self._drifted_mix()
        if not weight.any():  # a tiny shop may have nothing current: it then sells what it has launched
            weight = (self._catalogue.launch <= span.week).astype(np.float64)
        sold = np.flatnonzero(weight)
        table = _balanced(self._liking[:, sold], weight[sold] / weight.sum())
        return Demand(weight, self._prices(span), _in_cells(table, sold, span.number))

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


def _balanced(liking: Vectors, aim: Reals) -> Vectors:
    """float32[SEGMENTS, items]: ``liking`` scaled by rows and columns (Sinkhorn 1967) until every row sums to 1 and the rows,
    weighted by the segments' sizes, to ``aim``, the items' shares of what sells."""
    table, shares, shown = liking.copy(), segment_shares().astype(np.float32), aim.astype(np.float32)
    for _ in range(BALANCING_STEPS):
        table *= shown / (shares @ table)
        table /= table.sum(axis=1, keepdims=True)
    return table


def _in_cells(table: Vectors, items: Ints, number: int) -> NDArray[np.int32]:
    """int32[SEGMENTS, cells]: ``items`` repeated in proportion to the rows of ``table``.

    Drawing from it takes one look and no search. The rows are cut at points that move with ``number``, by the golden ratio, so
    that what rounding takes from a rare item in one span it gives it in another.
    """
    cells = 1 << max(MIN_CELL_BITS, (CELLS_AN_ITEM * len(items)).bit_length())
    start = (number * len(table) + np.arange(len(table))) * (np.sqrt(5) - 1) / 2 % 1
    total = np.cumsum(table, axis=1, dtype=np.float64)
    total *= cells / total[:, -1:]
    ends = (total + start[:, None]).astype(np.int64)
    ends[:, -1] = cells
    return np.stack([np.repeat(items.astype(np.int32), np.diff(row, prepend=0)) for row in ends])


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


def busy_in(shop: Shop, span: Span, daily: Ints) -> Ints:
    """int64[days of the span]: the part of ``daily_rows`` that falls into ``span``."""
    start = day_number(shop.first_day)
    return daily[span.first - start : span.stop - start]


def _first_date(span: Span) -> date:
    return date(1970, 1, 1) + timedelta(days=span.first)


def _day_of_year(span: Span) -> float:
    return float(_first_date(span).timetuple().tm_yday)
