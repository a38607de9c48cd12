"""``outfitter bench``: models compared on a data set, by themselves, without a lake or a flow."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli.running import USER_ERROR, guarded, quieten

if TYPE_CHECKING:
    from outfitter.evaluation.datasets import Dataset
    from outfitter.evaluation.folds import Split
    from outfitter.experiments.bench import Plan
    from outfitter.settings import Settings

HELP = """Compare models on a data set of any source, with intervals, times and memory. Nothing is ingested.

  outfitter bench models --source sequences --path DIR --models popularity,item_knn,als
"""
WINDOWS = 12
"""Of 28 days they are most of a year, so no season decides alone."""
bench = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich")


class How(StrEnum):
    """Named as in the literature."""

    leave_last_out = "leave-last-out"
    global_time = "global-time"
    rolling = "rolling"


@dataclass(frozen=True)
class Asked:
    """The options of one call."""

    source: str | None
    path: str | None
    mapping: Path | None
    models: str
    how: How
    days: int | None
    windows: int | None
    until: datetime | None
    seeds: int
    k: int
    minutes: float
    json_file: Path | None
    html: Path | None


@bench.command()
def models(
    names: Annotated[
        str,
        typer.Option("--models", help="Models with commas between them; als:factors=32:alpha=5 gives settings, als+item_knn is a blend."),
    ],
    source: Annotated[str | None, typer.Option(help="Adapter that reads the data; 'outfitter source list' names them.")] = None,
    path: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix with the source's files.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="TOML file that maps columns, for the source 'mapped'.")] = None,
    split: Annotated[
        How,
        typer.Option(help="What is asked for: each user's last item, what is taken in the last window of time, or in each of several."),
    ] = How.leave_last_out,
    days: Annotated[int | None, typer.Option(min=1, help="Days of a window of time; the setting window_days when left out.")] = None,
    windows: Annotated[
        int | None, typer.Option(min=2, help=f"Windows of the split 'rolling', up to the newest event; {WINDOWS} when left out.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Leave out what happened after the beginning of this day, in UTC.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Fits of every model that chance has a part in; their figures are averaged.")] = 1,
    k: Annotated[int, typer.Option("--k", min=1, help="Length of the lists, and the k of the metrics.")] = 10,
    minutes: Annotated[
        float, typer.Option("--budget-minutes", min=0, help="Search each model's settings on validation data for so long; 0: defaults.")
    ] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything, settings and counts included, into this file.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write an error analysis as a page into this folder.")] = None,
) -> None:
    """Fit models, ask them for lists and print a table with intervals and costs.

    It has accuracy with 95% intervals over users, coverage, seconds and
    memory. Ranking is over all items that were known of when a user is asked,
    without those the user had. The first model named is the reference that
    differences are told against; models of ratings are told in stars as well.

    With a budget, settings are found on validation data that the test never
    touches; then each model learns from training and validation data with
    them. A search goes on where it stopped, also when it was killed: its
    trials lie in OUTFITTER_HOME and in MLflow.

    [bold]Examples[/], with --source and --path left out

      outfitter bench models --models popularity,item_knn,als --json t.json
      outfitter bench models --models als,als:factors=16 --seeds 3 --k 12
      outfitter bench models --models popularity,ease --split rolling --days 7
      outfitter bench models --models ease,als,ease+als --budget-minutes 20
    """
    if split is How.leave_last_out and days:
        raise typer.BadParameter("'leave-last-out' knows no windows of time", param_hint="--days")
    if split is not How.rolling and windows:
        raise typer.BadParameter("only '--split rolling' has several windows", param_hint="--windows")
    asked = Asked(source, path, mapping, names, split, days, windows, until, seeds, k, minutes, json_file, html)
    failed: list[str] = []
    code = guarded(lambda: failed.extend(_run(asked)))
    raise typer.Exit(code or (USER_ERROR if failed else 0))


def _run(asked: Asked) -> list[str]:
    """Compare, print and write; returns the models that could not be compared."""
    from rich.console import Console

    from outfitter.cli.bench_tables import show
    from outfitter.cli.live import watching
    from outfitter.settings import load_settings

    settings = load_settings(source=asked.source, path=asked.path, mapping=asked.mapping)
    settings.activate()
    _refuse_unwritable(asked)
    with ExitStack() as stack:
        plan = _plan(asked, settings)
        if asked.minutes:
            stack.enter_context(_alone(settings))
        quieten()
        stack.enter_context(watching(Console(stderr=True), settings.log_level))
        table = _compared(asked, plan, settings)
    show(Console(), table)
    return [row["model"] for row in table["models"] if row["error"]]


def _refuse_unwritable(asked: Asked) -> None:
    """Told now and not after hours."""
    from outfitter.errors import SettingsError

    if asked.json_file and not asked.json_file.absolute().parent.is_dir():
        raise SettingsError(f"there is no folder '{asked.json_file.absolute().parent}' for --json", "Make it, or name another file.")
    if asked.json_file and asked.json_file.is_dir():
        raise SettingsError(f"'{asked.json_file}' is a folder", "Name a file: --json table.json")
    if asked.html and asked.html.exists() and not asked.html.is_dir():
        raise SettingsError(f"'{asked.html}' is a file", "Name a folder: --html report")


def _plan(asked: Asked, settings: Settings) -> Plan:
    from outfitter.experiments.bench import Plan
    from outfitter.experiments.entries import parse

    return Plan(parse(asked.models), _split(asked, settings), asked.k, asked.seeds, asked.minutes)


def _split(asked: Asked, settings: Settings) -> Split:
    from outfitter.evaluation.folds import ByTime, LeaveLastOut

    if asked.how is How.leave_last_out:
        return LeaveLastOut(settings.repeat_purchases)
    windows = (asked.windows or WINDOWS) if asked.how is How.rolling else 1
    return ByTime(asked.days or settings.window_days, windows, settings.repeat_purchases)


def _alone(settings: Settings) -> Any:
    """One search at a time writes into a home's studies."""
    import outfitter.experiments.runs  # noqa: F401 - MLflow turns its log on when it is imported, and is to be hushed after that
    from outfitter.experiments.bench import studies
    from outfitter.lake.lock import exclusive

    settings.prepare_home()
    studies(settings).mkdir(exist_ok=True)
    return exclusive(studies(settings), datetime.now(UTC))


def _compared(asked: Asked, plan: Plan, settings: Settings) -> dict[str, Any]:
    from outfitter.experiments.bench import compare

    data = _data(asked, settings)
    table, outcomes = compare(plan, data, settings)
    if asked.json_file:
        asked.json_file.write_text(json.dumps(table, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if asked.html:
        from outfitter.experiments.analysis import write_analysis

        table["html"] = str(write_analysis(asked.html, plan, data, outcomes, settings))
    return table


def _data(asked: Asked, settings: Settings) -> Dataset:
    from outfitter.evaluation.datasets import read_dataset

    data = read_dataset(settings, datetime.now(UTC))
    return data.until(asked.until.replace(tzinfo=UTC)) if asked.until else data
