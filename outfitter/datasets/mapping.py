"""The TOML file that tells the source ``mapped`` which files there are and which column means what; docs/sources.md explains it."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from outfitter.datasets.base import Role
from outfitter.datasets.columns import SEQUENCE, first_line
from outfitter.datasets.discovery import matching
from outfitter.errors import SourceError
from outfitter.schema import EVENTS, INTERACTION_FRAME, ITEM_FRAME, USER_FRAME, Schema

NAME = "outfitter-source.toml"
"""What the file is called when it lies beside the data."""
Format = Literal["csv", "parquet", "jsonl"]
ENDINGS: Mapping[str, Format] = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".json": "jsonl"}
SCHEMAS: Mapping[Role, Schema] = {"items": ITEM_FRAME, "users": USER_FRAME, "interactions": INTERACTION_FRAME}
OURS = {SEQUENCE, "unreadable"}  # what no source says
IDS: Mapping[Role, tuple[str, ...]] = {"items": ("item_id",), "users": ("user_id",), "interactions": ("user_id", "item_id")}
ISO = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z")
OF_CSV = ("separator", "encoding", "quoted", "names")
Character = Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[\x01-\x7f]$")]


class Layout(BaseModel):
    """Files of one role that are written alike: an entry of ``[[files]]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    match: tuple[str, ...] = Field(min_length=1)
    format: Format | None = None
    separator: Character = ","
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    quoted: bool = True
    names: tuple[str, ...] | None = Field(None, min_length=1)
    columns: dict[str, str]
    constants: dict[str, str | int | float] = {}
    time: Literal["s", "ms"] | Annotated[tuple[str, ...], Field(min_length=1)] = ISO
    events: dict[str, str] = {}
    tag_separator: str = Field("|", min_length=1)

    @field_validator("events")
    @classmethod
    def _known_events(cls, events: dict[str, str]) -> dict[str, str]:
        for value in events.values():
            _refuse_unknown("event", value, EVENTS)
        return events

    @model_validator(mode="after")
    def _fits_the_role(self) -> Layout:
        known = [name for name in SCHEMAS[self.role] if name not in OURS]
        for name in (*self.columns, *self.constants):
            _refuse_unknown(f"column of {self.role}", name, known)
        self._check_constants()
        if missing := [name for name in IDS[self.role] if name not in self.columns]:
            raise ValueError(f"columns lacks {missing[0]}, which files of {self.role} must have")
        if self.role == "interactions" and "event" not in self.columns and "event" not in self.constants:
            raise ValueError(f"event must be among columns or constants; one of {', '.join(EVENTS)}")
        if self.events and "event" not in self.columns:
            raise ValueError("events translates the values of a column, and columns has no event")
        if self.format in ("parquet", "jsonl") and (idle := [name for name in OF_CSV if name in self.model_fields_set]):
            raise ValueError(f"{idle[0]} is for CSV, and format is {self.format}")
        return self

    def _check_constants(self) -> None:
        schema = SCHEMAS[self.role]
        for name, value in self.constants.items():
            if name in self.columns:
                raise ValueError(f"{name} is among columns and constants: one of the two")
            if name in IDS[self.role] or schema[name] not in (pl.String, pl.Int32, pl.Float64):
                raise ValueError(f"{name} cannot be the same in every row")
            if (schema[name] == pl.String) != isinstance(value, str) or (schema[name] == pl.Int32 and not isinstance(value, int)):
                raise ValueError(f"constant {name} must be {'a text' if schema[name] == pl.String else 'a number'}, got {value!r}")
        if "event" in self.constants:
            _refuse_unknown("event", str(self.constants["event"]), EVENTS)

    def format_of(self, name: str) -> Format | None:
        """As the layout says, else by the file's name; None when neither tells."""
        return self.format or ENDINGS.get(Path(name.removesuffix(".gz")).suffix.lower())


class SourceMap(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identical_rows: Literal["duplicate", "quantity"] = "duplicate"
    synthetic_time: bool = False
    files: tuple[Layout, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _times(self) -> SourceMap:
        layouts = [layout for layout in self.files if layout.role == "interactions"]
        if not layouts:
            raise ValueError("no [[files]] entry has role 'interactions'")
        timed = [layout for layout in layouts if "timestamp" in layout.columns]
        if self.synthetic_time and timed:
            raise ValueError("synthetic_time is for sources without times, and columns has a timestamp")
        if not self.synthetic_time and len(timed) < len(layouts):
            raise ValueError("columns lacks timestamp, which files of interactions must have (or set synthetic_time = true)")
        return self

    def layouts(self, name: str) -> list[Layout]:
        """Those whose patterns fit ``name``."""
        return [layout for layout in self.files if any(matching([name], pattern) for pattern in layout.match)]


def load(path: Path) -> SourceMap:
    """Raises SourceError, naming the file, the key and what is allowed there, when it is missing or not such a file."""
    try:
        return SourceMap(**tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise SourceError(f"there is no {path}", "It tells source 'mapped' which column means what; see docs/sources.md") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not TOML: {first_line(error)}", "Correct that line") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}", "Check the name and its permissions") from error
    except ValidationError as error:
        raise SourceError(f"{path}: {'; '.join(_explain(problem) for problem in error.errors())}", "See docs/sources.md") from error


def _explain(problem: Any) -> str:
    place = [str(part) for part in problem["loc"] if part not in ("tuple[str, ...]", "literal['s','ms']")]
    if place[:1] == ["files"] and len(place) > 1:
        place[:2] = [f"[[files]] number {int(place[1]) + 1}"]
    told = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        allowed = list((SourceMap if len(place) == 1 else Layout).model_fields)
        told = f"there is no such key{_meant(place[-1], allowed)}; allowed are {', '.join(allowed)}"
    return f"{', '.join(place)}: {told}" if place else told


def _refuse_unknown(what: str, name: str, allowed: Sequence[str]) -> None:
    if name not in allowed:
        raise ValueError(f"there is no {what} {name!r}{_meant(name, allowed)}; allowed are {', '.join(allowed)}")


def _meant(name: str, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, allowed, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
