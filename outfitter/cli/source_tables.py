"""What ``outfitter source`` prints for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outfitter.schema import EPOCH

if TYPE_CHECKING:
    import polars as pl

    from outfitter.cli.source_report import Report
    from outfitter.datasets.recognition import Look

LISTED, NAMED = 8, 40  # names of files that are told, characters that a name gets before it is folded
WIDEST = 32  # characters of a cell
MOMENT = len("2020-05-05 14:08:48")  # a cell so short is shown whole
NUMBER, PADDING = "  1,000   ", 3  # of a table that stands
LABEL, NARROWEST = 16, 17  # of one that lies on its side: the names' column, and each row's
TOLD = ("sequence", "unreadable")  # beside the table and below it
IDENTICAL = {
    "duplicate": "rows alike in everything are duplicates: the second is set aside",
    "quantity": "rows alike in everything are quantities: all of them count",
}
POSITIONS = "times are positions in a sequence, a day each from 1970-01-01: no clock was read, and windows of days mean places"


def formats(summaries: Mapping[str, str]) -> None:
    """The sources, a line each."""
    table = Table("source", "the folder holds", box=SIMPLE_HEAD)
    for name, summary in summaries.items():
        table.add_row(Text(name), Text(summary))
    Console().print(table)


def show(report: Report) -> None:
    """The whole report."""
    console = Console()
    console.print(Text.assemble((report.where, "bold"), " is read as source ", (report.source.name, "bold"), f" ({report.source.summary})"))
    for name, looks in report.looks.items():
        if name != report.source.name and any(look.error is None for look in looks):
            console.print(Text(f"source {name} can read some of it too: --source {name} tells what it makes of it"))
    console.print(_files(report))
    for role in dict.fromkeys(look.file.role for look in report.files):
        first = next((look for look in report.files if look.file.role == role and look.sample is not None and look.sample.height), None)
        if first is not None and first.sample is not None:
            _samples(console, first, first.sample)
    _list(console, "What is wrong", list(_problems(report)), "nothing was found" + ("" if _all_read(report) else " in what was read"))
    _list(console, "To know", list(_notes(report)), "nothing")


def _all_read(report: Report) -> bool:
    return all(look.whole for look in report.files)


def _list(console: Console, title: str, lines: list[str], otherwise: str) -> None:
    console.print(Text(f"{title}", style="bold"))
    for line in lines or [otherwise]:
        table = Table.grid(padding=(0, 1))
        table.add_row("  -", Text(line, overflow="fold"))
        console.print(table)


def _files(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("file", overflow="fold", min_width=min(NAMED, max(len(look.file.name) for look in report.files)))
    table.add_column("read as", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("what is in it", overflow="fold")
    for look in report.files:
        rows = f"{look.rows:,}" if look.whole else f"first {look.rows:,}"
        found = "cannot be read" if look.error else "; ".join(_content(look))
        table.add_row(Text(look.file.name), look.file.role, _size(look.size), rows, Text(found, style="red" if look.error else ""))
    return table


def _content(look: Look) -> Iterator[str]:
    for event, count in look.events.most_common():
        yield f"{count:,} {event}"
    if look.first_event and look.last_event:
        yield f"{look.first_event:%Y-%m-%d} to {look.last_event:%Y-%m-%d}"
    if look.derived:
        yield "items too"


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:,.1f} GB"


def _samples(console: Console, look: Look, rows: pl.DataFrame) -> None:
    """The first rows. Columns that are empty in all of them are named, not shown; a wide table lies on its side, a row a column."""
    constant = {"valid_from"} if "valid_from" in rows.columns and (rows["valid_from"] == EPOCH).all() else set()
    filled = [name for name in rows.columns if rows[name].null_count() < rows.height and name not in {*constant, *TOLD}]
    console.print(Text(f"{look.file.role}: the first rows of {look.file.name}", style="bold"))
    cells = {name: [_cell(value) for value in rows[name].to_list()] for name in filled}
    widths = _widths(cells, console.width - len(NUMBER))
    if widths:
        console.print(_upright(rows, cells, widths))
    else:
        fitting = max((console.width - LABEL) // NARROWEST, 1)
        for start in range(0, rows.height, fitting):
            console.print(_lying(rows["sequence"], cells, slice(start, start + fitting)))
    empty = [name for name in rows.columns if name not in {*filled, *constant, *TOLD}]
    if empty:
        console.print(Text(f"  empty in these rows: {', '.join(empty)}\n", style="dim"))


def _widths(cells: Mapping[str, list[str]], room: int) -> dict[str, int]:
    """Characters for each column of a standing table, short cells whole; empty when there is no ``room`` for that."""
    longest = {name: min(WIDEST, max(map(len, (name, *told)))) for name, told in cells.items()}
    widths = {name: min(MOMENT, length) for name, length in longest.items()}
    spare = room - sum(width + PADDING for width in widths.values())
    for name, length in longest.items() if spare >= 0 else ():
        more = min(spare, length - widths[name])
        widths[name], spare = widths[name] + more, spare - more
    return widths if spare >= 0 else {}


def _upright(rows: pl.DataFrame, cells: Mapping[str, list[str]], widths: Mapping[str, int]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("row", justify="right", no_wrap=True)
    for name, width in widths.items():
        justify: Literal["left", "right"] = "right" if rows[name].dtype.is_numeric() else "left"
        table.add_column(name, justify=justify, no_wrap=True, width=width)
    for number, *row in zip(rows["sequence"], *cells.values(), strict=True):
        table.add_row(f"{number:,}", *map(Text, row))
    return table


def _lying(numbers: pl.Series, cells: Mapping[str, list[str]], part: slice) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("row", no_wrap=True, min_width=max(map(len, cells)))
    for number in numbers[part]:
        table.add_column(f"{number:,}", no_wrap=True, max_width=WIDEST)
    for name, told in cells.items():
        table.add_row(name, *map(Text, told[part]))
    return table


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == EPOCH.time() else f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())


def _problems(report: Report) -> Iterator[str]:
    for look in report.files:
        if look.error:
            yield f"cannot be read: {look.error}"
        if look.unreadable:
            quoted = "; ".join(f"row {row:,}: {cells}" for row, cells in look.quoted)
            yield f"{look.file.name}: {_of(look, look.unreadable)} a cell that cannot be read and will be set aside. {quoted}"
        for name, count in look.missing.items():
            yield f"{look.file.name}: {_of(look, count)} no {name} and will be set aside"


def _of(look: Look, count: int) -> str:
    rows = f"{look.rows:,}" if look.whole else f"the first {look.rows:,}"
    return f"{count:,} of {rows} rows {'has' if count == 1 else 'have'}"


def _notes(report: Report) -> Iterator[str]:
    yield IDENTICAL[report.source.identical_rows]
    if report.source.synthetic_time:
        yield POSITIONS
    if any(look.derived for look in report.files):
        yield "items are derived from the interactions, so all of them can be recommended; a catalogue says more of them"
    if report.unread:
        more = f" and {len(report.unread) - LISTED:,} more" if len(report.unread) > LISTED else ""
        yield f"not read by this source: {', '.join(report.unread[:LISTED])}{more}"
    if not _all_read(report) and report.readable:
        yield "only the beginning of some files was read: --all reads them to the end"
