"""The command ``outfitter``. Nothing heavy is imported before a command runs, so that the help is there at once."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from outfitter import __version__
from outfitter.cli.bench import bench
from outfitter.cli.ledger import deliveries, quarantine
from outfitter.cli.lineage import lineage
from outfitter.cli.models import models
from outfitter.cli.running import guarded, run_flow
from outfitter.cli.sources import source

HELP = """The recommender of a fashion retailer's small ML team.

Point it at orders and a catalogue: it validates every delivery, keeps features, trains, promotes a model only when it is shown to be
better, recommends to every user and watches for drift.

[bold]Start here[/]

  outfitter run                                 the whole pipeline on a synthetic shop
  outfitter run --source vibrent --path DIR     on real data
  outfitter synth --out DIR --drift 1           draw a shop of your own
  outfitter bench models --help                 compare models on a data set
  outfitter models list                         what was trained and what is in production
  outfitter lineage rec USER                    why a user is shown what they are

Everything it writes lies in OUTFITTER_HOME (default ./.outfitter). Settings: docs/settings.md. Exit codes: 0 done, 2 something to mend,
1 a bug.
"""
app = typer.Typer(help=HELP, rich_markup_mode="rich", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(deliveries)
app.add_typer(quarantine, name="quarantine")
app.add_typer(source, name="source")
app.add_typer(bench, name="bench")
app.add_typer(models, name="models")
app.add_typer(lineage, name="lineage")

Source = Annotated[str | None, typer.Option(help="Adapter that reads the input; 'outfitter source list' names them.")]
Where = Annotated[
    str | None,
    typer.Option("--path", help="Folder or s3://bucket/prefix with the source's files. The synthetic shop is drawn when left out."),
]
Mapping = Annotated[
    str | None, typer.Option(help="TOML file that maps columns, for the source 'mapped'; by default the folder's outfitter-source.toml.")
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="The moment to work as of, in UTC; the newest accepted event when left out."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable result on standard output and nothing else there.")]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if show:
        typer.echo(f"outfitter {__version__}")
        raise typer.Exit


@app.command()
def run(source: Source = None, path: Where = None, mapping: Mapping = None, as_of: AsOf = None, as_json: Json = False) -> None:
    """Run the whole pipeline: ingest, validate, materialize, train, gate, recommend, monitor.

    What is done already is found and skipped: a second run on the same data says so within seconds, and a run that was killed goes on
    where it stopped.
    """
    from outfitter.cli.summary import show

    _exit(run_flow("pipeline", as_json, show, source=source, path=path, mapping=mapping, as_of=_utc(as_of)))


@app.command()
def ingest(
    source: Source = None,
    path: Where = None,
    mapping: Mapping = None,
    then_materialize: Annotated[
        bool,
        typer.Option("--then-materialize", help="Then bring the newest features up to date, as 'materialize --newest-only' does."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Take in what is new from a source: validated deliveries, quarantined rows, a snapshot.

    Rows that fail an expectation are set aside with their reasons. A file that cannot be read, or of which too much fails, is rejected
    whole, one unlike anything before it is held for a person; neither keeps the others out. See 'outfitter deliveries' and
    'outfitter quarantine'.
    """
    _exit(run_flow("ingest", as_json, _facts, source=source, path=path, mapping=mapping, then_materialize=then_materialize))


