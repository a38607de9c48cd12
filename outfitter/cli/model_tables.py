"""Tables of ``outfitter models``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

COMPARED = ("ndcg", "hit_rate", "recall", "map", "mrr", "coverage", "popularity", "milliseconds_a_user", "megabytes")


def versions(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A line a version; the one in production and the challenger are marked."""
    table = _table(f"versions: {len(rows):,}", "version", "model", "", "learnt until", "NDCG when tested", "decided", "snapshot")
    for row in rows:
        mark = (
            Text("in production", style="green")
            if row["in_production"]
            else Text("challenger" if row["challenger"] else "", style="yellow")
        )
        told = "\n".join(row["decisions"]) or f"never in production: {row['verdict']}"
        table.add_row(
            row["version"], row["model"], mark, _day(row["learnt_until"]), _score(row["metrics"]), told, (row["snapshot"] or "")[:8]
        )
    return table


def one(row: Mapping[str, Any]) -> Group:
    """What was decided on a version, and its card."""
    moves = [Text(f"{move['decided_at']:%Y-%m-%d %H:%M} {move['verdict']}: {move['reason']}") for move in row["moves"]]
    return Group(versions([row]), *moves, Text(""), Markdown(row["card"]))


def pair(told: Mapping[str, Any]) -> Group:
    """Two versions in columns."""
    first, second = told["versions"]
    head = f"{told['users']:,} users of {_day(told['asked'])} to {_day(told['until'])}"
    table = _table(head, "", f"version {first['version']}: {first['model']}", f"version {second['version']}: {second['model']}")
    for name in (name for name in COMPARED if name in first):
        table.add_row(name.replace("_", " "), f"{first[name]:.4g}", f"{second[name]:.4g}")
    gain = told["gain"]
    said = f"NDCG@{told['k']} of the second less that of the first: {gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
    return Group(table, Text(f"{said}, {_chance(told['p'])}"), Text(f"the lists have {told['overlap']:.0%} of their items in common"))


def again(told: Mapping[str, Any]) -> Group:
    """What was recorded beside what came out."""
    head = f"version {told['version']}: {told['model']}, fitted again from snapshot {told['snapshot']} up to {_day(told['asked'])}"
    table = _table(head, "", "recorded", "reproduced", "")
    for name, value in told["metrics"].items():
        mark = Text("differs", style="red") if name in told["differing"] else Text("same", style="green")
        table.add_row(name.replace("_", " "), f"{value['recorded']:.6g}", f"{value['reproduced']:.6g}", mark)
    return Group(table)


def _chance(p: float) -> str:
    return f"p {p:.3f} one-sided" if p >= 0.001 else "p below .001 one-sided"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _day(moment: str | None) -> str:
    return (moment or "")[:10]


def _score(metrics: Mapping[str, float]) -> str:
    found = sorted(metrics.items())
    return f"{found[0][1]:.4f} [{found[2][1]:.4f}, {found[1][1]:.4f}]" if len(found) == 3 else ""
