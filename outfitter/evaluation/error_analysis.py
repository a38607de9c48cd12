"""The error analysis of an exam: what its users and items are, for the report to share them out by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.metrics import Truth
from outfitter.evaluation.exam import Exam, Result
from outfitter.evaluation.inputs import SECONDS_A_DAY, Catalogue, attributes, catalogue, sellable
from outfitter.evaluation.report import Case, write_report
from outfitter.evaluation.segments import Segmentation, by_activity, by_age, by_category, by_history, by_price, by_reach
from outfitter.schema import EPOCH


def write_error_analysis(folder: Path, exam: Exam, results: Mapping[str, Result]) -> Path:
    """The page on what these models got right and wrong in ``exam``, written into ``folder`` with its figures; returns its path.

    Users are named by their keys: the ids of people stay in the lake's table of users, where they can be forgotten.
    """
    settings, items = exam.settings, catalogue(exam.snapshot, exam.asked)
    shown = {model: items.positions(result.shown.ravel()).reshape(result.shown.shape) for model, result in results.items()}
    note = f"Asked as of {exam.asked:%Y-%m-%d %H:%M}, what was taken until {exam.until:%Y-%m-%d %H:%M}; snapshot {exam.snapshot.id}."
    return write_report(folder, "Error analysis", shown, exam_case(exam, items), settings.bootstrap_samples, settings.seed, note)


def exam_case(exam: Exam, items: Catalogue) -> Case:
    """What the report needs to know of an exam, by positions in ``items``."""
    settings, truth = exam.settings, exam.truth(items)
    targets = [name for name, rule in settings.events.items() if rule.target]
    available = sellable(exam.snapshot, items, exam.asked, settings.sellable_days, targets)
    table = _described(exam)
    listed = pl.DataFrame({"item_key": items.keys}).join(table, on="item_key", how="left", maintain_order="left")
    taken = exam.events.filter("taken").select("user_key", "item_key").unique()
    positions = items.positions(taken["item_key"].to_numpy())
    return Case(
        truth,
        _segments(exam, table, listed["price"], _reached(truth, available)),
        exam.activity,
        np.bincount(positions[positions >= 0], minlength=len(items.keys)),
        max(1, taken["user_key"].n_unique()),
        available,
        attributes(exam.snapshot, items, exam.asked),
        [f"user {key}" for key in exam.users],
        listed["name"].to_list(),
    )


def _described(exam: Exam) -> pl.DataFrame:
    """item_key, name, category, price, days: one row an item. What an item is, is told as of the window's end, for items new in it too.

    price: the catalogue's, else the median that was paid. days: how long before the question it was first sold or listed, whichever was
    earlier; null when neither.
    """
    sold = exam.events.filter("taken").group_by("item_key").agg(pl.col("timestamp").min().alias("sold"))
    dated = exam.snapshot.scan("items").filter((pl.col("valid_from") > EPOCH) & (pl.col("valid_from") <= exam.asked))
    listed = dated.group_by("item_key").agg(pl.col("valid_from").min().alias("listed")).collect()
    told = exam.snapshot.scan("interactions").filter(pl.col("timestamp") <= exam.until)
    paid = told.group_by("item_key").agg(pl.col("price").median().alias("paid")).collect()
    table = exam.snapshot.items(exam.until).select("item_key", "item_id", "title", "category", "price").collect()
    for more in (sold, listed, paid):
        table = table.join(more, on="item_key", how="left", maintain_order="left")
    age = pl.lit(exam.asked) - pl.min_horizontal("sold", "listed")
    return table.select(
        "item_key",
        pl.concat_str("item_id", "title", separator=" ", ignore_nulls=True).alias("name"),
        "category",
        pl.coalesce("price", "paid").cast(pl.Float64).fill_null(np.nan).alias("price"),
        (age.dt.total_seconds() / SECONDS_A_DAY).fill_null(np.nan).alias("days"),
    )


def _reached(truth: Truth, available: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[pairs]: whether what was taken could have been shown; an item that no model knows could not."""
    met = truth.items < len(available)
    return np.where(met, available[np.where(met, truth.items, 0)], False)


def _segments(exam: Exam, table: pl.DataFrame, prices: pl.Series, reached: NDArray[np.bool_]) -> list[Segmentation]:
    """The segments of users, and those of what they took; ``prices`` are the catalogue's."""
    known = np.isin(exam.users, exam.events["user_key"].unique().to_numpy())
    taken = exam.taken.join(table, on="item_key", how="left", maintain_order="left")
    return [
        by_activity(exam.activity),
        by_history(known),
        by_reach(reached),
        by_age(taken["days"].to_numpy()),
        by_category(taken["category"]),
        by_price(taken["price"].to_numpy(), prices.to_numpy()),
    ]
