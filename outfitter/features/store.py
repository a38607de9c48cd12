"""Feast: the feature rows of a materialization exported, joined point in time, sent online and read back.

Feast takes seconds to import, so it is imported inside the functions that need it.
"""

from __future__ import annotations

import io
import logging
import shutil
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from outfitter.errors import LakeError
from outfitter.features.spec import FEATURE_TABLES, FEATURES_VERSION, ITEM_FEATURES, LAST_ITEMS, USER_FEATURES, Feature, names
from outfitter.lake.tables import Lake

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger("outfitter.features")
MARKER = "materialization"
TICK = timedelta(microseconds=1)


def ensure_exported(folder: Path, features: Lake, materialization: str) -> datetime:
    """Make the folder that Feast reads hold the rows of this very materialization; returns its newest cut-off.

    The lake keeps the rows of every materialization, Feast's sources point at one folder: a run as of an earlier moment exports its own
    again.
    """
    mine = pl.col("materialization") == materialization
    newest = features.scan("item_features").filter(mine).select(pl.col("cutoff").max()).collect().item()
    marker = folder / MARKER
    if not marker.exists() or marker.read_text() != materialization:
        marker.unlink(missing_ok=True)
        users, items = (features.scan(table).filter(mine).collect() for table in FEATURE_TABLES)
        export(folder, users, items, newest)
        marker.write_text(materialization)
    return newest  # type: ignore[no-any-return]


def export(folder: Path, users: pl.DataFrame, items: pl.DataFrame, newest: datetime) -> None:
    """Write the rows of all cut-offs as Parquet for the offline joins, and the newest ones packed for the online store.

    users and items: rows of the feature tables with ``cutoff``. Each folder is swapped in whole, so a reader never sees half.
    """
    _swap(folder / "user_features", users.drop("materialization", "bucket"))
    _swap(folder / "item_features", items.drop("materialization"))
    last = pl.col("last_items").list.tail(LAST_ITEMS).alias("last50")
    online_users = users.filter(pl.col("cutoff") == newest).select("user_key", "cutoff", packed(USER_FEATURES, "profile"), last)
    online_items = items.filter(pl.col("cutoff") == newest).select("item_key", "cutoff", packed(ITEM_FEATURES, "item_profile"))
    _swap(folder / "user_profile", online_users)
    _swap(folder / "item_profile", online_items)


def packed(features: tuple[Feature, ...], name: str) -> pl.Expr:
    """One list<float32> a row in the order of the feature list; what is not known becomes NaN."""
    return pl.concat_list([pl.col(column).fill_null(float("nan")) for column in names(features)]).alias(name)


def _swap(folder: Path, rows: pl.DataFrame) -> None:
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    rows.write_parquet(fresh / "rows.parquet")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def training_rows(store: FeatureStore, events: pl.DataFrame) -> pl.DataFrame:
    """The feature rows that were known just before each event.

    events: user_key, item_key, timestamp and whatever else should travel along. The join asks as of one microsecond before the event,
    since features as of a cut-off hold what happened at it. Returns ``events`` in the same order with the columns of both feature lists
    and last_items. Raises LakeError when the join loses a row.
    """
    asked = events.with_row_index("row").with_columns((pl.col("timestamp") - TICK).alias("event_timestamp"))
    entities = asked.select(pl.col("row").cast(pl.Int64), pl.col("user_key", "item_key").cast(pl.Int64), "event_timestamp")
    service = store.get_feature_service(f"training_v{FEATURES_VERSION}")
    joined = pl.from_arrow(store.get_historical_features(entities.to_pandas(), service).to_arrow())
    if not isinstance(joined, pl.DataFrame) or joined.height != events.height:
        raise LakeError(
            f"the historical join gave {len(joined)} rows for {events.height} events", "Remove the home's 'feast' folder and run again."
        )
    columns = [*names(USER_FEATURES), *names(ITEM_FEATURES), "last_items"]
    return pl.concat([events, joined.sort("row").select(columns)], how="horizontal")


def materialize_online(store: FeatureStore, newest: datetime) -> None:
    """Send the packed rows of the newest cut-off to the online store."""
    said = io.StringIO()  # Feast prints its progress on standard output, which belongs to the command's result
    with redirect_stdout(said):
        store.materialize(start_date=newest - TICK, end_date=newest + TICK, feature_views=["user_profile", "item_profile"])
    log.debug("feast: %s", said.getvalue().strip())


def read_online(store: FeatureStore, user_keys: list[int], item_keys: list[int]) -> dict[str, dict[str, list[Any]]]:
    """The packed rows of these users and items, as serving will get them."""
    users = store.get_online_features(["user_profile:profile", "user_profile:last50"], [{"user_key": key} for key in user_keys])
    items = store.get_online_features(["item_profile:item_profile"], [{"item_key": key} for key in item_keys])
    return {"users": users.to_dict(), "items": items.to_dict()}


def compare_online(store: FeatureStore, folder: Path, sample: int, seed: int) -> int:
    """Read a sample back from the online store and hold it against the offline rows.

    Returns how many entities were compared. Raises LakeError naming the first entity and the values that differ.
    """
    offline_users = _sample(folder / "user_profile", sample, seed)
    offline_items = _sample(folder / "item_profile", sample, seed)
    online = read_online(store, offline_users["user_key"].to_list(), offline_items["item_key"].to_list())
    _same("user_key", offline_users, online["users"], ["profile", "last50"])
    _same("item_key", offline_items, online["items"], ["item_profile"])
    return offline_users.height + offline_items.height


def _sample(folder: Path, sample: int, seed: int) -> pl.DataFrame:
    rows = pl.read_parquet(folder / "*.parquet")
    return rows.sample(min(sample, rows.height), seed=seed)


def _same(key: str, offline: pl.DataFrame, online: dict[str, list[Any]], columns: list[str]) -> None:
    for column in columns:
        for entity, want, got in zip(offline[key], offline[column].to_list(), online[column], strict=True):
            if not np.array_equal(np.asarray(want, np.float64), np.asarray(got or [], np.float64), equal_nan=True):
                raise LakeError(f"online and offline differ for {key} {entity}: {column} is {got} online, {want} offline")