@app.command()
def materialize(
    newest_only: Annotated[
        bool, typer.Option("--newest-only", help="Bring only the newest features up to date, for those who changed: every night's work.")
    ] = False,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Compute user and item features and send the newest to the online store."""
    _exit(run_flow("materialize", as_json, _facts, newest_only=newest_only, as_of=_utc(as_of)))


@app.command()
def train(as_of: AsOf = None, as_json: Json = False) -> None:
    """Fit all models on the newest features and let the gate decide on the best."""
    _exit(run_flow("train", as_json, _facts, as_of=_utc(as_of)))


@app.command()
def recommend(as_of: AsOf = None, as_json: Json = False) -> None:
    """Recommend to every user with the model in production, and publish the lists in one step."""
    _exit(run_flow("recommend", as_json, _facts, as_of=_utc(as_of)))


@app.command()
def monitor(as_of: AsOf = None, as_json: Json = False) -> None:
    """Compare the newest window of data with the training window and say whether it has drifted."""
    _exit(run_flow("monitor", as_json, _facts, as_of=_utc(as_of)))


class Layout(StrEnum):
    """Named as the sources that read them."""

    synthetic = "synthetic"
    hm = "hm"


@app.command()
def synth(
    out: Annotated[Path, typer.Option(help="Folder to write the shop into; it must not hold anything else.")],
    layout: Annotated[
        Layout, typer.Option("--format", help="How it is written: as our own source, or as the H&M competition data were published.")
    ] = Layout.synthetic,
    users: Annotated[int, typer.Option(help="Users of the shop.")] = 5_000,
    items: Annotated[int, typer.Option(help="Items in its catalogue.")] = 2_000,
    interactions: Annotated[
        int, typer.Option(help="Good rows in total; bad rows come on top. With 'hm' all of them are purchases, a row a unit.")
    ] = 200_000,
    days: Annotated[int, typer.Option(help="Days it has been open; the last is always 2025-06-30.")] = 365,
    seed: Annotated[int, typer.Option(help="The same seed and numbers give the same bytes.")] = 0,
    taste: Annotated[float, typer.Option(help="Strength of planted taste; 0 switches it off.")] = 1.0,
    drift: Annotated[float, typer.Option(help="Strength of drift over the last 28 days, 0 to 1.")] = 0.0,
    bad_rows: Annotated[
        float, typer.Option(help="Bad rows to add, as a share of the good ones, 0 to .5. With 'hm' bad_rows.csv lists them.")
    ] = 0.0,
    images: Annotated[bool, typer.Option("--images", help="Draw a picture of every item.")] = False,
    daily_files: Annotated[
        int, typer.Option(help="With 'hm': write the last so many days as transactions_YYYY-MM-DD.csv, a delivery a day.")
    ] = 0,
) -> None:
    """Draw a synthetic shop: taste, seasons, life cycles, repurchases, prices and texts are planted and can be recovered.

    The published size is --format hm --users 1371980 --items 105542 --interactions 31788324 --days 734.
    """
    if daily_files and layout is not Layout.hm:
        raise typer.BadParameter("only '--format hm' is written with daily files", param_hint="--daily-files")

    def draw() -> None:
        from outfitter.datasets.synthetic import Shop, write_hm_shop, write_shop

        def tell(what: str, done: int, total: int) -> None:
            typer.echo(f"{what} {done} of {total}", err=True)

        shop = Shop(users, items, interactions, days, seed, taste=taste, drift=drift, bad_rows=bad_rows, images=images)
        if layout is Layout.hm:
            write_hm_shop(shop, out, daily_files, tell)
        else:
            write_shop(shop, out, tell)
        typer.echo(f"{out}: read it with 'outfitter run --source {layout.value} --path {out}'")

    _exit(guarded(draw))


def _facts(console: Any, result: dict[str, Any], _: Any) -> None:
    """A single stage's result, a line a fact."""
    for name, value in result.items():
        console.print(f"{name:<20} {value}", highlight=False, markup=False, soft_wrap=True)


def _utc(moment: datetime | None) -> datetime | None:
    """Raises BadParameter for a moment that is still to come: nobody knows what will have happened by then."""
    if moment is not None and moment.replace(tzinfo=UTC) > datetime.now(UTC):
        raise typer.BadParameter(f"{moment:%Y-%m-%d %H:%M} UTC lies in the future", param_hint="--as-of")
    return None if moment is None else moment.replace(tzinfo=UTC)


def _exit(code: int) -> None:
    raise typer.Exit(code)


def end_quickly() -> None:
    """Registered first, so run last: the interpreter is not to look for garbage among millions of objects, which takes two seconds.

    Nor is DuckDB's binding to print pages of leak warnings while it is taken down.
    """
    gc.freeze()
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def main() -> None:
    """The console script. Importing large libraries makes many objects and no garbage: by default a fifth of the time goes into looking."""
    gc.set_threshold(50_000, 20, 20)
    atexit.register(end_quickly)
    app()
