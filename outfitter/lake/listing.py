"""What every source of deliveries can do, and which of its objects may be deliveries at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

IMAGES = "images"
UNFINISHED = (".part", ".tmp")


@dataclass(frozen=True)
class SourceObject:
    """One object of a source as it was listed: ``name`` is its path inside, with forward slashes; size in bytes; modified in UTC.

    ``tag`` differs whenever the content may differ.
    """

    name: str
    size: int
    modified: datetime
    tag: str


class Source(Protocol):
    """What an ingest reads from; ``where`` names it in messages."""

    @property
    def where(self) -> str: ...

    def list(self) -> list[SourceObject]:
        """All objects that may be deliveries, by name. Raises SourceError when the source is missing or cannot be listed."""

    def fetch(self, obj: SourceObject, into: Path) -> Path:
        """A file with the content of ``obj``, under ``into`` unless it lies in a folder already. Raises SourceError when it is gone."""

    def unchanged(self, obj: SourceObject) -> bool:
        """Whether the source still holds exactly this version: asked after reading, since a file may grow while it is read."""


def may_deliver(name: str) -> bool:
    """Whether an object of this name may be a delivery: not hidden, not temporary, not an image."""
    *folders, last = name.split("/")
    hidden = any(not part or part.startswith(".") for part in (*folders, last))
    return not (hidden or last.startswith("~") or last.lower().endswith(UNFINISHED) or IMAGES in folders)
