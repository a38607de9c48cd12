"""What a home holds, told by ids and without clocks, so that two homes can be compared."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake.tables import Lake
from outfitter.schema import TABLES

CLOCKS = ("ingested_at", "created_at", "finished_at", "decided_at", "published_at", "checked_at", "modified")
BY_CHANCE = {
    "deliveries": ["validation_id", "tag", "profile"],  # the moment of the run is part of what was asked; a tag is the file's own
    "stages": ["outputs"],
    "promotions": ["record", "reason"],
    "snapshots": ["versions"],
    "drift": ["report"],
}


def contents(home: Path) -> dict[str, pl.DataFrame]:
    """Every table of a home, keys replaced by ids, sorted; run ids, clocks and paths left out."""
    lake = Lake(str(home / "lake"), {**TABLES, **FEATURE_TABLES})
    users = lake.read("users").filter(pl.col("delivery_id").is_null()).select("user_key", "user_id")
    items = lake.read("items").filter(pl.col("delivery_id").is_null()).select("item_key", "item_id")
    return {table: _told(lake.read(table), table, users, items) for table in lake.schemas if lake.exists(table)}


def _told(rows: pl.DataFrame, table: str, users: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    if "user_key" in rows.columns and table != "users":
        rows = rows.join(users, on="user_key")
    if "item_key" in rows.columns and table != "items":
        rows = rows.join(items, on="item_key")
    if table == "recommendations":
        rows = rows.explode("items", "scores").join(items, left_on="items", right_on="item_key").drop("items")
    left_out = ["user_key", "item_key", "run_id", *CLOCKS, *BY_CHANCE.get(table, [])]
    rows = rows.drop(left_out, strict=False)
    lists = [name for name, dtype in rows.schema.items() if dtype == pl.List]
    rows = rows.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join("|") for name in lists)
    return rows.sort(rows.columns)


def same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    """Raise AssertionError naming the first table that differs."""
    assert one.keys() == other.keys()
    for table, rows in one.items():
        assert rows.equals(other[table]), f"'{table}' differs:\n{rows}\n{other[table]}"
