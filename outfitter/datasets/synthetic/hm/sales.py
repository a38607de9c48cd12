"""Purchases as rows of ``transactions_train.csv``: a day, a customer, an article, a price and a channel, all text."""

from __future__ import annotations

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.catalogue import Catalogue
from outfitter.datasets.synthetic.demand import Demand, Market
from outfitter.datasets.synthetic.hm.words import ONLINE_CHANNEL, STORE_CHANNEL
from outfitter.datasets.synthetic.knobs import DAY_SECONDS, Ints, Shop, Span
from outfitter.datasets.synthetic.people import People
from outfitter.datasets.synthetic.purchases import Checkout, Trade
from outfitter.datasets.synthetic.vocabulary import STORE

COLUMNS = ("t_dat", "customer_id", "article_id", "price", "sales_channel_id")
PRICE_SCALE = 590.0
"""Published prices are scaled: 29.99 became 0.0508... . One factor does that, so theirs and ours are shares of the same amount."""


class Sales:
    """Turns spans into rows, in order. Nothing but purchases is published, and two of a kind are two rows."""

    def __init__(self, shop: Shop, catalogue: Catalogue, people: People) -> None:
        self._catalogue, self._people = catalogue, people
        self._market, self._checkout = Market(shop, catalogue), Checkout(shop, catalogue, people)

    def rows(self, span: Span, busy: Ints) -> pl.DataFrame | None:
        """``busy.sum()`` rows of ``COLUMNS``, String, ordered by day, customer and article; None for a span without any."""
        total = int(busy.sum())
        if total == 0:
            return None
        demand: Demand = self._market.demand(span)
        trade = self._checkout.buy_units(span, demand, busy, total)
        day, user, item, online = self._in_order(trade, span)
        days = pl.from_epoch(pl.Series(range(span.first, span.stop)), "d").dt.strftime("%Y-%m-%d")
        return pl.DataFrame(
            [
                days.gather(day).alias("t_dat"),
                self._people.ids.gather(user).alias("customer_id"),
                self._catalogue.ids.gather(item).alias("article_id"),
                pl.Series("price", demand.price / PRICE_SCALE).cast(pl.String).gather(item),
                pl.Series("sales_channel_id", [STORE_CHANNEL, ONLINE_CHANNEL]).gather(online),
            ]
        )

    def _in_order(self, trade: Trade, span: Span) -> tuple[Ints, Ints, Ints, Ints]:
        """Day of the span, user, item and whether online, int64[units] each, a row a unit.

        All four are packed into one number, which sorts many times faster than four columns; 7 days of 10 million users and a
        million items, the largest shop, need 48 bits.
        """
        users, items = len(self._people.ids), len(self._catalogue.ids)
        day = trade.time // DAY_SECONDS - span.first
        key = ((day * users + trade.user) * items + trade.item) * 2 + (trade.channel != STORE)
        key = np.sort(np.repeat(key, trade.quantity))
        rest, online = np.divmod(key, 2)
        rest, item = np.divmod(rest, items)
        day, user = np.divmod(rest, users)
        return day, user, item, online
