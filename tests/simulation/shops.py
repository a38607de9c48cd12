"""A synthetic shop from its files to exams, in this process: written, read, ingested and its features computed, without Prefect.

Validation is left out: what it makes of rows is another test's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from outfitter.datasets import adapter
from outfitter.datasets.base import SourceFile
from outfitter.datasets.synthetic import Shop, write_shop
from outfitter.evaluation.exam import Exam, set_exam
from outfitter.evaluation.training import Material
from outfitter.features.asof import Windows, rows_as_of
from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake.deliveries import Delivery, Judgement, commit
from outfitter.lake.founding import found
from outfitter.lake.snapshot import Snapshot, take_snapshot
from outfitter.lake.staging import Staged
from outfitter.lake.tables import Lake
from outfitter.settings import Settings

NOW = datetime(2025, 7, 1, tzinfo=UTC)
MADE = "made"
TARGETS = ("purchase", "rent", "rating")


@dataclass(frozen=True)
class Ground:
    """A shop as a training finds it."""

    material: Material
    windows: Windows

    def exam(self, asked: datetime, until: datetime) -> Exam:
        return set_exam(self.material.snapshot, self.material.settings, asked, until, self.material.rows("user_features", asked))

    @property
    def validation(self) -> Exam:
        return self.exam(self.windows.validation_from, self.windows.test_from)

    @property
    def test(self) -> Exam:
        return self.exam(self.windows.test_from, self.windows.as_of)


def opened(shop: Shop, settings: Settings, with_rows: bool = False) -> Ground:
    """The shop in the settings' home, which must be new and becomes that of this process.

    with_rows: also what Feast joins to training rows, which takes longer than all the rest; only models that read features need it.
    """
    settings.activate()
    write_shop(shop, settings.home / "shop")
    lake = Lake(settings.lake_root)
    found(lake, n_buckets=2, source="synthetic", at=NOW)
    _ingest(lake, settings.home / "shop", settings.home / "staged")
    snapshot = take_snapshot(lake, NOW)
    windows = Windows.before(snapshot.as_of, settings.window_days)
    asked = windows.cutoffs(settings.training_cutoffs) if with_rows else [windows.validation_from, windows.test_from]
    material = Material(snapshot, _features(snapshot, windows, asked, settings), MADE, settings)
    if with_rows:
        _register(settings)
    return Ground(material, windows)


def _ingest(lake: Lake, files: Path, staging: Path) -> None:
    reader = adapter("synthetic")
    names = sorted(path.name for path in files.iterdir())
    for name, role in reader.discover(names, str(files)).items():
        (frames,) = reader.read(SourceFile(files / name, name, role))
        staged = Staged.fresh(staging / name)
        for table in ("interactions", "users", "items"):
            staged.add(table, getattr(frames, table))
        told: dict[str, Any] = {}
        if frames.interactions is not None:
            told = {"first_event": frames.interactions["timestamp"].min(), "last_event": frames.interactions["timestamp"].max()}
        commit(lake, Delivery(name, "synthetic", name, NOW, role), replace(_ACCEPTED, **told), staged, 2, NOW)


_ACCEPTED = Judgement("accepted", 0, 0, "none", "none")


def _features(snapshot: Snapshot, windows: Windows, asked: Sequence[datetime], settings: Settings) -> Lake:
    features = Lake(settings.lake_root, FEATURE_TABLES)
    for table in FEATURE_TABLES:
        features.create(table)
    for cutoff in asked:
        for table, rows in zip(FEATURE_TABLES, rows_as_of(snapshot, cutoff, windows, TARGETS), strict=True):
            features.append(table, rows.with_columns(pl.lit(MADE).alias("materialization")))
    return features


def _register(settings: Settings) -> None:
    import feature_repo

    (settings.home / "feast").mkdir(parents=True, exist_ok=True)
    feature_repo.apply(feature_repo.open_store(settings))
