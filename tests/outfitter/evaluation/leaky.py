"""A random shop of three tastes with its feature rows, and a join like Feast's: where leaks are planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from outfitter.evaluation.exam import Exam, set_exam
from outfitter.evaluation.training import Material
from outfitter.features.asof import Windows, rows_as_of
from outfitter.features.spec import FEATURE_TABLES, ITEM_FEATURES, USER_FEATURES, names
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.schema import EPOCH
from outfitter.settings import Settings
from tests.outfitter.features.shops import BUCKETS, snapshot_of
from tests.outfitter.lake.frames import NOW

USERS, ITEMS, TASTES, DAYS, ROWS = 150, 60, 3, 150, 6_000
TARGETS = ("purchase", "rent", "rating")
WEEKS = 2
Frames = tuple[pl.DataFrame, pl.DataFrame]
Compute = Callable[[Snapshot, datetime, Windows, tuple[str, ...]], Frames]


def shop(folder: Path) -> Snapshot:
    """Users mostly take what is of their taste (key modulo ``TASTES``), one event in five is a look; whole days and odd moments."""
    rng = np.random.default_rng(5)
    users = rng.integers(0, USERS, ROWS)
    own = rng.random(ROWS) < 0.8
    tastes = np.where(own, users % TASTES, rng.integers(0, TASTES, ROWS))
    items = tastes + TASTES * (rng.power(2, ROWS) * (ITEMS // TASTES)).astype(int)
    age = rng.random(ROWS) * DAYS
    age = np.where(rng.random(ROWS) < 0.5, np.floor(age), age)
    age[0] = 0
    rows = pl.DataFrame(
        {
            "user_key": users,
            "item_key": items,
            "timestamp": [NOW - timedelta(seconds=round(86_400 * days)) for days in age],
            "sequence": np.arange(ROWS),
            "event": np.where(rng.random(ROWS) < 0.8, "purchase", "view"),
            "price": 5 + 5 * (items % 7) * rng.choice([1, 0.8], ROWS),
            "quantity": 1,
            "delivery_id": "d",
            "bucket": users % BUCKETS,
        }
    )
    return replace(snapshot_of(folder, rows, _catalogue(), _people()), as_of=NOW)


def _catalogue() -> pl.DataFrame:
    keys = pl.DataFrame({"item_key": range(ITEMS), "item_id": [f"item {key}" for key in range(ITEMS)], "catalogued": False})
    described = keys.with_columns(
        pl.lit(True).alias("catalogued"),
        pl.lit("d").alias("delivery_id"),
        pl.lit(EPOCH).alias("valid_from"),
        pl.lit(9.0).alias("price"),
        (pl.lit("taste ") + (pl.col("item_key") % TASTES).cast(pl.String)).alias("category"),
    )
    return pl.concat([keys, described], how="diagonal")


def _people() -> pl.DataFrame:
    keys = pl.DataFrame({"user_key": range(USERS), "user_id": [f"user {key}" for key in range(USERS)]})
    return keys.with_columns((pl.col("user_key") % BUCKETS).alias("bucket"))


def settings_of(home: Path) -> Settings:
    return Settings(
        home=home, window_days=14, training_cutoffs=WEEKS, list_length=5, bootstrap_samples=400, leak_users=USERS, sellable_days=60
    )


def later(snapshot: Snapshot, cutoff: datetime, windows: Windows, targets: tuple[str, ...]) -> Frames:
    """Feature rows with the cut-off moved one week into the future, stamped as if they were not."""
    users, items = rows_as_of(snapshot, cutoff + timedelta(days=7), windows, targets)
    stamp = pl.lit(cutoff, dtype=pl.Datetime("us", "UTC")).alias("cutoff")
    return users.with_columns(stamp), items.with_columns(stamp)


@dataclass(frozen=True)
class Ground:
    """All that the checks ask for."""

    material: Material
    windows: Windows

    def exams(self) -> list[Exam]:
        ends = (self.windows.validation_from, self.windows.test_from, self.windows.as_of)
        return [self._exam(*ends[:2]), self._exam(*ends[1:])]

    def _exam(self, asked: datetime, until: datetime) -> Exam:
        return set_exam(self.material.snapshot, self.material.settings, asked, until, self.material.rows("user_features", asked))

    def rows(self, table: str) -> pl.DataFrame:
        return self.material.features.scan(table).collect()


def ground(
    snapshot: Snapshot, home: Path, compute: Compute = rows_as_of, spoil: Callable[[Frames], Frames] = lambda frames: frames
) -> Ground:
    """The snapshot with feature rows as ``compute`` makes them and ``spoil`` leaves them."""
    settings, features = settings_of(home), Lake(str(home / "features"), FEATURE_TABLES)
    windows = Windows.before(NOW, settings.window_days)
    for table in FEATURE_TABLES:
        features.create(table)
    for cutoff in windows.cutoffs(WEEKS):
        for table, rows in zip(FEATURE_TABLES, spoil(compute(snapshot, cutoff, windows, TARGETS)), strict=True):
            features.append(table, rows.with_columns(pl.lit("made").alias("materialization")))
    return Ground(Material(snapshot, features, "made", settings), windows)


def joined(material: Material, events: pl.DataFrame, early: timedelta = timedelta(microseconds=1)) -> pl.DataFrame:
    """What Feast's join gives: the newest rows of the user and of the item that are older than the event by ``early``."""
    out = events.with_columns((pl.col("timestamp") - early).alias("asked")).with_row_index("row").sort("asked")
    for table, key, columns in (
        ("user_features", "user_key", [*names(USER_FEATURES), "last_items"]),
        ("item_features", "item_key", names(ITEM_FEATURES)),
    ):
        rows = material.features.scan(table).select(pl.col("cutoff").alias("asked"), key, *columns).sort("asked").collect()
        rows = rows.with_columns(pl.col(key).cast(out.schema[key]))
        out = out.join_asof(rows, on="asked", by=key, tolerance="7d", check_sortedness=False)
    return out.sort("row").drop("row", "asked")
