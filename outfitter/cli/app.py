"""The command ``outfitter``. Nothing heavy is imported before a command runs, so that the help is there at once."""

from __future__ import annotations

import atexit
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from outfitter import __version__
from outfitter.cli.running import guarded, run_flow

HELP = """The recommender of a fashion retailer's small ML team.

Point it at orders and a catalogue: it validates every delivery, keeps features, trains, promotes a model only when it is shown to be
better, recommends to every user and watches for drift.

[bold]Start here[/]

  outfitter run                                 the whole pipeline on a synthetic shop
  outfitter run --source vibrent --path DIR     on real data
  outfitter synth --out DIR --drift 1           draw a shop of your own

Everything it writes lies in OUTFITTER_HOME (default ./.outfitter). Settings: docs/settings.md. Exit codes: 0 done, 2 something to mend,
1 a bug.
"""
app = typer.Typer(help=HELP, rich_markup_mode="rich", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Source = Annotated[str | None, typer.Option(help="Adapter that reads the input: synthetic, vibrent or renttherunway.")]
Folder = Annotated[Path | None, typer.Option("--path", help="Folder with the source's files. The synthetic shop is drawn when left out.")]
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
def run(source: Source = None, path: Folder = None, as_of: AsOf = None, as_json: Json = False) -> None:
    """Run the whole pipeline: ingest, validate, materialize, train, gate, recommend, monitor.

    What is done already is found and skipped: a second run on the same data says so within seconds, and a run that was killed goes on
    where it stopped.
    """
    from outfitter.cli.summary import show

    _exit(run_flow("pipeline", as_json, show, source=source, path=_text(path), as_of=_utc(as_of)))


@app.command()
def ingest(source: Source = None, path: Folder = None, as_json: Json = False) -> None:
    """Take in what is new from a source: validated deliveries, quarantined rows, a snapshot.

    A file that cannot be read leaves the lake as it was. Rows that fail an expectation are set aside with their reasons.
    """
    _exit(run_flow("ingest", as_json, _facts, source=source, path=_text(path)))


@app.command()
def materialize(as_of: AsOf = None, as_json: Json = False) -> None:
    """Compute user and item features and send the newest to the online store."""
    _exit(run_flow("materialize", as_json, _facts, as_of=_utc(as_of)))


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


@app.command()
def synth(
    out: Annotated[Path, typer.Option(help="Folder to write the shop into; it must not hold anything else.")],
    users: Annotated[int, typer.Option(help="Users of the shop.")] = 5_000,
    items: Annotated[int, typer.Option(help="Items in its catalogue.")] = 2_000,
    interactions: Annotated[int, typer.Option(help="Good rows in total; bad rows come on top.")] = 200_000,
    days: Annotated[int, typer.Option(help="Days it has been open; the last is always 2025-06-30.")] = 365,
    seed: Annotated[int, typer.Option(help="The same seed and numbers give the same bytes.")] = 0,
    taste: Annotated[float, typer.Option(help="Strength of planted taste; 0 switches it off.")] = 1.0,
    drift: Annotated[float, typer.Option(help="Strength of drift over the last 28 days, 0 to 1.")] = 0.0,
    bad_rows: Annotated[float, typer.Option(help="Bad rows to add, as a share of the good ones, 0 to .5.")] = 0.0,
    images: Annotated[bool, typer.Option("--images", help="Draw a picture of every item.")] = False,
) -> None:
    """Draw a synthetic shop: taste, seasons, life cycles, repurchases, prices and texts are planted and can be recovered."""

    def draw() -> None:
        from outfitter.datasets.synthetic import Shop, write_shop

        shop = Shop(users, items, interactions, days, seed, taste=taste, drift=drift, bad_rows=bad_rows, images=images)
        write_shop(shop, out, lambda what, done, total: typer.echo(f"{what} {done} of {total}", err=True))
        typer.echo(f"{out}: read it with 'outfitter run --source synthetic --path {out}'")

    _exit(guarded(draw))


def _facts(console: Any, result: dict[str, Any], _: Any) -> None:
    """A single stage's result, a line a fact."""
    for name, value in result.items():
        console.print(f"{name:<20} {value}", highlight=False, markup=False, soft_wrap=True)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _utc(moment: datetime | None) -> datetime | None:
    """Raises BadParameter for a moment that is still to come: nobody knows what will have happened by then."""
    if moment is not None and moment.replace(tzinfo=UTC) > datetime.now(UTC):
        raise typer.BadParameter(f"{moment:%Y-%m-%d %H:%M} UTC lies in the future", param_hint="--as-of")
    return None if moment is None else moment.replace(tzinfo=UTC)


def _exit(code: int) -> None:
    raise typer.Exit(code)


def hush_teardown() -> None:
    """Registered first, so run last: DuckDB's binding prints pages of leak warnings while the interpreter is taken down."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def main() -> None:
    """The console script."""
    atexit.register(hush_teardown)
    app()
