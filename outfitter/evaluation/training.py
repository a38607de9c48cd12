"""All that a model may learn from as of a moment: histories, Feast-joined rows, the catalogue as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo import open_store
from models.base import Recipe, Recommender
from models.data import TrainingData, TrainingRows
from models.families import build, family
from models.training.watch import Checkpoints, watched
from outfitter.errors import NotEnoughData
from outfitter.evaluation.inputs import Catalogue, attributes, catalogue, histories, item_table, weighted_events
from outfitter.features.arrays import model_inputs
from outfitter.features.offline import ensure_exported, training_rows
from outfitter.features.spec import ITEM_FEATURES, LAST_ITEMS, USER_FEATURES
from outfitter.lake import stages
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.settings import Settings


@dataclass(frozen=True)
class Material:
    """A snapshot and the feature rows that were materialized for it."""

    snapshot: Snapshot
    features: Lake
    materialization: str
    settings: Settings

    @cached_property
    def n_items(self) -> int:
        """How many items the snapshot knows."""
        return int(self.snapshot.items().select(pl.len()).collect().item())

    def rows(self, table: str, cutoff: datetime) -> pl.DataFrame:
        """The rows of ``user_features`` or ``item_features`` as of a cut-off."""
        mine = (pl.col("materialization") == self.materialization) & (pl.col("cutoff") == cutoff)
        return self.features.scan(table).filter(mine).collect()


def fit(recipe: Recipe, material: Material, until: datetime) -> Recommender:
    """The model of ``recipe``, fitted on what was known at ``until``. Raises NotEnoughData when that is nothing.

    A torch model keeps checkpoints in the home, and goes on from what a killed fit has left there.
    """
    settings, print_ = material.settings, stages.fingerprint("fit", recipe=recipe, on=material.materialization, until=until)
    data = training_data(material, until, with_rows=family(recipe.model).reads_features)
    with watched(checkpoints=Checkpoints(settings.checkpoints / print_, of=print_, every=settings.checkpoint_seconds)):
        return build(recipe).fit(data)


def training_data(material: Material, until: datetime, with_rows: bool, users: pl.Series | None = None) -> TrainingData:
    """Everything up to ``until`` (of ``users``, when given); the joined rows and the item table only for models that read them."""
    settings, snapshot = material.settings, material.snapshot
    items = catalogue(snapshot, until)
    rows = weighted_events(snapshot, until, settings.events)
    events = (rows if users is None else rows.filter(pl.col("user_key").is_in(users.implode()))).collect()
    if events.is_empty():
        raise NotEnoughData(f"nobody had done anything by {until:%Y-%m-%d}", "Deliver a longer history, or lower the setting window_days.")
    known = histories(events, events["user_key"].unique().sort().to_numpy(), items, until)
    told = attributes(snapshot, items, until)
    if not with_rows:
        return TrainingData(items.ids, known, until, attributes=told)
    table = item_table(snapshot, items, material.rows("item_features", until), until)
    return TrainingData(items.ids, known, until, joined_rows(material, events, items, until), table, told)


def joined_rows(material: Material, events: pl.DataFrame, items: Catalogue, until: datetime) -> TrainingRows:
    """A row for each target event of the last ``training_cutoffs`` weeks before ``until``, joined by Feast as of just before it."""
    since = until - timedelta(weeks=material.settings.training_cutoffs)
    asked = events.filter((pl.col("timestamp") > since) & pl.col("taken")).sort("timestamp", maintain_order=True)
    asked = asked.with_columns(pl.Series("position", items.positions(asked["item_key"].to_numpy()))).filter(pl.col("position") >= 0)
    if asked.is_empty():
        raise NotEnoughData(f"no target event in the {material.settings.training_cutoffs} weeks before {until:%Y-%m-%d}")
    rows = joined_by_feast(material, asked.select("user_key", "item_key", "timestamp", "weight", "position"))
    moment = pl.col("timestamp")
    return TrainingRows(
        model_inputs(rows, USER_FEATURES, moment),
        model_inputs(rows, ITEM_FEATURES, moment),
        rows["position"].to_numpy().astype(np.int32),
        latest_positions(rows["last_items"], items),
        rows["weight"].to_numpy().astype(np.float32),
    )


def joined_by_feast(material: Material, events: pl.DataFrame) -> pl.DataFrame:
    """``events`` (user_key, item_key, timestamp and more) with the features that were known just before each of them."""
    ensure_exported(material.settings.home / "feast" / "rows", material.features, material.materialization)
    return training_rows(open_store(), events)


def latest_positions(last_items: pl.Series, items: Catalogue) -> NDArray[np.int32]:
    """int32[m, 50]: lists of item keys as positions, oldest first, padded on the left with -1."""
    flat = pl.DataFrame({"row": np.arange(len(last_items)), "key": last_items}).explode("key").drop_nulls("key")
    flat = flat.with_columns(pl.Series("position", items.positions(flat["key"].to_numpy())))
    fromend = flat.select(pl.int_range(pl.len()).reverse().over("row")).to_series().to_numpy()
    out = np.full((len(last_items), LAST_ITEMS), -1, np.int32)
    out[flat["row"].to_numpy(), LAST_ITEMS - 1 - fromend] = flat["position"].to_numpy()
    return out
