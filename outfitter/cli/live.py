"""Progress on the terminal: one line a stage while it runs, or plain lines where nobody watches."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

MARKS = {"running": "[cyan]…[/]", "done": "[green]✓[/]", "skipped": "[dim]–[/]"}


class StageHandler(logging.Handler):
    """Turns the records of ``outfitter.progress`` into rows of a rich progress display."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        columns = (SpinnerColumn(finished_text=" "), TextColumn("{task.fields[mark]} {task.fields[stage]:<12}"))
        self.progress = Progress(*columns, BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}"), console=console)
        self.rows: dict[str, TaskID] = {}

    def emit(self, record: logging.LogRecord) -> None:
        stage, state = getattr(record, "stage", None), getattr(record, "state", "running")
        if stage is None:
            return
        if not self.console.is_terminal:
            counted = f" ({record.__dict__['done']} of {record.__dict__['total']})" if record.__dict__["total"] else ""
            self.console.print(f"{stage:<12} {record.__dict__['what']}{counted}", highlight=False, markup=False, soft_wrap=True)
            return
        if stage not in self.rows:
            self.rows[stage] = self._row(stage)
        row = self.rows[stage]
        done, total = record.__dict__["done"], record.__dict__["total"]
        ended = state != "running"
        self.progress.update(
            row,
            description=record.__dict__["what"],
            mark=MARKS[state],
            completed=(total or 1) if ended else (done or 0),
            total=(total or 1) if ended else total,
        )

    def _row(self, stage: str) -> TaskID:
        return self.progress.add_task("", total=None, stage=stage, mark=MARKS["running"])


@contextmanager
def watching(console: Console, level: str) -> Iterator[None]:
    """Show progress for as long as this lasts; warnings of ours are printed as they come."""
    handler = StageHandler(console)
    handler.addFilter(lambda record: hasattr(record, "stage"))
    warnings = logging.StreamHandler(console.file)
    warnings.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    warnings.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("outfitter")
    logger.setLevel(level)
    for one in (handler, warnings):
        logger.addHandler(one)
    try:
        with handler.progress:
            yield
    finally:
        for one in (handler, warnings):
            logger.removeHandler(one)
