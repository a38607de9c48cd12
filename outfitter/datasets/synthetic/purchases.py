"""Who buys what and when: baskets of one span of days, chosen by taste, now and then bought again."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from outfitter.datasets.synthetic.catalogue import Catalogue
from outfitter.datasets.synthetic.demand import Demand
from outfitter.datasets.synthetic.knobs import DAY_SECONDS, Flags, Ints, Reals, Shop, Span, Stream, day_number
from outfitter.datasets.synthetic.people import People
from outfitter.datasets.synthetic.vocabulary import APP, CHANNEL_SHARES, CHANNELS

CANDIDATES = 8
AT_ONCE = 8192
"""Lines whose candidates are looked at together: few enough for the processor's cache."""
MAIN_SEGMENT = 0.9
FAVOURITE_CHANNEL = 0.75
MEAN_BASKET = 2.2
REBUY = 0.25
CUPBOARD = 4
SEVERAL = 0.2
"""Share of the purchases of a basic that are of two or three."""
DRIFT_CHANNEL = 0.5


@dataclass(frozen=True)
class Trade:
    """Rows of one kind: user, item, time (seconds since 1970), channel, quantity int64[n], price float64[n] a unit."""

    user: Ints
    item: Ints
    time: Ints
    channel: Ints
    quantity: Ints
    price: Reals

    def __len__(self) -> int:
        return len(self.user)

    def take(self, where: Ints | Flags) -> Trade:
        return Trade(**{f.name: getattr(self, f.name)[where] for f in fields(self)})

    @staticmethod
    def join(parts: list[Trade]) -> Trade:
        return Trade(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Trade)})


