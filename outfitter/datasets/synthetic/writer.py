"""The shop as a folder: catalogue and people once, interactions a file a month, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.catalogue import Catalogue, build_catalogue
from outfitter.datasets.synthetic.demand import Market, daily_rows
from outfitter.datasets.synthetic.events import Rows, Till
from outfitter.datasets.synthetic.images import save_image
from outfitter.datasets.synthetic.knobs import Ints, Shop, Span, day_number, spans
from outfitter.datasets.synthetic.people import People, build_people, users_table
from outfitter.datasets.synthetic.purchases import Checkout
from outfitter.datasets.synthetic.spoiling import spoil, spoilt_by_month
from outfitter.datasets.synthetic.texts import items_table
from outfitter.datasets.synthetic.vocabulary import CART, CHANNELS, EVENTS, REGIONS, VIEW
from outfitter.errors import HomeError, SettingsError

Progress = Callable[[str, int, int], None]
KNOBS_FILE = "shop.json"
IMAGE_STEP = 500


def write_shop(shop: Shop, out: Path, progress: Progress | None = None) -> None:
    """Write ``items.csv``, ``users.csv``, ``interactions-YYYY-MM.csv`` (months without rows get none), ``shop.json`` and images.

    The same shop gives the same bytes. ``progress`` is told (stage, done, total), the stage being "month" or "image". The folder
    appears when it is complete: a run that died leaves nothing to read and is simply repeated, and a folder that already holds
    this very shop is left alone. Raises SettingsError when ``out`` holds anything else, HomeError when it cannot be written.
    """
    knobs = json.dumps(asdict(shop), indent=2) + "\n"
    if _already_there(out, knobs):
        return
    partial = out.parent / f".{out.name}.partial"
    try:
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        _fill(shop, partial, progress or _silent)
        (partial / KNOBS_FILE).write_text(knobs, encoding="utf-8", newline="\n")
        os.replace(partial, out)
    except OSError as error:
        raise HomeError(f"the synthetic shop cannot be written to {out}: {error.strerror or error}", "Give another folder") from error


def _already_there(out: Path, knobs: str) -> bool:
    if not out.exists():
        return False
    if not out.is_dir():
        raise SettingsError(f"{out} is not a folder", "Give a new folder for the synthetic shop")
    recorded = out / KNOBS_FILE
    if recorded.is_file() and recorded.read_text(encoding="utf-8") == knobs:
        return True
    if any(out.iterdir()):
        raise SettingsError(f"{out} holds other files", "Give a new or empty folder for the synthetic shop, or remove this one")
    return False


def _fill(shop: Shop, root: Path, progress: Progress) -> None:
    catalogue, people = build_catalogue(shop), build_people(shop)
    items_table(shop, catalogue).write_csv(root / "items.csv")
    users_table(shop, people).write_csv(root / "users.csv")
    _write_months(shop, catalogue, people, root, progress)
    if shop.images:
        for i in range(shop.items):
            save_image(catalogue, i, root)
            if (i + 1) % IMAGE_STEP == 0 or i + 1 == shop.items:
                progress("image", i + 1, shop.items)


def _write_months(shop: Shop, catalogue: Catalogue, people: People, root: Path, progress: Progress) -> None:
    """One month in memory at a time."""
    till = Till(shop, Market(shop, catalogue), Checkout(shop, catalogue, people))
    months = [(month, list(parts)) for month, parts in groupby(spans(shop), key=lambda span: span.month)]
    busy = daily_rows(shop)
    good = [sum(int(_of(span, busy, shop).sum()) for span in parts) for _, parts in months]
    bad = spoilt_by_month(shop, good)
    for number, (month, parts) in enumerate(months):
        made = [rows for span in parts if (rows := till.rows(span, _of(span, busy, shop))) is not None]
        if made:
            table = spoil(shop, number, interactions_table(Rows.join(made), catalogue, people), bad[number])
            table.write_csv(root / f"interactions-{month}.csv", float_precision=2)
        progress("month", number + 1, len(months))


def _of(span: Span, busy: Ints, shop: Shop) -> Ints:
    start = day_number(shop.first_day)
    return busy[span.first - start : span.stop - start]


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


def _silent(_stage: str, _done: int, _total: int) -> None:
    return
