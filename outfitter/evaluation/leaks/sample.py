"""What the as-of check looks at: a few weeks, a few users of a few buckets, and all items; and how a week is computed by brute force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from outfitter.evaluation.exam import Exam
from outfitter.evaluation.leaks.cut import Cut
from outfitter.evaluation.training import Material
from outfitter.features.asof import WEEK, Windows
from outfitter.features.compute import item_rows, user_rows
from outfitter.features.prices import price_tables
from outfitter.settings import Settings

ROWS_A_WEEK = 100
BUCKETS = 4
SMALL = 5_000_000
"""Interactions up to which four weeks are looked at, with the items of all of them. Above, two weeks and the items of one: they need
every row there is, users only those of their buckets."""
STAMP = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Sample:
    """weeks: cut-offs, the first ``item_weeks`` of which with their items; rows: user_key, item_key, timestamp, cutoff of target events.

    profiles: rows of ``user_features`` as an exam has them.
    """

    weeks: list[datetime]
    item_weeks: int
    buckets: list[int]
    rows: pl.DataFrame
    profiles: pl.DataFrame

    @property
    def users(self) -> pl.Series:
        return pl.concat([self.rows["user_key"], self.profiles["user_key"].cast(self.rows["user_key"].dtype)]).unique().sort()


def targets_of(settings: Settings) -> list[str]:
    return [name for name, rule in settings.events.items() if rule.target]


def draw(material: Material, windows: Windows, exams: Sequence[Exam]) -> Sample:
    """The sample of one training, by the setting ``seed``.

    Always among the weeks: the last before the validation window, of which the candidates learn, and the one whose cut-off that window
    starts at, of which their exam reads its profiles.
    """
    settings, snapshot = material.settings, material.snapshot
    rng = np.random.default_rng(settings.seed)
    weeks, small = [windows.validation_from, windows.validation_from - WEEK], _n_rows(material) <= SMALL
    others = [week for week in windows.cutoffs(settings.training_cutoffs) if week not in weeks and week < windows.as_of]
    if small:
        weeks += [others[place] for place in rng.permutation(len(others))[:2]]
    buckets = sorted(rng.permutation(snapshot.n_buckets)[:BUCKETS].tolist())
    rows = pl.concat(_asked(material, week, buckets) for week in weeks)
    profiles = pl.concat(_profiles(exam, buckets, settings.seed) for exam in exams if exam.asked in weeks)
    return Sample(weeks, len(weeks) if small else 1, buckets, rows, profiles)


def _n_rows(material: Material) -> int:
    return int(material.snapshot.scan("interactions").select(pl.len()).collect().item())


def _asked(material: Material, week: datetime, buckets: list[int]) -> pl.DataFrame:
    """Target events of the week after a cut-off: they are strictly later than it, and the next cut-off is not before them."""
    settings = material.settings
    then = (pl.col("timestamp") > week) & (pl.col("timestamp") <= week + WEEK) & pl.col("event").is_in(targets_of(settings))
    asked = material.snapshot.scan("interactions").filter(then & pl.col("bucket").is_in(buckets))
    rows = asked.select("user_key", "item_key", "timestamp").unique().sort("user_key", "item_key", "timestamp").collect()
    return rows.sample(min(ROWS_A_WEEK, rows.height), seed=settings.seed).with_columns(pl.lit(week, dtype=STAMP).alias("cutoff"))


def _profiles(exam: Exam, buckets: list[int], seed: int) -> pl.DataFrame:
    rows = exam.features.filter(pl.col("bucket").is_in(buckets) & pl.col("user_key").is_in(exam.users.tolist())).sort("user_key")
    return rows.sample(min(ROWS_A_WEEK, rows.height), seed=seed)


def recomputed(material: Material, sample: Sample) -> tuple[pl.DataFrame, pl.DataFrame]:
    """User rows and item rows of the sample's weeks with ``cutoff``, each from a snapshot in which nothing later is left."""
    targets, users, items = targets_of(material.settings), [], []
    for number, week in enumerate(sample.weeks):
        cut, stamp = Cut.of(material.snapshot, week), pl.lit(week, dtype=STAMP).alias("cutoff")
        prices = price_tables(cut, week, week, targets)
        users.append(pl.concat(user_rows(cut, week, targets, sample.users, prices, sample.buckets)).with_columns(stamp))
        if number < sample.item_weeks:
            items.append(item_rows(cut, week, targets, prices).with_columns(stamp))
    return pl.concat(users), pl.concat(items)
