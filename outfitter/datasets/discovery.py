"""Finding a source's files in its folder, and saying what is there instead when they are not."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from outfitter.datasets.base import SourceFile
from outfitter.errors import SourceError

Role = Literal["items", "users", "interactions"]
LISTED = 8  # names of a folder's content that a message shows


def locate(root: Path, source: str, needed: Mapping[str, Role], optional: Mapping[str, Role] | None = None) -> list[SourceFile]:
    """The ``needed`` files under ``root`` and those of ``optional`` that are there, in the order of the mappings.

    Keys are paths inside ``root`` with forward slashes. Raises SourceError when ``root`` is missing, is a file or cannot be
    listed, or when a needed file is not in it.
    """
    found = _names(root, source)
    lacking = [name for name in needed if not (root / name).exists()]
    if lacking:
        raise SourceError(f"{root} lacks {' and '.join(lacking)}, which source {source!r} needs", _instead(found, lacking[0]))
    present = {name: role for name, role in (optional or {}).items() if (root / name).exists()}
    return [SourceFile(root / name, name, role) for name, role in {**needed, **present}.items()]


def _names(root: Path, source: str) -> list[str]:
    """What ``root`` holds, sorted; a folder's name ends in a slash."""
    try:
        return sorted(entry.name + ("/" if entry.is_dir() else "") for entry in root.iterdir())
    except FileNotFoundError as error:
        raise SourceError(f"there is no folder {root}", f"Give the folder that holds the files of source {source!r}") from error
    except NotADirectoryError as error:
        raise SourceError(f"{root} is a file, where source {source!r} is a folder", f"Give the folder: {root.parent}") from error
    except OSError as error:
        raise SourceError(f"{root} cannot be listed: {error.strerror or error}", "Check its permissions") from error


def _instead(found: list[str], wanted: str) -> str:
    if not found:
        return "The folder is empty"
    near = difflib.get_close_matches(wanted.lower(), [name.lower() for name in found], n=1)
    listed = ", ".join(found[:LISTED]) + (f" and {len(found) - LISTED:,} more" if len(found) > LISTED else "")
    meant = next((name for name in found if near and name.lower() == near[0]), None)
    return f"It holds {listed}" + (f". Did you mean {meant}?" if meant else "")
