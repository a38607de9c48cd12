"""From a snapshot to the arrays of ``models.data``: who did what, by positions, as of a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from models.data import Histories, ItemTable
from outfitter.errors import ModelError
from outfitter.evaluation.attributes import CODED, KINDS, attribute_matrix, item_codes
from outfitter.features.arrays import model_inputs
from outfitter.features.spec import ITEM_FEATURES, USER_FEATURES
from outfitter.lake.snapshot import Snapshot
from outfitter.schema import EVENTS
from outfitter.settings import EventRule

SECONDS_A_DAY = 86_400.0
EVENT_CODES = {name: code for code, name in enumerate(EVENTS)}


@dataclass(frozen=True)
class Catalogue:
    """The items a model knows: keys int32[n] ascending, and their ids; an item's position is its place in both."""

    keys: NDArray[np.int32]
    ids: tuple[str, ...]

    def positions(self, keys: NDArray[np.integer]) -> NDArray[np.int32]:
        """int32[m]: the position of each key, -1 where the item is not known."""
        if not len(self.keys):
            return np.full(len(keys), -1, np.int32)
        found = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[found] == keys, found, -1).astype(np.int32)


def catalogue(snapshot: Snapshot, until: datetime, ids: tuple[str, ...] | None = None) -> Catalogue:
    """The items known at ``until``: catalogued by then or met in an interaction by then; or exactly those of a model's ``ids``.

    Raises ModelError when a model names an item that the lake has never seen.
    """
    if ids is not None:
        keys = snapshot.items().select("item_id", "item_key").collect()
        known = pl.DataFrame({"item_id": list(ids)}).join(keys, on="item_id", how="left", maintain_order="left")
        if known["item_key"].null_count():
            stranger = known.filter(pl.col("item_key").is_null())["item_id"][0]
            raise ModelError(f"the model knows an item '{stranger}' that this lake does not", "Use the home the model was trained in.")
        return Catalogue(known["item_key"].to_numpy(), ids)
    met = snapshot.scan("interactions").filter(pl.col("timestamp") <= until).select("item_key").unique()
    items = snapshot.items(until).join(met.with_columns(pl.lit(True).alias("met")), on="item_key", how="left")
    known = items.filter(pl.col("catalogued") | pl.col("met")).sort("item_key").select("item_key", "item_id").collect()
    return Catalogue(known["item_key"].to_numpy(), tuple(known["item_id"]))


def weighted_events(snapshot: Snapshot, until: datetime, events: Mapping[str, EventRule]) -> pl.LazyFrame:
    """user_key, item_key, timestamp, bucket, weight, taken, event (its place in ``EVENTS``), value: the events up to ``until`` that speak
    for an item, in time order."""
    rows = unordered_events(snapshot, until, events).sort("user_key", "timestamp", "sequence", "item_key")
    return rows.select("user_key", "item_key", "timestamp", "bucket", "weight", "taken", "event", "value")


def unordered_events(snapshot: Snapshot, until: datetime, events: Mapping[str, EventRule]) -> pl.LazyFrame:
    """The rows of ``weighted_events`` with ``sequence`` as they lie in the lake: whoever only adds up need not wait for a sort."""
    weights = pl.col("event").replace_strict({name: rule.weight for name, rule in events.items()}, default=0.0)
    rows = snapshot.scan("interactions").filter(pl.col("timestamp") <= until).with_columns(weights.alias("weight"))
    taken = pl.col("event").is_in([name for name, rule in events.items() if rule.target]).alias("taken")
    told = (pl.col("event").replace_strict(EVENT_CODES, return_dtype=pl.Int8), pl.col("value").cast(pl.Float32))
    return rows.filter(pl.col("weight") > 0).select("user_key", "item_key", "timestamp", "sequence", "bucket", "weight", taken, *told)


def histories(
    events: pl.DataFrame, users: NDArray[np.int32], items: Catalogue, asked: datetime, features: pl.DataFrame | None = None
) -> Histories:
    """The histories of ``users`` (keys, ascending) out of ``events`` (of ``weighted_events``), aged as of ``asked``.

    features: rows of ``user_features``; a user without a row has NaN throughout.
    """
    rows = events.with_columns(pl.Series("position", items.positions(events["item_key"].to_numpy())))
    rows = rows.filter((pl.col("position") >= 0) & pl.col("user_key").is_in(users.tolist())).sort("user_key", maintain_order=True)
    who = np.searchsorted(users, rows["user_key"].to_numpy())
    indptr = np.concatenate([[0], np.cumsum(np.bincount(who, minlength=len(users)))]).astype(np.int64)
    ages = rows.select((pl.lit(asked) - pl.col("timestamp")).dt.total_seconds() / SECONDS_A_DAY).to_series().to_numpy()
    return Histories(
        indptr,
        rows["position"].to_numpy().astype(np.int32),
        rows["weight"].to_numpy().astype(np.float32),
        ages.astype(np.float32),
        None if features is None else _profiles(features, users, asked),
        rows["taken"].to_numpy(),
        rows["event"].to_numpy(),
        rows["value"].fill_null(float("nan")).to_numpy(),
    )


def _profiles(features: pl.DataFrame, users: NDArray[np.int32], asked: datetime) -> NDArray[np.float32]:
    wanted = pl.DataFrame({"user_key": users}).join(features, on="user_key", how="left", maintain_order="left")
    return model_inputs(wanted, USER_FEATURES, asked)


def sellable(snapshot: Snapshot, items: Catalogue, at: datetime, days: int, targets: list[str]) -> NDArray[np.bool_]:
    """bool[n_items]: catalogued, and sold within the last ``days`` days as of ``at``."""
    recent = (pl.col("timestamp") > at - timedelta(days=days)) & (pl.col("timestamp") <= at) & pl.col("event").is_in(targets)
    sold = snapshot.scan("interactions").filter(recent).select("item_key").unique()
    named = snapshot.items(at).filter(pl.col("catalogued")).join(sold, on="item_key", how="semi").select("item_key").collect()
    return np.isin(items.keys, named["item_key"].to_numpy())


def attributes(snapshot: Snapshot, items: Catalogue, asked: datetime) -> sparse.csr_matrix:
    """float32[n_items, n_attributes] of 0 and 1: what the catalogue said as of ``asked``."""
    wanted = pl.DataFrame({"item_key": items.keys})
    described = snapshot.items(asked).select("item_key", "tags", *KINDS).collect()
    return attribute_matrix(wanted.join(described, on="item_key", how="left", maintain_order="left"))[0]


def item_table(snapshot: Snapshot, items: Catalogue, features: pl.DataFrame, asked: datetime) -> ItemTable:
    """The catalogue as numbers: feature rows as of ``asked``, and a code for each category, colour, brand and style."""
    wanted = pl.DataFrame({"item_key": items.keys})
    rows = wanted.join(features, on="item_key", how="left", maintain_order="left")
    described = wanted.join(snapshot.items(asked).select("item_key", *CODED).collect(), on="item_key", how="left", maintain_order="left")
    codes, sizes = item_codes(described)
    return ItemTable(model_inputs(rows, ITEM_FEATURES, asked), codes, CODED, sizes)
