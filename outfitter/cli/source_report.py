"""What ``outfitter source check`` finds out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outfitter.datasets import adapter
from outfitter.datasets.base import Adapter, SourceFile
from outfitter.datasets.mapping import NAME as MAP
from outfitter.datasets.recognition import Candidate, Look, alone, as_source, best, look_at, recognise, told
from outfitter.errors import SettingsError, SourceError
from outfitter.lake.sources import Source, SourceObject, open_source
from outfitter.settings import Settings, load_settings

GLANCE_MB = 8
LISTED = 5  # names that a message shows


@dataclass(frozen=True)
class Report:
    """``looks`` has what each source that recognises the names makes of its files; ``source`` is the one that fits best."""

    where: str
    source: Adapter
    looks: Mapping[str, Sequence[Look]]
    unread: Sequence[str]  # names that it passes over
    lacking: Mapping[str, SourceError]  # sources that do not recognise the names, and why

    @property
    def files(self) -> Sequence[Look]:
        return self.looks[self.source.name]

    @property
    def readable(self) -> bool:
        return all(look.error is None for look in self.files)

    def told(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "where": self.where,
            "source": self.source.name,
            "recognised": list(self.looks),
            "readable": self.readable,
            "identical_rows": self.source.identical_rows,
            "synthetic_time": self.source.synthetic_time,
            "files": [told(look) for look in self.files],
            "unread": list(self.unread),
            "not_recognised": {name: str(error) for name, error in self.lacking.items()},
        }


@dataclass(frozen=True)
class _Examination:
    """One call's settings and state; ``fetched`` are the files at hand by name, so that a bucket's are downloaded once."""

    source: Source
    objects: Mapping[str, SourceObject]
    spool: Path
    rows: int
    whole: bool
    fetched: dict[str, Path] = field(default_factory=dict)

    def looks(self, candidate: Candidate) -> list[Look]:
        return [self._look(candidate, name) for name in candidate.roles]

    def _look(self, candidate: Candidate, name: str) -> Look:
        found, role = self.objects[name], candidate.roles[name]
        try:
            if name not in self.fetched:
                self.fetched[name] = self.source.fetch(found, self.spool)
        except SourceError as error:
            return Look(SourceFile(Path(name), name, role), found.size, error=error)
        return look_at(candidate.adapter, SourceFile(self.fetched[name], name, role), found.size, self.rows, self.whole)


def examine(path: str, name: str | None, mapping: Path | None, rows: int, whole: bool) -> Report:
    """Look at ``path``, as source ``name`` or as whatever it looks like; ``rows`` are kept of each file.

    Raises SettingsError for an empty path, SourceError when there is nothing there and when no source recognises it.
    """
    if not path.strip():
        raise SettingsError("the path to check is empty", "Name a folder, a file of it, or s3://bucket/prefix.")
    folder, only = _parted(path)
    name = name or ("mapped" if mapping else None)
    settings = load_settings(source=name, path=folder, mapping=mapping)
    if not whole:
        settings = settings.model_copy(update={"block_mb": min(GLANCE_MB, settings.block_mb)})
    if name is not None:
        adapter(name, settings)  # a name that is none is told before anything else
    source = open_source(settings, folder)
    objects = {found.name: found for found in source.list()}
    _refuse_nothing(path, objects, only)
    candidates, lacking = _candidates(objects, source.where, settings, name, only)
    with tempfile.TemporaryDirectory(prefix="outfitter-") as spool:
        examination = _Examination(source, objects, Path(spool), rows, whole)
        with _busy(f"reading {path}"):
            looks = {candidate.adapter.name: examination.looks(candidate) for candidate in candidates}
    chosen = next(candidate for candidate in candidates if candidate.adapter.name == best(looks))
    unread = [] if only else [name for name in objects if name not in chosen.roles]
    return Report(path, chosen.adapter, looks, unread, lacking)


def _parted(path: str) -> tuple[str, str | None]:
    """The folder, and the name of the one file in it that is meant, None for all."""
    if "://" in path:
        return path, None
    local = Path(path).expanduser()
    if not local.exists():
        raise SourceError(f"there is no {path}", "Give a folder, a file, or s3://bucket/prefix")
    return (str(local.parent), local.name) if local.is_file() else (str(local), None)


def _refuse_nothing(path: str, objects: Mapping[str, SourceObject], only: str | None) -> None:
    if only and only not in objects:
        raise SourceError(f"{path} is not taken for a delivery: its name is that of a hidden or temporary file", "Rename it")
    if not objects:
        raise SourceError(f"{path} holds no files", "Hidden and temporary files, and those in a folder 'images', do not count")


def _candidates(
    objects: Mapping[str, SourceObject], where: str, settings: Settings, name: str | None, only: str | None
) -> tuple[list[Candidate], Mapping[str, SourceError]]:
    """The sources to try, and why not the others; ``only`` restricts them to one file. Raises SourceError when there are none."""
    if name is None:
        found, lacking = recognise(list(objects), where, settings)
    else:
        found, lacking = [_named(name, objects, where, settings, only)], {}
    if only:
        found = [Candidate(one.adapter, {only: one.roles[only]}) for one in found if only in one.roles]
    if not found and MAP in objects and "mapped" in lacking:  # whoever wrote a map wants to know why it does not fit
        raise lacking["mapped"]
    if not found:
        names = [only] if only else list(objects)
        listed = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED:,} more" if len(names) > LISTED else "")
        hint = "'outfitter source list' tells what each source's folder holds; --source NAME tells what one of them lacks here"
        raise SourceError(f"no source recognises {where} by its names: {listed}", hint)
    return found, lacking


def _named(name: str, objects: Mapping[str, SourceObject], where: str, settings: Settings, only: str | None) -> Candidate:
    """The source that was asked for. One file may be looked at without the others, and under any name."""
    try:
        found = as_source(name, list(objects), where, settings)
        if only is None or only in found.roles:
            return found
    except SourceError:
        if only is None:
            raise
    return alone(adapter(name, settings), Path(where) / str(only))


def _busy(what: str) -> Any:
    """Something that moves, on a terminal."""
    from rich.console import Console

    terminal = Console(stderr=True)
    return terminal.status(what) if terminal.is_terminal else nullcontext()
