"""The pages of a lineage: the graph, and what it is made of in tables. They open anywhere, without a network; every word is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from outfitter.evaluation.report.page import STYLE, table
from outfitter.registry.lineage.drawing import drawn, legend_of
from outfitter.registry.lineage.graph import Graph, graph_of_delivery, graph_of_list
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

OWN_STYLE = """
body { max-width: 1480px } svg.lineage { width: auto; max-width: 100%; min-width: 980px }
svg .edge { stroke: #b9c2cc; fill: none; stroke-width: 1.2 }
svg.lineage rect { fill: #fff; stroke-width: 1.6 } svg .heading { font-weight: 600 } svg .note { fill: #5a6572; font-size: 10px }
.missing { border-left: 3px solid #d55e00; padding-left: .8rem }
"""


def page_of_list(told: Mapping[str, Any]) -> str:
    """The page of ``lineage_of_list``."""
    named = [row for row in told["deliveries"] if row["told_of"]]
    parts = [
        _facts(about_list(told)),
        _missing(told["missing"]),
        _picture(graph_of_list(told).folded()),
        "<h2>The list</h2>" + _table(["rank", "item", "id", "score"], [item_cells(row) for row in told["list"]]),
        f"<h2>Deliveries behind it</h2>{_table(DELIVERIES, [delivery_cells(row) for row in named])}<p>{escape(summed_up(told))}</p>",
        _features(told["features"]),
    ]
    return _page(f"Why {told['user']['user_id']} was shown this", parts)


def page_of_delivery(told: Mapping[str, Any]) -> str:
    """The page of ``lineage_of_delivery``."""
    delivery = told["delivery"]
    snapshots = [[one["snapshot_id"], f"{one['as_of']:%Y-%m-%d %H:%M}", f"{one['deliveries']:,}"] for one in told["snapshots"]]
    decisions = [
        [f"{one['decided_at']:%Y-%m-%d %H:%M}", one["verdict"], one["challenger"], one["version"] or "", one["reason"]]
        for one in told["decisions"]
    ]
    batches = [
        [one["batch_id"], f"{one['published_at']:%Y-%m-%d %H:%M}", one["model"], one["model_version"], f"{one['users']:,}", _made_by(one)]
        for one in told["batches"]
    ]
    parts = [
        _facts(about_delivery(told)),
        _missing(told["missing"]),
        _picture(graph_of_delivery(told).folded()),
        _section("Snapshots that hold it", ["snapshot", "as of", "deliveries"], snapshots),
        _section("Models fitted from them", MODELS, [model_cells(one) for one in told["models"]]),
        _section("Decisions", ["when", "verdict", "on", "version live", "reason"], decisions),
        _section("Batches of recommendations", ["batch", "published", "model", "version", "users", "by"], batches),
    ]
    return _page(f"What {delivery['object']} touched", parts)


def _made_by(batch: Mapping[str, Any]) -> str:
    return ", ".join(batch["by"])


def _page(title: str, parts: Sequence[str]) -> str:
    style = f"<style>{STYLE}{OWN_STYLE}</style>"
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{escape(title)}</title>{style}"
    body = "\n".join((f"<h1>{escape(title)}</h1>", *parts))
    return f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body>\n{body}\n</body></html>\n"


def _picture(graph: Graph) -> str:
    return f"{legend_of(graph)}<div class='scroll'>{drawn(graph)}</div>"


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td class='text'>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<div class='scroll'><table>{rows}</table></div>"


def _missing(missing: Sequence[str]) -> str:
    return "".join(f"<p class='missing'>Missing: {escape(one)}</p>" for one in missing)


def _section(title: str, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"<h2>{escape(title)}</h2>" + (_table(titles, rows) if rows else "<p class='note'>None.</p>")


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain words."""
    return table(titles, [[escape(cell) for cell in row] for row in rows], text=range(1, len(titles)))


def _features(features: Mapping[str, Any]) -> str:
    if not features["values"]:
        return ""
    rows = [[escape(cell) for cell in feature_cells(one)] for one in features["values"]]
    note = "What is left open is not known. Days are read as ages; what a model sees is log(1 + x) of counts, money, durations and ages."
    return f"<h2>Feature values</h2><p class='note'>{note}</p>" + table(
        ["feature", "value", "unit", "as a model sees it", "definition"], rows, text=(2, 4)
    )
