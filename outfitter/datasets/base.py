"""What an adapter is: it turns one source format into canonical frames and does nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: ``name`` is its path inside the source's folder, with forward slashes."""

    path: Path
    name: str
    role: Literal["items", "users", "interactions"]


@dataclass(frozen=True)
class Frames:
    """What one file holds, in the frame schemas of ``outfitter.schema``; an adapter fills at least one."""

    interactions: pl.DataFrame | None = None
    items: pl.DataFrame | None = None
    users: pl.DataFrame | None = None


class Adapter(ABC):
    """One source format.

    ``identical_rows`` says what rows alike in every column mean: a ``duplicate`` (the second is quarantined) or a ``quantity``
    (both count). ``synthetic_time`` marks a source whose timestamps are positions, not times.
    """

    name: ClassVar[str]
    summary: ClassVar[str]  # one line for the help
    identical_rows: ClassVar[Literal["duplicate", "quantity"]] = "duplicate"
    synthetic_time: ClassVar[bool] = False

    @abstractmethod
    def discover(self, root: Path) -> list[SourceFile]:
        """The files of the source under ``root``, catalogue files first.

        Raises SourceError when the folder is missing, is not a folder, or lacks a file that the format needs.
        """

    @abstractmethod
    def read(self, file: SourceFile) -> Frames:
        """The canonical frames of one file.

        Raises SourceError, naming the file and the column, when it is not of this format. A cell that cannot be read becomes
        null and is named in ``unreadable``.
        """
