"""What an adapter is: it turns one source format into canonical frames and does nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import polars as pl

if TYPE_CHECKING:
    from outfitter.settings import Settings

Role = Literal["items", "users", "interactions"]
BLOCK_BYTES = 128 << 20
"""Bytes of text, unpacked, that an adapter reads at a time unless told otherwise."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: ``name`` is its path inside the source (folder or bucket), with forward slashes; ``path`` where to read it."""

    path: Path
    name: str
    role: Role


@dataclass(frozen=True)
class Frames:
    """What one block of a file holds, in the frame schemas of ``outfitter.schema``; an adapter fills at least one.

    Items and users beside interactions are derived from them: they may come again in a later block, and the first mention counts.
    """

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
    identical_rows: Literal["duplicate", "quantity"] = "duplicate"
    synthetic_time: bool = False

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self.block_bytes = block_bytes

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """The adapter as ``settings`` want it. Raises SourceError when they lack what it needs."""
        return cls(settings.block_mb << 20)

    @abstractmethod
    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """The files of the source among ``names``, in the order in which they are read: items, users, interactions.

        names: every path inside the source, with forward slashes, sorted. where: the source, for messages. Raises SourceError when a
        file that the format needs is not among them.
        """

    @abstractmethod
    def read(self, file: SourceFile) -> Iterator[Frames]:
        """The canonical frames of one file, block by block in the order of the file; ``sequence`` counts on through the blocks.

        Memory is bounded by the block, not by the file. Raises SourceError, naming the file and the column, when it is not of this
        format. A cell that cannot be read becomes null and is named in ``unreadable``.
        """
