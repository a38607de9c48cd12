"""Finding a source's files among the names of what is there, and saying what is there instead when they are not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from outfitter.datasets.base import Role
from outfitter.errors import SourceError

LISTED = 8  # names of a folder's content that a message shows


def locate(
    names: Sequence[str], where: str, source: str, needed: Mapping[str, Role], optional: Mapping[str, Role] | None = None
) -> dict[str, Role]:
    """The ``needed`` files and those of ``optional`` that are there, in the order of the mappings.

    names: paths inside the source with forward slashes. where: the source, for messages. Raises SourceError when a needed file is
    not among ``names``.
    """
    lacking = [name for name in needed if name not in set(names)]
    if lacking:
        raise SourceError(f"{where} lacks {' and '.join(lacking)}, which source {source!r} needs", instead(names, lacking[0]))
    return dict(needed) | {name: role for name, role in (optional or {}).items() if name in set(names)}


def matching(names: Sequence[str], pattern: str) -> list[str]:
    """The names that fit a glob, sorted: ``*`` and ``?`` stay within a folder, ``**`` crosses them."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    fits = re.compile("".join(parts.get(token) or re.escape(token) for token in tokens))
    return sorted(name for name in names if fits.fullmatch(name))


def instead(names: Sequence[str], wanted: str) -> str:
    """What there is in the place of ``wanted``, as a hint."""
    if not names:
        return "There is nothing in it"
    if deeper := sorted(name for name in names if name.endswith(f"/{wanted}")):
        return f"It holds {deeper[0]}: give the folder {deeper[0].removesuffix(wanted)}"
    found = sorted({name if "/" not in name else name.split("/")[0] + "/" for name in names})
    near = difflib.get_close_matches(wanted.lower(), [name.lower() for name in found], n=1)
    listed = ", ".join(found[:LISTED]) + (f" and {len(found) - LISTED:,} more" if len(found) > LISTED else "")
    meant = next((name for name in found if near and name.lower() == near[0]), None)
    return f"It holds {listed}" + (f". Did you mean {meant}?" if meant else "")
