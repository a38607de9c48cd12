"""The shop as a folder in the published layout; the last days may lie beside it as deliveries of one day each."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import polars as pl

from outfitter.datasets.synthetic.catalogue import build_catalogue
from outfitter.datasets.synthetic.demand import busy_in, daily_rows
from outfitter.datasets.synthetic.folder import Progress, silent, write_whole
from outfitter.datasets.synthetic.hm.sales import COLUMNS, Sales
from outfitter.datasets.synthetic.hm.spoiling import BAD_ROWS_FILE, KIND, spoil
from outfitter.datasets.synthetic.hm.tables import articles_table, customers_table
from outfitter.datasets.synthetic.images import save_images
from outfitter.datasets.synthetic.knobs import LAST_DAY, Shop, Stream, spans
from outfitter.datasets.synthetic.people import People, build_people, hex_ids
from outfitter.datasets.synthetic.spoiling import spoilt_by_part
from outfitter.errors import SettingsError

TRAIN_FILE = "transactions_train.csv"
FILE = "file"


def write_hm_shop(shop: Shop, out: Path, daily_files: int = 0, progress: Progress | None = None) -> None:
    """Write ``articles.csv``, ``customers.csv``, ``transactions_train.csv``, ``images/`` when asked for, and ``shop.json``.

    shop: ``interactions`` counts rows of transactions, which are units sold; bad rows come on top and are listed in ``bad_rows.csv``.
    daily_files: the last so many days are left out of ``transactions_train.csv`` and written to ``transactions_YYYY-MM-DD.csv``, one
    file a day (a day without rows has none). progress: as for ``write_shop``.

    The same arguments give the same bytes. No more than two weeks of rows are in memory at a time. Raises SettingsError for
    ``daily_files`` that leave no day for the rest, and as ``write_whole`` does.
    """
    if not 0 <= daily_files < shop.days:
        raise SettingsError(f"the synthetic shop's 'daily_files' is {daily_files}", f"Give a whole number from 0 to {shop.days - 1}")
    knobs = {"format": "hm", "daily_files": daily_files, **asdict(shop)}
    write_whole(out, knobs, lambda root: _fill(shop, daily_files, root, progress or silent))


class Books:
    """The files of transactions and the list of bad rows, filled day after day. Rows are counted within each file."""

    def __init__(self, shop: Shop, daily_files: int, root: Path) -> None:
        self._shop, self._root = shop, root
        self._first_daily = (LAST_DAY - timedelta(days=daily_files - 1)).isoformat()
        self._rows = {TRAIN_FILE: 0}
        pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String)).write_csv(root / TRAIN_FILE)
        pl.DataFrame(schema=[FILE, "row", KIND]).write_csv(root / BAD_ROWS_FILE)

    def enter(self, part: int, sold: pl.DataFrame, bad: int) -> None:
        """Append a part's rows as ``Sales`` makes them, ``bad`` bad ones among them, each in its original's file."""
        day = pl.col("t_dat")
        daily = pl.concat_str(pl.lit("transactions_"), day, pl.lit(".csv"))
        file = pl.when(day >= self._first_daily).then(daily).otherwise(pl.lit(TRAIN_FILE)).alias(FILE)
        table = spoil(self._shop, part, sold.with_columns(file), bad)
        for rows in table.partition_by(FILE, maintain_order=True):
            self._append(str(rows[FILE][0]), rows)

    def _append(self, name: str, rows: pl.DataFrame) -> None:
        before = self._rows.get(name)
        with (self._root / name).open("ab") as file:
            rows.select(COLUMNS).write_csv(file, include_header=before is None, quote_style="never")
        self._rows[name] = (before or 0) + len(rows)
        listed = rows.with_row_index("row", offset=1 + (before or 0)).filter(pl.col(KIND).is_not_null())
        with (self._root / BAD_ROWS_FILE).open("ab") as file:
            listed.select(FILE, "row", KIND).write_csv(file, include_header=False)


def _fill(shop: Shop, daily_files: int, root: Path, progress: Progress) -> None:
    catalogue, people = build_catalogue(shop), _people(shop)
    articles_table(shop, catalogue).write_csv(root / "articles.csv")
    customers_table(shop, people).write_csv(root / "customers.csv")
    _write_transactions(shop, Sales(shop, catalogue, people), Books(shop, daily_files, root), progress)
    if shop.images:
        save_images(catalogue, root, "jpg", progress)


def _people(shop: Shop) -> People:
    """The shop's people under ids as long as the published ones, in their order: customers are sorted in every file."""
    return replace(build_people(shop), ids=hex_ids(shop.rng(Stream.PEOPLE, part=4), shop.users, 64).sort())


def _write_transactions(shop: Shop, sales: Sales, books: Books, progress: Progress) -> None:
    """One part of the history is drawn while the one before it is written: neither uses more than one core for long."""
    daily = daily_rows(shop)
    months = [list(parts) for _, parts in groupby(spans(shop), key=lambda span: span.month)]
    good = [int(busy_in(shop, span, daily).sum()) for parts in months for span in parts]
    bad = spoilt_by_part(shop, good)
    with ThreadPoolExecutor(1) as clerk:
        at_work: Future[None] | None = None
        for number, parts in enumerate(months):
            for span in parts:
                sold = sales.rows(span, busy_in(shop, span, daily))
                if at_work is not None:
                    at_work.result()
                at_work = None if sold is None else clerk.submit(books.enter, span.number, sold, bad[span.number])
            progress("month", number + 1, len(months))
        if at_work is not None:
            at_work.result()
