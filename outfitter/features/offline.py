"""Feast offline: the feature rows of a materialization as Parquet files, joined point in time to events.

Feast takes seconds to import, so it is imported by whoever opens the store.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from outfitter.errors import LakeError
from outfitter.features.spec import FEATURE_TABLES, FEATURES_VERSION, ITEM_FEATURES, USER_FEATURES, names
from outfitter.lake.tables import Lake

if TYPE_CHECKING:
    from feast import FeatureStore

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
        users, items = (features.scan(table).filter(mine) for table in FEATURE_TABLES)
        export(folder, users, items)
        marker.write_text(materialization)
    return newest  # type: ignore[no-any-return]


def export(folder: Path, users: pl.LazyFrame, items: pl.LazyFrame) -> None:
    """Write the rows of all cut-offs as Parquet, streamed. Each folder is swapped in whole, so a reader never sees half."""
    _swap(folder / "user_features", users.drop("materialization", "bucket"))
    _swap(folder / "item_features", items.drop("materialization"))


def _swap(folder: Path, rows: pl.LazyFrame) -> None:
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    rows.sink_parquet(fresh / "rows.parquet")
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
