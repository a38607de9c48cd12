"""What ``outfitter bench`` prints for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

METRICS = {"ndcg": "NDCG", "hit_rate": "HR", "recall": "recall", "map": "MAP", "mrr": "MRR"}
ERRORS = {"rmse": "RMSE", "mae": "MAE"}


def show(console: Console, table: Mapping[str, Any]) -> None:
    """The tables, one a group of users, and whatever needs to be said beside them."""
    rows = table["models"]
    console.print(Text(_data(table["data"])))
    for group in dict.fromkeys(group for row in rows for group in row.get("ranking", {})):
        console.print(_ranking(table, group))
    console.print(_costs(rows))
    if any("ratings" in row for row in rows):
        console.print(_ratings(rows))
    for row in rows:
        if row["search"]:
            console.print(Text(_search(row)))
        if row["error"]:
            console.print(Text(f"{row['model']} could not be compared: {row['error']}", style="red"))
    if "html" in table:
        console.print(Text(f"error analysis: {table['html']}", overflow="fold"))


def _data(data: Mapping[str, Any]) -> str:
    left_out = "; ".join(f"{count:,} rows left out: {why}" for why, count in data["dropped"].items())
    told = f"{data['source']}: {data['interactions']:,} interactions of {data['users']:,} users with {data['items_met']:,} items"
    return told + (f" ({left_out})" if left_out else "")


def _ranking(table: Mapping[str, Any], group: str) -> Table:
    """A line a model, the intervals below; the best of each column stands out."""
    ranked = [row for row in table["models"] if group in row.get("ranking", {})]
    users = ranked[0]["ranking"][group]["users"]
    out = _table(
        f"{table['split']['name']}, users {group}: {users:,}, 95% intervals", *(f"{name}@{table['k']}" for name in METRICS.values())
    )
    best = {metric: max(row["ranking"][group]["metrics"][metric]["mean"] for row in ranked) for metric in METRICS}
    for row in ranked:
        found = row["ranking"][group]["metrics"]
        out.add_row(Text(row["model"]), *(_figure(found[metric], found[metric]["mean"] == best[metric]) for metric in METRICS))
    return out


def _costs(rows: list[Mapping[str, Any]]) -> Table:
    """What a model gains on the first one, how much of the catalogue it shows, and what it costs."""
    ranked = [row for row in rows if "ranking" in row]
    first = ranked[0]
    title = f"gain: NDCG less that of {first['model']}, on the same users; shown: share of the catalogue"
    out = _table(title, "gain", "shown", "one fit", "answers", "peak memory")
    for row in ranked:
        gain = "" if row is first else _figure(next(iter(row["ranking"].values()))["against_reference"]["ndcg"], sign="+")
        costs = (f"{row['coverage']:.0%}", _seconds(row["fit_seconds"]), _seconds(row["score_seconds"]), f"{row['memory_peak']:,.0f} MiB")
        out.add_row(Text(row["model"]), gain, *costs)
    return out


def _ratings(rows: list[Mapping[str, Any]]) -> Table:
    rated = [row for row in rows if "ratings" in row]
    first = rated[0]
    told = f"stars foretold for {first['ratings']['ratings']:,} ratings of {first['ratings']['users']:,} users, 95% intervals"
    out = _table(f"{told}; last: squared error less that of {first['model']}", *ERRORS.values(), "Pearson", "difference")
    for row in rated:
        found = row["ratings"]
        gain = "" if row is first else _figure(found["against_reference"]["squared_error"], sign="+")
        pearson = found["metrics"]["pearson"]
        cells = [*(_figure(found["metrics"][name]) for name in ERRORS), "none" if pearson is None else f"{pearson:.3f}", gain]
        out.add_row(Text(row["model"]), *cells)
    return out


def _table(title: str, *columns: str) -> Table:
    """Models by ``columns``."""
    out = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    out.add_column("model", overflow="fold", min_width=10)
    for name in columns:
        out.add_column(name, justify="right", min_width=11, no_wrap=True)
    return out


def _figure(interval: Mapping[str, float], best: bool = False, sign: str = "") -> str:
    """The mean, and below it the interval; without the 0 before the point, so that five of them fit a terminal."""
    mean, low, high = (re.sub(r"\b0\.", ".", f"{interval[name]:{sign}.4f}") for name in ("mean", "low", "high"))
    return f"{f'[bold]{mean}[/]' if best else mean}\n[dim]{low}{' ' if sign else '-'}{high}[/]"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _search(row: Mapping[str, Any]) -> str:
    found = row["search"]
    settings = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in found["params"].items()
    )
    tried = f"{found['trials']} trials ({found['pruned']} given up, {found['failed']} failed) in {found['minutes']:.1f} minutes"
    default = "" if found["default"] is None else f", the defaults {found['default']:.4f}"
    return f"{row['model']}: {settings}; {found['value']:.4f} on validation{default}; {tried}"
