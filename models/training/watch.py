"""Who is told of a fit's epochs and where its checkpoints lie: said once around a fit, found by every training within it.

A fit is called through layers that have no business with either, so both travel in a context variable, one for each thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Protocol


class Run(Protocol):
    """Whoever wants to know how a training goes."""

    def epoch(self, number: int, metrics: dict[str, float], done: int, total: int) -> None:
        """Epoch ``number``, from 1, has ended with ``metrics``; ``done`` of at most ``total`` epochs are behind."""


@dataclass(frozen=True)
class Checkpoints:
    """Where the trainings of one fit keep their checkpoints: a file each in ``folder``, written every ``every`` seconds.

    of: what is being fitted, to what data; a checkpoint that says otherwise is not resumed from.
    """

    folder: Path
    of: str
    every: float = 60.0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1), init=False, repr=False, compare=False)

    def next_file(self) -> Path:
        """The file of the next training: a fit that runs again trains in the same order."""
        return self.folder / f"training-{next(self._numbers)}.safetensors"


@dataclass(frozen=True)
class Watch:
    """What is in force."""

    runs: tuple[Run, ...] = ()
    checkpoints: Checkpoints | None = None


_in_force: ContextVar[Watch] = ContextVar("watch", default=Watch())  # noqa: B039 (frozen)


def watch() -> Watch:
    """What the innermost ``watched`` and those around it have said."""
    return _in_force.get()


@contextmanager
def watched(*runs: Run, checkpoints: Checkpoints | None = None) -> Iterator[None]:
    """Trainings inside tell ``runs`` too, beside those told already, and keep ``checkpoints`` when given."""
    before = watch()
    token = _in_force.set(replace(before, runs=(*before.runs, *runs), checkpoints=checkpoints or before.checkpoints))
    try:
        yield
    finally:
        _in_force.reset(token)
