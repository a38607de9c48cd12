"""The shop as a folder: catalogue and people once, interactions a file a month, written whole or not at all."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.catalogue import Catalogue, build_catalogue
from outfitter.datasets.synthetic.demand import Market, busy_in, daily_rows
from outfitter.datasets.synthetic.events import Rows, Till
from outfitter.datasets.synthetic.folder import Progress, silent, write_whole
from outfitter.datasets.synthetic.images import save_images
from outfitter.datasets.synthetic.knobs import Shop, spans
from outfitter.datasets.synthetic.people import People, build_people, users_table
from outfitter.datasets.synthetic.purchases import Checkout
from outfitter.datasets.synthetic.spoiling import spoil, spoilt_by_part
from outfitter.datasets.synthetic.texts import items_table
from outfitter.datasets.synthetic.vocabulary import CART, CHANNELS, EVENTS, REGIONS, VIEW


def write_shop(shop: Shop, out: Path, progress: Progress | None = None) -> None:
    """Write ``items.csv``, ``users.csv``, ``interactions-YYYY-MM.csv`` (months without rows get none), ``shop.json`` and images.

    The same shop gives the same bytes. ``progress`` is told (stage, done, total), the stage being "month" or "image". The folder
    appears when it is complete, and one that already holds this very shop is left alone. Raises as ``write_whole`` does.
    """
    write_whole(out, asdict(shop), lambda root: _fill(shop, root, progress or silent))


def _fill(shop: Shop, root: Path, progress: Progress) -> None:
    catalogue, people = build_catalogue(shop), build_people(shop)
    items_table(shop, catalogue).write_csv(root / "items.csv")
    users_table(shop, people).write_csv(root / "users.csv")
    _write_months(shop, catalogue, people, root, progress)
    if shop.images:
        save_images(catalogue, root, "png", progress)


def _write_months(shop: Shop, catalogue: Catalogue, people: People, root: Path, progress: Progress) -> None:
    """One month in memory at a time."""
    till = Till(shop, Market(shop, catalogue), Checkout(shop, catalogue, people))
    months = [(month, list(parts)) for month, parts in groupby(spans(shop), key=lambda span: span.month)]
    busy = daily_rows(shop)
    good = [sum(int(busy_in(shop, span, busy).sum()) for span in parts) for _, parts in months]
    bad = spoilt_by_part(shop, good)
    for number, (month, parts) in enumerate(months):
        made = [rows for span in parts if (rows := till.rows(span, busy_in(shop, span, busy))) is not None]
        if made:
            table = spoil(shop, number, interactions_table(Rows.join(made), catalogue, people), bad[number])
            table.write_csv(root / f"interactions-{month}.csv", float_precision=2)
        progress("month", number + 1, len(months))


def interactions_table(rows: Rows, catalogue: Catalogue, people: People) -> pl.DataFrame:
    """The text of a month's file; views have neither quantity nor price, carts no price."""
    trade = rows.trade
    market = pl.Series([market for market, *_ in REGIONS])
    looked, priceless = pl.Series(rows.event == VIEW), pl.Series(np.isin(rows.event, (VIEW, CART)))
    return pl.DataFrame(
        {
            "timestamp": pl.from_epoch(pl.Series(trade.time), "s").dt.strftime("%Y-%m-%d %H:%M:%S"),
            "user_id": people.ids.gather(trade.user),
            "item_id": catalogue.ids.gather(trade.item),
            "event": pl.Series(EVENTS).gather(rows.event),
            "quantity": pl.Series(trade.quantity).set(looked, None),
            "price": pl.Series(trade.price).set(priceless, None),
            "channel": pl.Series(CHANNELS).gather(trade.channel),
            "market": market.gather(people.region[trade.user]),
        }
    )
