"""What ``outfitter lineage`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from outfitter.registry.lineage.words import (
    DELIVERIES,
    MODELS,
    about_delivery,
    about_list,
    delivery_cells,
    feature_cells,
    item_cells,
    model_cells,
    summed_up,
)

NUMBERS = ("rank", "score", "accepted", "set aside", "value", "a model sees", "deliveries", "users")
MOST = 20
"""Lines of a table on the terminal; the page and the JSON have them all."""


def of_list(told: Mapping[str, Any]) -> Group:
    """A list with all that stands behind it."""
    named = [delivery_cells(row) for row in told["deliveries"] if row["told_of"]]
    return Group(
        _facts(about_list(told)),
        *_missing(told["missing"]),
        _table("the list", ["rank", "item", "id", "score"], [item_cells(row) for row in told["list"]]),
        *_history(told["history"]),
        _table("deliveries that told of this list", DELIVERIES, named),
        Text(summed_up(told)),
        *_features(told["features"]),
    )


def of_delivery(told: Mapping[str, Any]) -> Group:
    """A delivery with all that it touched, the newest first."""
    snapshots = [[one["snapshot_id"], _minute(one["as_of"]), f"{one['deliveries']:,}"] for one in told["snapshots"]]
    decisions = [
        [_minute(one["decided_at"]), one["verdict"], one["challenger"], one["version"] or "", one["reason"]] for one in told["decisions"]
    ]
    batches = [
        [one["batch_id"], _minute(one["published_at"]), one["model"], one["model_version"], f"{one['users']:,}", ", ".join(one["by"])]
        for one in told["batches"]
    ]
    models = [model_cells(one) for one in told["models"]]
    tables = {
        "snapshots that hold it": (["snapshot", "as of", "deliveries"], snapshots),
        "models fitted from them": (MODELS, models),
        "decisions": (["when", "verdict", "on", "version live", "reason"], decisions),
        "batches of recommendations": (["batch", "published", "model", "version", "users", "by"], batches),
    }
    shown = [_newest_first(title, *content) for title, content in tables.items() if content[1]]
    return Group(_facts(about_delivery(told)), *_missing(told["missing"]), *shown)


def _facts(facts: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, Text(value))
    return table


def _missing(missing: Sequence[str]) -> list[Text]:
    return [Text(f"missing: {one}", style="yellow") for one in missing]


def _history(history: Mapping[str, Any] | None) -> list[Table]:
    if not history or not history["last"]:
        return []
    rows = [[_minute(row["timestamp"]), row["event"], row["words"], row["delivery_id"][:8]] for row in history["last"]]
    return [_table(f"the last {len(rows)} of {history['events']:,} events", ["when", "event", "item", "delivery"], rows)]


def _features(features: Mapping[str, Any]) -> list[Table]:
    """Two a line; what they mean stands on the page and in docs/features.md."""
    known = [feature_cells(one)[:4] for one in features["values"] or () if one["value"] is not None]
    if not known:
        return []
    unknown = len(features["values"]) - len(known)
    title = "feature values" + (f"; {unknown} more are not known of this user" if unknown else "")
    half = (len(known) + 1) // 2
    lines = [one + other for one, other in zip_longest(known[:half], known[half:], fillvalue=[""] * 4)]
    return [_table(title, ["feature", "value", "unit", "a model sees"] * 2, lines)]


def _newest_first(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    more = f", of which the newest {MOST}" if len(rows) > MOST else ""
    return _table(f"{title}: {len(rows):,}{more}", columns, rows[::-1][:MOST])


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1))
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name in NUMBERS else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _minute(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
