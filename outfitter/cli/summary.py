"""The summary at the end of a run: what came in, what was learnt, what was decided, who gets what, and where to look."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from outfitter.settings import Settings

METRICS = (("ndcg", "NDCG"), ("recall", "Recall"), ("map", "MAP"))
MOST_TOLD = 8
"""Warnings that the summary shows; the ledger has them all."""


def show(console: Console, result: dict[str, Any], settings: Settings) -> None:
    """Print the summary of ``outfitter run``."""
    if nothing_new(result):
        console.print("[bold]Nothing new:[/] no new deliveries, nothing to retrain, the lists are up to date.")
    parts = [_data(result["ingest"]), _features(result["materialize"]), _models(result["train"], settings.list_length)]
    parts += [_decisions(result["train"]), _lists(result["recommend"]), _drift(result["monitor"]), _where(result, settings)]
    for part in parts:
        console.print(part)


def nothing_new(result: dict[str, Any]) -> bool:
    later = ("materialize", "train", "recommend", "monitor")
    return not result["ingest"]["new_deliveries"] and not any(result[stage]["new"] for stage in later)


def _facts(title: str, rows: dict[str, Any]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # a path that is cut short is no use
    for name, value in rows.items():
        table.add_row(Text(name, style="dim"), Text(str(value), overflow="fold"))
    return Panel(table, title=title, title_align="left", border_style="dim")


def _data(ingest: dict[str, Any]) -> RenderableType:
    rows = {
        "rows": f"{ingest['rows_in']:,} in, {ingest['rows_accepted']:,} accepted, {ingest['rows_quarantined']:,} quarantined",
        "deliveries": f"{ingest['new_deliveries']} new",
        "lake": f"{ingest['interactions']:,} interactions, {ingest['users']:,} users, {ingest['items']:,} items",
        "as of": ingest["as_of"][:16].replace("T", " "),
        "snapshot": ingest["snapshot"],
    }
    if ingest["quarantine_reasons"]:
        rows["quarantined"] = "\n".join(f"{count:>7,}  {reason}" for reason, count in ingest["quarantine_reasons"].items())
    for name, why in ingest["stopped"].items():
        rows[f"STOPPED {name}"] = why
    for name, why in ingest["held"].items():
        rows[f"HELD {name}"] = f"{why} (see: outfitter quarantine show {name})"
    odd = [f"{name}: {told}" for name, warnings in ingest["warnings"].items() for told in warnings]
    odd += [f"{name} is ignored: {why}" for name, why in ingest["ignored"].items()]
    if odd:
        rows["odd"] = "\n".join(
            [*odd[:MOST_TOLD], *([f"and {len(odd) - MOST_TOLD} more: outfitter deliveries"] if len(odd) > MOST_TOLD else [])]
        )
    if ingest["stub_items"]:
        rows["warning"] = f"{_count(ingest['stub_items'], 'item')} not in the catalogue: kept as stubs, never recommended until catalogued"
    return _facts("Data", rows)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _features(materialize: dict[str, Any]) -> RenderableType:
    users = f"{materialize['user_features']} user features in {materialize['user_rows']:,} rows"
    items = f"{materialize['item_features']} item features in {materialize['item_rows']:,} rows"
    compared = f"{materialize['read_back']} entities read back from the online store, all as offline"
    checked = compared if materialize["read_back"] else "nothing sent online: the lake knows later events"
    return _facts("Features", {"computed": f"{users}, {items}, {materialize['cutoffs']} cut-offs", "checked": checked})


def _models(train: dict[str, Any], k: int) -> RenderableType:
    title = f"Models on the validation window ({train['models'][0]['users']:,} users, 95% intervals)"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("model", no_wrap=True)
    for _, title in METRICS:
        table.add_column(f"{title}@{k}", justify="right", no_wrap=True)
    table.add_column("shown", justify="right")
    table.add_column("fit", justify="right", no_wrap=True)
    for model in sorted(train["models"], key=lambda m: -m["scores"]["ndcg"][0]):
        cells = [_score(*model["scores"][name]) for name, _ in METRICS]
        table.add_row(model["model"], *cells, f"{model['coverage']:.0%}", f"{model['fit_seconds']:.1f} s")
    return table


def _score(mean: float, low: float, high: float) -> str:
    return f"{mean:.4f}\n[dim]{low:.4f}-{high:.4f}[/]".replace("0.", ".")


def _decisions(train: dict[str, Any]) -> RenderableType:
    rows = {}
    for decision in train["decisions"]:
        rival = f" against {decision['champion']}" if decision["champion"] else ""
        rows[f"{decision['challenger']}{rival}"] = f"{decision['verdict'].upper()}: {decision['reason']}"
        for other in decision["others"]:
            rows[f"{other['challenger']}, which stood too"] = f"{other['verdict']}: {other['reason']}"
    rows["leaks"] = train["leaks"]["line"]
    rows["in production"] = f"{train['champion']['model']} (version {train['champion']['version']})"
    return _facts("The gate", rows)


def _lists(batch: dict[str, Any]) -> RenderableType:
    shadow = f"\nIn the shadow, {batch['shadow']}" if batch["shadow"] else ""
    told = f"{batch['users']:,} users by {batch['model']} version {batch['model_version']}, {batch['items_shown']:,} different items"
    example = batch["example"]
    table = Table.grid(padding=(0, 3))
    table.add_row(Text("took", style="dim"), Text("is recommended", style="dim"))
    history, shown = example["history"], example["recommended"]
    for place in range(max(len(history), len(shown))):
        table.add_row(*(side[place] if place < len(side) else "" for side in (history, shown)))
    body = Group(Text(f"{told}{shadow}"), Text(f"\nUser {example['user_id']}, for example:", style="dim"), table)
    return Panel(body, title="Recommendations", title_align="left", border_style="dim")


def _drift(monitor: dict[str, Any]) -> RenderableType:
    return _facts("Drift", {"verdict": "DRIFT" if monitor["drifted"] else "no drift", "why": monitor["reason"], "event": monitor["event"]})


def _where(result: dict[str, Any], settings: Settings) -> RenderableType:
    programs, shown = os.path.relpath(Path(sys.executable).parent), settings.tracking_uri_shown
    rows = {
        "data docs": result["ingest"]["data_docs"],
        "error analysis": result["train"]["error_analysis"],
        "decision": result["train"]["decision_page"],
        "drift report": result["monitor"]["report"],
        "Prefect UI": f"PREFECT_HOME={settings.home / 'prefect'} DO_NOT_TRACK=true {programs}/prefect server start",
        "MLflow UI": shown if settings.tracking_server else f"{programs}/mlflow ui --backend-store-uri '{shown}'",
    }
    return _facts("Where to look", rows)
