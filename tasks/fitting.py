"""What a person sees of a fit while it runs: a line on the terminal and a progress bar on the flow run's page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.runtime import flow_run

from models.training.watch import watched
from outfitter.progress import report

PAUSE = 1.0  # seconds between two updates of the bar: each is a request, and a small model has many epochs a second


class Shown:
    """A ``models.training.watch.Run`` for what is fitted under ``name``. A bar is drawn only inside a flow run, from the first epoch on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bar: UUID | None = None
        self.drawn = 0.0

    def epoch(self, number: int, metrics: dict[str, float], done: int, total: int) -> None:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items() if name.endswith(("loss", "score")))
        told = f"{self.name}: epoch {number} of at most {total}, {figures}"
        report("train", told, done=done, total=total)
        if flow_run.id is not None and (self.bar is None or time.monotonic() - self.drawn >= PAUSE):
            self._draw(100 * done / total, told)

    def finish(self) -> None:
        """Training may end before its last epoch, and the bar then still stands where it was."""
        if self.bar is not None:
            self._draw(100.0, f"{self.name}: fitted")

    def _draw(self, percent: float, told: str) -> None:
        if self.bar is None:
            key = f"outfitter-fit-{self.name.replace('_', '-')}"
            self.bar = cast(UUID, create_progress_artifact(percent, key=key, description=told))  # a coroutine in async code only
        else:
            update_progress_artifact(self.bar, percent, description=told)
        self.drawn = time.monotonic()


@contextmanager
def shown(name: str) -> Iterator[None]:
    """Every training inside is shown under ``name``."""
    fit = Shown(name)
    with watched(fit):
        yield
    fit.finish()
