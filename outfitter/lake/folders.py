"""A folder as a source of deliveries: its files are read where they are."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from outfitter.errors import SourceError
from outfitter.lake.listing import SourceObject, may_deliver

log = logging.getLogger("outfitter.sources")


@dataclass(frozen=True)
class Folder:
    """A folder and all folders in it. Its files are read where they are; links are followed, each folder being visited once."""

    root: Path
    source: str

    @property
    def where(self) -> str:
        return str(self.root)

    def list(self) -> list[SourceObject]:
        try:
            found = [_as_listed(self.root / name, name) for name in self._names()]
        except FileNotFoundError as error:
            raise SourceError(
                f"there is no folder {error.filename or self.root}", f"Give the folder that holds the files of source {self.source!r}"
            ) from error
        except NotADirectoryError as error:
            raise SourceError(
                f"{self.root} is a file, where source {self.source!r} is a folder", f"Give the folder: {self.root.parent}"
            ) from error
        except OSError as error:
            raise SourceError(
                f"{error.filename or self.root} cannot be listed: {error.strerror or error}", "Check its permissions"
            ) from error
        return [obj for obj in found if obj is not None]

    def fetch(self, obj: SourceObject, into: Path) -> Path:  # noqa: ARG002 - it lies in a folder already
        path = self.root / obj.name
        try:
            path.open("rb").close()
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}", "Check that it is there and its permissions") from error
        return path

    def unchanged(self, obj: SourceObject) -> bool:
        return _as_listed(self.root / obj.name, obj.name) == obj

    def _names(self) -> Sequence[str]:
        return sorted(self._below("", set()))

    def _below(self, folder: str, visited: set[tuple[int, int]]) -> Iterator[str]:
        """The names in one folder of the source and below; real folders come before links to them."""
        here = (self.root / folder).stat()
        if (here.st_dev, here.st_ino) in visited:
            return
        visited.add((here.st_dev, here.st_ino))
        with os.scandir(self.root / folder) as entries:
            for entry in sorted(entries, key=lambda entry: (entry.is_symlink(), entry.name)):
                name = folder + entry.name
                if entry.is_dir():
                    if may_deliver(f"{name}/x"):
                        yield from self._below(f"{name}/", visited)
                elif may_deliver(name):
                    yield name


def _as_listed(path: Path, name: str) -> SourceObject | None:
    """None for what is no file: a link that leads nowhere, a pipe, or a file that went while the folder was listed."""
    try:
        found = path.stat()
        name.encode()
    except FileNotFoundError:
        return None
    except UnicodeEncodeError:
        log.warning("%r is left out: its name is not UTF-8; rename it", str(path))
        return None
    tag = f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}-{found.st_ino}"
    modified = datetime.fromtimestamp(found.st_mtime_ns // 1000 / 1e6, tz=UTC)
    return SourceObject(name, found.st_size, modified, tag) if stat.S_ISREG(found.st_mode) else None