class Checkout:
    """Makes the purchases span by span, in order; it remembers the basics that people have at home."""

    def __init__(self, shop: Shop, catalogue: Catalogue, people: People) -> None:
        self._shop, self._catalogue, self._people = shop, catalogue, people
        self._cupboard = np.full((shop.users, CUPBOARD), -1, dtype=np.int32)
        self._unsold = np.ones(shop.items, dtype=np.bool_)
        self._vectors = catalogue.vectors

    def buy(self, span: Span, demand: Demand, busy: Ints, n: int) -> tuple[Trade, Ints]:
        """``n`` purchases spread over the span's days as ``busy`` is, and int64[n] the item that each buyer looked at and left."""
        rng = self._shop.rng(Stream.TRADE, span.number)
        return self._settle(rng, span, demand, *self._lines(rng, span, demand, busy, n))

    def buy_units(self, span: Span, demand: Demand, busy: Ints, n: int) -> Trade:
        """As ``buy``, but as many purchases as make ``n`` units together: the last one may be cut short."""
        rng = self._shop.rng(Stream.TRADE, span.number)
        trade, passed = self._lines(rng, span, demand, busy, n)
        ends = np.cumsum(trade.quantity)
        count = int(np.searchsorted(ends, n)) + 1
        trade = trade.take(np.arange(count))
        trade.quantity[-1] -= ends[count - 1] - n
        return self._settle(rng, span, demand, trade, passed[:count])[0]

    def _lines(self, rng: np.random.Generator, span: Span, demand: Demand, busy: Ints, n: int) -> tuple[Trade, Ints]:
        """What ``n`` lines would be, prices aside, without remembering any of it."""
        user, basket, time, channel, segment = self._baskets(rng, span, busy, n)
        item, passed = self._choose(rng, demand, user, segment)
        item = np.where(_repeated(basket, item), passed, item)
        item = self._rebuy(rng, demand, user, item)
        quantity = np.where(self._catalogue.basic[item] & (rng.random(n) < SEVERAL), rng.integers(2, 4, n), 1)
        return Trade(user, item, time, channel, quantity, np.zeros(n)), passed

    def _settle(self, rng: np.random.Generator, span: Span, demand: Demand, lines: Trade, passed: Ints) -> tuple[Trade, Ints]:
        item = self._introduce(rng, span, lines.item)
        self._remember(rng, lines.user, item)
        return replace(lines, item=item, price=demand.price[item]), passed

    def _baskets(self, rng: np.random.Generator, span: Span, busy: Ints, n: int) -> tuple[Ints, ...]:
        """User, basket, time, channel and segment of each of n lines; a basket has one of each."""
        size = rng.geometric(1 / MEAN_BASKET, n)
        basket = np.repeat(np.arange(n), size)[:n]
        count = int(basket[-1]) + 1
        user = self._visitors(rng, span, count)
        day = span.first + rng.choice(len(busy), count, p=busy / busy.sum())
        time = day * DAY_SECONDS + 8 * 3600 + np.round(rng.beta(2.2, 1.6, count) * 14 * 3600).astype(np.int64)
        channel = np.where(
            rng.random(count) < FAVOURITE_CHANNEL,
            self._people.channel[user],
            rng.choice(len(CHANNELS), count, p=CHANNEL_SHARES),
        )
        main = rng.random(count) < MAIN_SEGMENT
        segment = np.where(main, self._people.segment[user], self._people.second[user])
        if span.drifting(self._shop):
            chance = self._shop.rng(Stream.DRIFT, 2 + span.number).random(count)
            channel = np.where(chance < DRIFT_CHANNEL * self._shop.drift, APP, channel)
            segment = np.where(main, self._people.moved[user], segment)
        return user[basket], basket, time[basket], channel[basket], segment[basket]

    def _visitors(self, rng: np.random.Generator, span: Span, n: int) -> Ints:
        """int64[n]: users by their activity, among those who have joined; everyone before the first has."""
        gone = (span.first - day_number(self._shop.first_day)) / self._shop.days
        active = self._people.activity * (self._people.joined <= gone)
        total = np.cumsum(active if active.any() else self._people.activity)
        chance = np.sort(rng.random(n)) * total[-1] * (1 - 1e-12)  # in order, because that searches faster
        return rng.permutation(np.searchsorted(total, chance, side="right"))

    def _choose(self, rng: np.random.Generator, demand: Demand, user: Ints, segment: Ints) -> tuple[Ints, Ints]:
        """The item bought and the runner-up of each line."""
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(user), AT_ONCE)]
        chosen = [self._choose_some(rng, demand, user[part], segment[part]) for part in parts]
        return np.concatenate([best for best, _ in chosen]), np.concatenate([second for _, second in chosen])

    def _choose_some(self, rng: np.random.Generator, demand: Demand, user: Ints, segment: Ints) -> tuple[Ints, Ints]:
        """Each buyer meets ``CANDIDATES`` items drawn by the segment's distribution and takes one in proportion to
        exp(own taste . vector): sampling, importance resampling (Rubin 1988) without a users x items matrix. The choice is a
        race: an item arrives after an exponential time with that rate, and the first one is taken.
        """
        met = demand.draw(rng, segment, CANDIDATES)
        liking = np.einsum("nd,ncd->nc", self._people.own[user], self._vectors[met])
        arrival = rng.standard_exponential(met.shape, dtype=np.float32) * np.exp(-liking)
        rows = np.arange(len(user))
        best = np.argmin(arrival, axis=1)
        arrival[rows, best] = np.inf
        return met[rows, best].astype(np.int64), met[rows, np.argmin(arrival, axis=1)].astype(np.int64)

    def _rebuy(self, rng: np.random.Generator, demand: Demand, user: Ints, item: Ints) -> Ints:
        """Some lines become a basic the user has bought in an earlier span, while it is still sold."""
        known = self._cupboard[user, rng.integers(0, CUPBOARD, len(user))].astype(np.int64)
        again = (rng.random(len(user)) < REBUY) & (known >= 0) & (demand.weight[known] > 0)
        return np.where(again, known, item)

    def _introduce(self, rng: np.random.Generator, span: Span, item: Ints) -> Ints:
        """Items that launched by now and never sold take the place of lines whose item sells in another line as well."""
        self._unsold[item] = False
        waiting = np.flatnonzero(self._unsold & (self._catalogue.launch <= span.week))
        if not len(waiting):
            return item
        order = rng.permutation(len(item))
        first = np.empty(len(self._unsold), dtype=np.int64)
        first[item[order[::-1]]] = order[::-1]
        spare = order[first[item[order]] != order]
        count = min(len(waiting), len(spare))
        item = item.copy()
        item[spare[:count]] = waiting[:count]
        self._unsold[waiting[:count]] = False
        return item

    def _remember(self, rng: np.random.Generator, user: Ints, item: Ints) -> None:
        basic = self._catalogue.basic[item]
        self._cupboard[user[basic], rng.integers(0, CUPBOARD, int(basic.sum()))] = item[basic]


def _repeated(group: Ints, item: Ints) -> Flags:
    """bool[n]: whether the same item came earlier in the same group."""
    key = group * (int(item.max()) + 1) + item
    order = np.argsort(key, kind="stable")
    out = np.zeros(len(item), dtype=np.bool_)
    out[order[1:]] = key[order[1:]] == key[order[:-1]]
    return out
