"""The error analysis of a comparison: what each model got right and wrong on the newest test fold, for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from outfitter.evaluation.datasets import Dataset
from outfitter.evaluation.folds import DAY, Fold
from outfitter.evaluation.report import Case, write_report
from outfitter.evaluation.segments import Segmentation, by_activity, by_age, by_category, by_history, by_price
from outfitter.experiments.bench import Outcome, Plan
from outfitter.schema import EPOCH
from outfitter.settings import Settings


def write_analysis(folder: Path, plan: Plan, data: Dataset, outcomes: Sequence[Outcome], settings: Settings) -> Path:
    """The page on the newest test fold, of each model's first seed, written into ``folder`` with its figures; returns its path.

    Users are named by their numbers in the data set, not by their ids, as such a page is passed around.
    """
    *_, fold = plan.split.tests(data)
    shown = {
        outcome.entry.label: next(answer.shown for answer in outcome.answers if answer.fold == fold.name)
        for outcome in outcomes
        if outcome.answers
    }
    note = f"Source {data.source}, split {plan.split.name}, fold {fold.name}: {len(fold.users):,} users, lists of {plan.k}."
    return write_report(folder, "Error analysis", shown, case_of(fold, data), settings.bootstrap_samples, settings.seed, note)


def case_of(fold: Fold, data: Dataset) -> Case:
    """What the report needs to know of a fold."""
    known = fold.training.histories.only_taken()
    taken_before = np.diff(fold.asked.only_taken().indptr)
    pairs = np.unique(np.repeat(np.arange(known.n_users), np.diff(known.indptr)) * data.items.height + known.items)
    return Case(
        fold.truth,
        _segments(fold, data, taken_before),
        taken_before,
        np.bincount(pairs % data.items.height, minlength=data.items.height),
        known.n_users,
        fold.available,
        data.attributes,
        [f"user {user}" for user in fold.users],
        data.items.select(pl.concat_str("item_id", "title", separator=" ", ignore_nulls=True)).to_series().to_list(),
        fold.users,
    )


def _segments(fold: Fold, data: Dataset, taken_before: np.ndarray) -> list[Segmentation]:
    """By users, and by what they took; without times nothing has an age."""
    taken = data.items[fold.truth.items]
    prices = data.items["price"].fill_null(np.nan).to_numpy()
    by_user = [by_activity(taken_before), by_history(fold.known)]
    ages = [] if data.synthetic_time else [by_age(_days(fold, data))]
    return [*by_user, *ages, by_category(taken["category"]), by_price(prices[fold.truth.items], prices)]


def _days(fold: Fold, data: Dataset) -> np.ndarray:
    """float64: how long each item that was taken had been known, or sold where its catalogue has no dates; NaN for a new one."""
    dated = pl.when(pl.col("known_from") > EPOCH).then("known_from").otherwise("first_seen")
    born = data.items.select(dated.dt.replace_time_zone(None)).to_series().to_numpy()
    days = (fold.moments[fold.truth.users] - born[fold.truth.items]) / DAY
    return np.where(days >= 0, days, np.nan)
