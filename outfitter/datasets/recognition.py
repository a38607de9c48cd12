"""Which source a folder holds, and what its files will be read as: a look before anything is ingested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from outfitter.datasets import ADAPTERS, adapter
from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.errors import SourceError
from outfitter.settings import Settings

ROLES: tuple[Role, ...] = ("interactions", "items", "users")
NEEDED: Mapping[Role, tuple[str, ...]] = {
    "interactions": ("user_id", "item_id", "timestamp", "event"),
    "items": ("item_id",),
    "users": ("user_id",),
}
QUOTED = 5  # unreadable rows that are quoted


@dataclass(frozen=True)
class Candidate:
    """A source that knows some of the names: ``roles`` is what it reads each as."""

    adapter: Adapter
    roles: Mapping[str, Role]


@dataclass
class Look:
    """What one file is read as. ``rows`` and the counts are of the part that was read, which is all of it when ``whole``."""

    file: SourceFile
    size: int  # bytes, as it lies there
    rows: int = 0
    whole: bool = False
    unreadable: int = 0  # rows with a cell that cannot be read
    quoted: list[tuple[int, str]] = field(default_factory=list)  # row, its unreadable cells
    missing: Counter[str] = field(default_factory=Counter)  # column -> readable rows that lack it, though every row needs it
    events: Counter[str] = field(default_factory=Counter)
    first_event: datetime | None = None
    last_event: datetime | None = None
    derived: bool = False  # whether items or users are made from interactions
    sample: pl.DataFrame | None = None  # the first rows, in the frame schema of the file's role
    error: SourceError | None = None


def recognise(names: Sequence[str], where: str, settings: Settings) -> tuple[list[Candidate], dict[str, SourceError]]:
    """The sources that find their files among ``names``, and of every other what it lacks.

    names: paths inside the source with forward slashes, sorted. where: the source, for messages.
    """
    found, lacking = [], {}
    for name in ADAPTERS:
        try:
            found.append(as_source(name, names, where, settings))
        except SourceError as error:
            lacking[name] = error
    return found, lacking


def as_source(name: str, names: Sequence[str], where: str, settings: Settings) -> Candidate:
    """``names`` as the source called ``name``. Raises SourceError when it lacks a file, or a setting."""
    reader = adapter(name, settings)
    return Candidate(reader, reader.discover(names, where))


def alone(reader: Adapter, path: Path) -> Candidate:
    """One file without the others of its source, as the role in which it can be read. Raises SourceError when there is none."""
    whys = []
    for role in ROLES:
        look = look_at(reader, SourceFile(path, path.name, role), 0, 1)
        if look.error is None:
            return Candidate(reader, {path.name: role})
        whys.append(f"as {role}: {look.error.message}")
    raise SourceError(f"{path.name} is no file of source {reader.name!r}", "; ".join(whys))


def look_at(reader: Adapter, file: SourceFile, size: int, sample: int, whole: bool = False) -> Look:
    """Read the first block of ``file``, or with ``whole`` all of it, and keep its first ``sample`` rows.

    A SourceError is told in ``error``, with what was read before it.
    """
    look = Look(file, size)
    try:
        for number, frames in enumerate(reader.read(file)):
            if number and not whole:  # there is more than the first block
                return look
            _add(look, frames, sample)
        look.whole = True
    except SourceError as error:
        look.error = error
    return look


def best(looks: Mapping[str, Sequence[Look]]) -> str:
    """The source, of those that recognise the names, that can read most of what it finds.

    Ties go to a map, which somebody wrote for these files, and then to the source that finds more. looks: by source, not empty.
    """

    def fit(name: str) -> tuple[float, bool, int]:
        read = sum(look.error is None for look in looks[name])
        return read / max(len(looks[name]), 1), name == "mapped", read

    return max(looks, key=fit)


def _add(look: Look, frames: Frames, sample: int) -> None:
    """Count one block in."""
    rows: pl.DataFrame | None = getattr(frames, look.file.role)
    if rows is None:
        raise SourceError(f"{look.file.name} gave no {look.file.role}", "Read it in the role that the source gives it")
    look.rows += rows.height
    bad = rows.filter(pl.col("unreadable").is_not_null()).select("sequence", "unreadable")
    look.unreadable += bad.height
    look.quoted += bad.head(QUOTED - len(look.quoted)).rows()
    look.missing += _missing(rows.filter(pl.col("unreadable").is_null()), look.file.role)
    look.sample = rows.head(sample) if look.sample is None else look.sample
    if look.file.role == "interactions":
        _add_events(look, rows)
        look.derived = look.derived or frames.items is not None or frames.users is not None


def _missing(rows: pl.DataFrame, role: Role) -> Counter[str]:
    """The columns that every row needs, and how many of ``rows`` lack them: a rating needs its value too."""
    counts = Counter({name: rows[name].null_count() for name in NEEDED[role]})
    if role == "interactions":
        counts["value"] = rows.filter(pl.col("event") == "rating")["value"].null_count()
    return +counts


def _add_events(look: Look, rows: pl.DataFrame) -> None:
    look.events += Counter(dict(rows["event"].drop_nulls().value_counts().iter_rows()))
    first, last = rows["timestamp"].min(), rows["timestamp"].max()
    if isinstance(first, datetime) and isinstance(last, datetime):
        look.first_event = min(first, look.first_event or first)
        look.last_event = max(last, look.last_event or last)


def told(look: Look) -> dict[str, Any]:
    """``look`` as JSON-able values; times as ISO 8601."""
    error = look.error
    return {
        "name": look.file.name,
        "role": look.file.role,
        "bytes": look.size,
        "rows": look.rows,
        "whole": look.whole,
        "unreadable_rows": look.unreadable,
        "unreadable": [{"row": row, "cells": cells} for row, cells in look.quoted],
        "missing": dict(look.missing),
        "events": dict(look.events),
        "first_event": look.first_event.isoformat() if look.first_event else None,
        "last_event": look.last_event.isoformat() if look.last_event else None,
        "error": None if error is None else {"message": error.message, "hint": error.hint},
        "sample": [] if look.sample is None else _plain(look.sample),
    }


def _plain(rows: pl.DataFrame) -> list[dict[str, Any]]:
    return [{name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()} for row in rows.to_dicts()]
