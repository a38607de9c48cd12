"""``outfitter deliveries`` and ``outfitter quarantine``: what arrived, what was set aside and why, and letting it in after all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli.running import guarded

if TYPE_CHECKING:
    import polars as pl

    from outfitter.lake.tables import Lake

quarantine = typer.Typer(
    help="What validation has set aside: rows with their reasons, and deliveries rejected or held as a whole.",
    no_args_is_help=True,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Named = Annotated[str, typer.Argument(help="A delivery's id (its beginning will do) or the name of its object.")]
COLOURS = {"accepted": "green", "rejected": "red", "held": "yellow", "withdrawn": "dim"}


def deliveries(
    every: Annotated[bool, typer.Option("--all", help="Every version that ever came, not only the last word on each object.")] = False,
    as_json: Json = False,
) -> None:
    """List the ledger: what arrived, what became of it, and why.

    [bold]accepted[/]: its rows are in the lake. [bold]rejected[/]: it cannot be read, or too much of it is wrong. [bold]held[/]: it is
    unlike anything before, and waits for 'outfitter quarantine release'.
    """

    def show() -> None:
        from outfitter.lake.snapshot import live_deliveries

        lake = _lake()
        rows = lake.read("deliveries").sort("ingested_at", "object", "generation") if every else live_deliveries(lake)
        _print(rows.drop("profile", "rules", "tag"), as_json, _delivery_table)

    raise typer.Exit(guarded(show))


@quarantine.command("list")
def list_(as_json: Json = False) -> None:
    """The deliveries of which something was set aside, each with its reasons and how often."""

    def show() -> None:
        _print(set_aside(_lake()), as_json, _aside_table)

    raise typer.Exit(guarded(show))


@quarantine.command()
def show(
    delivery: Named,
    rows: Annotated[int, typer.Option(help="Rows to show.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """The rows of a delivery that were set aside, with their reasons and content."""

    def tell() -> None:
        import polars as pl

        from outfitter.lake.release import find

        lake = _lake()
        row = find(lake, delivery)
        if not as_json and row["status"] != "accepted":
            _parked(row, rows)
        aside = lake.scan("quarantine").filter(pl.col("delivery_id") == row["delivery_id"]).sort("table", "row").head(rows).collect()
        if not as_json:
            _console().print(_sentence(row), highlight=False)
        _print(aside.select("table", "row", "reasons", "content"), as_json, _rows_table)

    raise typer.Exit(guarded(tell))


@quarantine.command()
def release(
    delivery: Named,
    reason: Annotated[str, typer.Option(help="Why it may go in; kept in the ledger.")],
    as_json: Json = False,
) -> None:
    """Let a held or rejected delivery in: those of its rows that passed by themselves. The others stay where they are."""

    def let_in() -> None:
        from outfitter.lake.release import release as let
        from outfitter.lake.snapshot import take_snapshot
        from tasks.work import at_work

        with at_work(datetime.now(UTC)) as work:
            row = let(work.lake, work.aside, delivery, reason, work.now)
            take_snapshot(work.lake, work.now, work.settings.files_per_bucket)
        told = {name: row[name] for name in ("delivery_id", "object", "status", "rows_in", "rows_accepted", "rows_quarantined", "reason")}
        typer.echo(json.dumps(told, default=str) if as_json else f"{row['object']}: {row['rows_accepted']:,} rows are in the lake now")

    raise typer.Exit(guarded(let_in))


def set_aside(lake: Lake) -> pl.DataFrame:
    """delivery_id, object, status, reason, rows, reasons (List of "count  reason"): one row a delivery with something wrong."""
    import polars as pl

    from outfitter.lake.snapshot import live_deliveries

    kind = pl.col("reasons").str.split(": ").list.first()
    each = lake.scan("quarantine").explode("reasons").group_by("delivery_id", kind).len().sort("len", descending=True)
    told = each.group_by("delivery_id", maintain_order=True).agg(pl.format("{}  {}", "len", "reasons").alias("reasons")).collect()
    ledger = live_deliveries(lake).select("delivery_id", "object", "status", "reason", pl.col("rows_quarantined").alias("rows"))
    rows = ledger.join(told, on="delivery_id", how="left", maintain_order="left")
    return rows.filter((pl.col("rows") > 0) | (pl.col("status") != "accepted") | pl.col("reasons").is_not_null())


def _parked(row: dict[str, Any], rows: int) -> None:
    """The first rows of a delivery that waits as a whole, and how to let it in."""
    import polars as pl

    from outfitter.lake.staging import Staged
    from outfitter.settings import load_settings

    found = Staged(load_settings().home / "aside" / row["delivery_id"]).scan(row["role"])
    if found is None:
        return
    first = found.head(rows).collect()
    told = first.select(
        table=pl.lit(row["role"]),
        row="sequence",
        reasons=pl.lit([f"the delivery is {row['status']}"]),
        content=pl.struct(pl.exclude("sequence", "unreadable")).struct.json_encode(),
    )
    console = _console()
    console.print(_rows_table(told, f"the first {told.height:,} rows that passed by themselves"))
    console.print(f'To let it in: outfitter quarantine release {row["delivery_id"][:8]} --reason "..."', highlight=False)


def _lake() -> Lake:
    """The lake of this home. Raises LakeError before the first ingest."""
    from outfitter.errors import LakeError
    from outfitter.lake.founding import facts
    from outfitter.lake.tables import open_lake
    from outfitter.settings import load_settings

    lake = open_lake(load_settings())
    if facts(lake) is None:
        raise LakeError(f"the lake '{lake.root}' is empty", "Run 'outfitter ingest' (or 'outfitter run') first.")
    return lake


def _print(rows: pl.DataFrame, as_json: bool, table: Any) -> None:
    if as_json:
        typer.echo(json.dumps(rows.to_dicts(), default=str, ensure_ascii=False))
        return
    _console().print(table(rows))


def _console() -> Any:
    from rich.console import Console

    return Console()


def _table(title: str, *columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1))
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name in ("in", "accepted", "aside", "row", "rows") else "left")
    return table


def _status(status: str) -> str:
    return f"[{COLOURS[status]}]{status}[/]"


def _delivery_table(rows: pl.DataFrame) -> Any:
    """A line a delivery; what there is to say of some stands below, where it has the whole width."""
    from rich.console import Group
    from rich.markup import escape

    table = _table(f"deliveries: {rows.height:,}", "object", "id", "status", "in", "accepted", "aside", "events")
    notes = []
    for row in rows.iter_rows(named=True):
        counts = [f"{row[name]:,}" for name in ("rows_in", "rows_accepted", "rows_quarantined")]
        table.add_row(escape(row["object"]), row["delivery_id"][:8], _status(row["status"]), *counts, _events(row))
        said = [row["reason"] or "", *(row["warnings"] or ())]
        notes += [f"{escape(row['object'])} ({row['delivery_id'][:8]}): {escape(one)}" for one in said if one]
    return Group(table, *notes)


def _events(row: dict[str, Any]) -> str:
    """The days of its events."""
    if not row["first_event"]:
        return ""
    days = sorted({f"{row[name]:%Y-%m-%d}" for name in ("first_event", "last_event")})
    return "\n".join(days)


def _aside_table(rows: pl.DataFrame) -> Any:
    from rich.markup import escape

    table = _table(f"deliveries with something set aside: {rows.height:,}", "object", "id", "status", "rows", "reasons")
    for row in rows.iter_rows(named=True):
        told = "\n".join([row["reason"] or "", *(row["reasons"] or ())]).strip()
        table.add_row(escape(row["object"]), row["delivery_id"][:8], _status(row["status"]), f"{row['rows']:,}", escape(told))
    return table


def _rows_table(rows: pl.DataFrame, title: str = "") -> Any:
    from rich.markup import escape

    table = _table(title or f"rows that failed: {rows.height:,}", "table", "row", "reasons", "content")
    for row in rows.iter_rows(named=True):
        table.add_row(row["table"], f"{row['row']:,}", escape("\n".join(row["reasons"])), escape(row["content"]))
    return table


def _sentence(row: dict[str, Any]) -> str:
    from rich.markup import escape

    counts = f"{row['rows_in']:,} rows in, {row['rows_accepted']:,} accepted, {row['rows_quarantined']:,} set aside"
    return f"{escape(row['object'])} ({row['delivery_id'][:8]}) is {_status(row['status'])}: {counts}. {escape(row['reason'] or '')}"
