"""``outfitter source``: which formats are read, and what a folder will be read as before anything is ingested."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outfitter.cli.running import USER_ERROR, guarded

if TYPE_CHECKING:
    from outfitter.cli.source_report import Report

HELP = """What can be read, and what a folder, a file or a bucket will be read as.

  outfitter source list                       the formats
  outfitter source check DIR                  which of them DIR is
  outfitter source check s3://bucket/prefix   the same of a bucket
  outfitter source check DIR --all            every row, with counts
"""
source = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich")

Json = Annotated[bool, typer.Option("--json", help="Print a machine-readable result on standard output and nothing else there.")]


@source.command("list")
def list_sources(as_json: Json = False) -> None:
    """List the formats that can be read: the name to give as --source, and what its folder holds."""

    def show() -> None:
        from outfitter.datasets import ADAPTERS

        summaries = {name: ADAPTERS[name].summary for name in ADAPTERS}
        if as_json:
            sys.stdout.write(json.dumps(summaries) + "\n")
        else:
            from outfitter.cli.source_tables import formats

            formats(summaries)

    raise typer.Exit(guarded(show, as_json))


@source.command()
def check(
    path: Annotated[str, typer.Argument(help="A folder, one file of it, or s3://bucket/prefix.", show_default=False)],
    name: Annotated[str | None, typer.Option("--source", help="Read it as this source, without asking which it looks like.")] = None,
    mapping: Annotated[Path | None, typer.Option("--mapping", help="Read it as source 'mapped', explained by this TOML file.")] = None,
    rows: Annotated[int, typer.Option(min=0, max=1000, help="First rows to show of each table.")] = 5,
    whole: Annotated[bool, typer.Option("--all", help="Read every file to its end and count; else its first 8 MiB or so.")] = False,
    as_json: Json = False,
) -> None:
    """Tell what a folder, a file or a bucket will be read as, and what is wrong with it. Nothing is written or ingested.

    It names the sources that recognise the file names, each file with its
    role, the first rows as they will be read, cells that cannot be read with
    their rows, and files that nobody reads.

    A cell that cannot be read sets its row aside when it is ingested, which
    is told and is no failure. The exit code is 2 when no source recognises it
    or a file cannot be read at all. Objects of a bucket are downloaded whole,
    into a temporary folder.

    [bold]Examples[/]

      outfitter source check shop/                     what is it?
      outfitter source check shop/ --source hm --all   is all of it H&M's?
      outfitter source check shop/ --mapping my.toml   as my map says?
      outfitter source check shop/rentals.csv          one file of it
      outfitter source check shop/ --json              for a script
    """
    reports: list[Report] = []

    def look() -> None:
        from outfitter.cli.source_report import examine

        reports.append(examine(path, name, mapping, rows, whole))
        if as_json:
            sys.stdout.write(json.dumps(reports[0].told()) + "\n")
        else:
            from outfitter.cli.source_tables import show

            show(reports[0])

    code = guarded(look, as_json)
    raise typer.Exit(code or (0 if reports[0].readable else USER_ERROR))
