"""The rows of one span: purchases, the views and carts around them, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from outfitter.datasets.synthetic.demand import Demand, Market
from outfitter.datasets.synthetic.knobs import DAY_SECONDS, Ints, Shop, Span, Stream
from outfitter.datasets.synthetic.purchases import Checkout, Trade
from outfitter.datasets.synthetic.vocabulary import CART, ONLINE, PURCHASE, RETURN, STORE, VIEW

PURCHASES = 0.7
RETURNED = 0.055
CARTS = 0.3
KEPT_DAYS = (3, 21)
EVENT_PART = 1_000_000
"""Offset of the random streams used here from those that the purchases use."""


@dataclass(frozen=True)
class Rows:
    """Rows in time order; ``event`` int64[n] is a code of ``vocabulary.EVENTS``."""

    trade: Trade
    event: Ints

    def __len__(self) -> int:
        return len(self.event)

    @staticmethod
    def join(parts: list[Rows]) -> Rows:
        return Rows(Trade.join([p.trade for p in parts]), np.concatenate([p.event for p in parts]))


class Till:
    """Turns spans into rows, in order; it remembers the purchases that will be returned."""

    def __init__(self, shop: Shop, market: Market, checkout: Checkout) -> None:
        self._shop, self._market, self._checkout = shop, market, checkout
        self._due: Trade | None = None

    def rows(self, span: Span, busy: Ints) -> Rows | None:
        """Exactly ``busy.sum()`` rows, None for a span without any; ``busy`` int64[days of the span] rows a day."""
        total = int(busy.sum())
        if total == 0:
            return None
        demand: Demand = self._market.demand(span)
        bought, passed = self._checkout.buy(span, demand, busy, int(np.ceil(PURCHASES * total)))
        rng = self._shop.rng(Stream.TRADE, EVENT_PART + span.number)
        back = self._returns(rng, span, bought, total - len(bought))
        browsed = total - len(bought) - len(back)
        carts = round(CARTS * browsed)
        return _in_order(
            {
                PURCHASE: bought,
                RETURN: back,
                CART: _before(rng, bought, passed, carts, 60, 900),
                VIEW: _before(rng, bought, passed, browsed - carts, 900, 3600),
            }
        )

    def _returns(self, rng: np.random.Generator, span: Span, bought: Trade, most: int) -> Trade:
        """What comes back in this span, at most ``most`` rows; what is due later waits."""
        chosen = bought.take(rng.random(len(bought)) < RETURNED)
        kept = rng.integers(*KEPT_DAYS, len(chosen)) * DAY_SECONDS + rng.integers(0, 3600, len(chosen))
        due = replace(chosen, time=chosen.time + kept)
        if self._due is not None:
            due = Trade.join([self._due, due])
        now = due.time < span.stop * DAY_SECONDS
        self._due = due.take(~now)
        return due.take(np.flatnonzero(now)[:most])


def _before(rng: np.random.Generator, bought: Trade, passed: Ints, n: int, soonest: int, latest: int) -> Trade:
    """``n`` looks that came some seconds before purchases: half at what was bought, half at what was left. No store sees them."""
    other = rng.random(n) < 0.5
    rows = rng.integers(0, len(bought), n)
    item = np.where(other, passed[rows], bought.item[rows])
    source = bought.take(rows)
    return Trade(
        user=source.user,
        item=item,
        time=source.time - rng.integers(soonest, latest, n),
        channel=np.where(source.channel == STORE, ONLINE, source.channel),
        quantity=np.ones(n, dtype=np.int64),
        price=np.full(n, np.nan),
    )


def _in_order(kinds: dict[int, Trade]) -> Rows:
    event = np.repeat(list(kinds), [len(trade) for trade in kinds.values()])
    trade = Trade.join(list(kinds.values()))
    trade = replace(trade, time=_apart(trade, event))
    order = np.lexsort((event, trade.item, trade.user, trade.time))
    return Rows(trade.take(order), event[order])


def _apart(trade: Trade, event: Ints) -> Ints:
    """int64[n]: times, moved on by seconds where one user did the same with the same item in the same second.

    A source in which alike rows mean a duplicate must not hold alike rows that are meant.
    """
    time = trade.time.copy()
    while True:
        order = np.lexsort((time, event, trade.item, trade.user))
        columns = np.stack([trade.user, trade.item, event, time])[:, order]
        same = order[1:][(columns[:, 1:] == columns[:, :-1]).all(axis=0)]
        if not len(same):
            return time
        time[same] += 1
