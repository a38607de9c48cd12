"""``outfitter lineage``: where a user's list came from, and what a delivery touched. Nothing in the lake or the registry is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli.running import guarded, quieten

if TYPE_CHECKING:
    from outfitter.registry.lineage.sources import Sources
    from outfitter.settings import Settings

lineage = typer.Typer(help="Where a user's list came from, and what a delivery touched.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and draw a page only where --html names one.")]
Page = Annotated[
    Path | None, typer.Option("--html", help="File for the page with the drawn graph; reports/lineage/ in the home when left out.")
]


@lineage.command()
def rec(
    user: Annotated[str, typer.Argument(help="The user's id, as the source writes it.")],
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="The list that was the published one at this moment, in UTC; the newest when left out.",
        ),
    ] = None,
    html: Page = None,
    as_json: Json = False,
) -> None:
    """A user's list, followed back: its batch and model version, the decision on it, the snapshots, the feature values, the deliveries."""

    def tell() -> None:
        from outfitter.cli.lineage_tables import of_list
        from outfitter.registry.lineage.graph import graph_of_list
        from outfitter.registry.lineage.page import page_of_list
        from outfitter.registry.lineage.recommendation import lineage_of_list

        sources = _sources()
        told = lineage_of_list(sources, user, at and at.replace(tzinfo=UTC))
        told["graph"] = graph_of_list(told).folded().told()
        page = _write(page_of_list(told), html, as_json, sources.settings, f"rec-{user}-{told['batch']['batch_id']}")
        _print(told, as_json, of_list, page)

    raise typer.Exit(guarded(tell, as_json))


@lineage.command()
def delivery(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="A delivery's id (its beginning will do) or the name of its object.")],
    html: Page = None,
    as_json: Json = False,
) -> None:
    """A delivery, followed on: every snapshot, model, decision and batch of recommendations that it touched."""

    def tell() -> None:
        from outfitter.cli.lineage_tables import of_delivery
        from outfitter.registry.lineage.delivery import lineage_of_delivery
        from outfitter.registry.lineage.graph import graph_of_delivery
        from outfitter.registry.lineage.page import page_of_delivery

        sources = _sources()
        told = lineage_of_delivery(sources, delivery)
        told["graph"] = graph_of_delivery(told).folded().told()
        page = _write(page_of_delivery(told), html, as_json, sources.settings, f"delivery-{told['delivery']['delivery_id']}")
        _print(told, as_json, of_delivery, page)

    raise typer.Exit(guarded(tell, as_json))


def _sources() -> Sources:
    """The home's, without its lock: one may look while a run is at work. Raises LakeError before the first ingest."""
    from outfitter.errors import LakeError
    from outfitter.features.spec import FEATURE_TABLES
    from outfitter.lake.founding import facts
    from outfitter.lake.tables import open_lake
    from outfitter.registry.lineage.runs import Models
    from outfitter.registry.lineage.sources import Sources
    from outfitter.registry.versions import Registry
    from outfitter.settings import load_settings

    settings = load_settings()
    settings.activate()
    quieten()
    lake = open_lake(settings)
    if facts(lake) is None:
        raise LakeError(f"the lake '{lake.root}' is empty", "Run 'outfitter ingest' (or 'outfitter run') first.")
    return Sources(
        lake, open_lake(settings, FEATURE_TABLES), settings, Models(lambda: Registry(settings) if _has_registry(settings) else None)
    )


def _has_registry(settings: Settings) -> bool:
    """To open a store that is not there would make one, and nothing was trained then."""
    return settings.mlflow_uri is not None or (settings.home / "mlflow" / "mlflow.db").exists()


def _write(page: str, html: Path | None, as_json: bool, settings: Settings, name: str) -> Path | None:
    """The page's file; none where JSON alone was asked for. Raises HomeError when it cannot be written."""
    from outfitter.errors import HomeError

    if html is None and as_json:
        return None
    file = html or settings.reports / "lineage" / f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}.html"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise HomeError(f"the page '{file}' cannot be written: {error.strerror}", "Name another file with --html.") from error
    return file


def _print(told: Mapping[str, Any], as_json: bool, table: Callable[[Mapping[str, Any]], Any], page: Path | None) -> None:
    if as_json:
        typer.echo(json.dumps(told, default=_plain, ensure_ascii=False))
        return
    from rich.console import Console

    Console().print(table(told))
    typer.echo(f"drawn: {page}")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
