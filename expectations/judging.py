"""From the frames of a delivery to a judgement: which rows the lake takes, which are set aside and why, or why none may pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from expectations import interactions, items, users
from expectations.repeats import SAME_INTERACTION, SAME_ITEM, SAME_USER, with_repeats
from expectations.runner import Validation, validate
from outfitter.datasets.base import Adapter, Frames
from outfitter.lake.deliveries import Judgement
from outfitter.lake.stages import fingerprint
from outfitter.settings import Settings

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SET_ASIDE = {"table": pl.String(), "row": pl.Int64(), "reasons": pl.List(pl.String()), "content": pl.String()}


@dataclass(frozen=True)
class Bench:
    """What a delivery is judged by: the settings, the adapter's word on identical rows, and the moment that counts as now."""

    settings: Settings
    adapter: Adapter
    now: datetime
    docs: Path
    rules: str = field(init=False)

    def __post_init__(self) -> None:
        events = sorted(self.settings.events)
        object.__setattr__(
            self, "rules", fingerprint("rules", share=self.settings.max_bad_share, events=events, same=self.adapter.identical_rows)
        )


def judge(frames: Frames, name: str, bench: Bench) -> Judgement:
    """Hold every frame of the delivery ``name`` to its suite.

    Rows that fail are set aside with their reasons. When an expectation fails as a whole, ``stopped`` says why and every row is set aside.
    """
    tables = {table: frame for table in ("interactions", "users", "items") if (frame := getattr(frames, table)) is not None}
    checked = {table: _validated(frame, table, name, bench) for table, frame in tables.items()}
    stops = [f"{table}: {stop}" for table, validation in checked.items() for stop in validation.stops]
    counted = "interactions" if "interactions" in tables else next(iter(tables))
    good = {table: frame.filter(~_failed(frame, checked[table])) for table, frame in tables.items()}
    set_aside = [_set_aside(tables[table], table, validation, stops) for table, validation in checked.items()]
    return Judgement(
        interactions=good.get("interactions"),
        users=good.get("users"),
        items=good.get("items"),
        quarantine=pl.concat(set_aside),
        rows_in=tables[counted].height,
        rows_quarantined=checked[counted].failed_rows.height,
        rules=bench.rules,
        validation_id=fingerprint("validation", ids=sorted(validation.validation_id for validation in checked.values())),
        stopped="; ".join(stops),
    )


def _validated(frame: pl.DataFrame, table: str, name: str, bench: Bench) -> Validation:
    same: Mapping[str, tuple[str, ...]] = {"interactions": SAME_INTERACTION, "users": SAME_USER, "items": SAME_ITEM}
    return validate(with_repeats(frame, same[table]), _suite(table, bench), name=f"{table}: {name}", docs=bench.docs)


def _suite(table: str, bench: Bench) -> ExpectationSuite:
    share = bench.settings.max_bad_share
    if table == "items":
        return items.suite(max_bad_share=share)
    if table == "users":
        return users.suite(latest=bench.now, max_bad_share=share)
    duplicates = bench.adapter.identical_rows == "duplicate"
    return interactions.suite(latest=bench.now, events=sorted(bench.settings.events), max_bad_share=share, duplicates=duplicates)


def _failed(frame: pl.DataFrame, validation: Validation) -> pl.Series:
    return pl.int_range(frame.height, eager=True).is_in(validation.failed_rows["position"].implode())


def _set_aside(frame: pl.DataFrame, table: str, validation: Validation, stops: list[str]) -> pl.DataFrame:
    """The rows for the quarantine: those that failed, or all of them when the delivery is stopped."""
    rows = frame.with_row_index("position").with_columns(pl.col("position").cast(pl.Int64))
    reasons = validation.failed_rows.select("position", "reasons")
    rows = rows.join(reasons, on="position", how="left" if stops else "inner", maintain_order="left")
    if stops:
        why = pl.lit(pl.Series([f"the delivery was stopped: {stop}" for stop in stops])).implode()
        rows = rows.with_columns(pl.col("reasons").fill_null(why))
    content = [_json(row) for row in rows.drop("position", "reasons").iter_rows(named=True)]
    named = rows.select(
        pl.lit(table).alias("table"), pl.col("sequence").alias("row"), "reasons", pl.Series("content", content, dtype=pl.String)
    )
    return named.select(pl.col(name).cast(dtype) for name, dtype in SET_ASIDE.items())


def _json(row: dict[str, Any]) -> str:
    """The row as JSON, which has no word for a number that is none: it is told in text."""
    told = {name: str(value) if isinstance(value, float) and not isfinite(value) else value for name, value in row.items()}
    return json.dumps(told, default=str, ensure_ascii=False, allow_nan=False)
