"""Any CSV, Parquet or JSON-lines files, as a TOML file of the owner's explains them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import polars as pl

from outfitter.datasets.base import BLOCK_BYTES, Adapter, Frames, Role, SourceFile
from outfitter.datasets.deriving import first_mentions
from outfitter.datasets.discovery import instead
from outfitter.datasets.mapping import IDS, ISO, NAME, SCHEMAS, Layout, SourceMap, load
from outfitter.datasets.reading import Cells, Part, read_csv, read_json_lines, read_parquet
from outfitter.errors import SourceError
from outfitter.schema import COUNT, EPOCH, EVENTS, REAL, STRING, UTC_TIME

if TYPE_CHECKING:
    from outfitter.settings import Settings

LAST_DAY = 2_932_000  # days after EPOCH: in the year 9997
TAGS = pl.List(pl.String())


class MappedAdapter(Adapter):
    """A source whose map names no items derives them from what was bought; its items are then known by their ids alone."""

    name: ClassVar[str] = "mapped"
    summary: ClassVar[str] = f"your own CSV, Parquet or JSON-lines files, explained by {NAME} in their folder or by --mapping"

    def __init__(self, block_bytes: int = BLOCK_BYTES, mapping: SourceMap | None = None) -> None:
        super().__init__(block_bytes)
        self._mapping = mapping
        if mapping is not None:
            self.identical_rows, self.synthetic_time = mapping.identical_rows, mapping.synthetic_time

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        """With the map that the setting ``mapping`` names, else the one beside the data. Raises SourceError as ``mapping.load`` does."""
        folder = None if settings.path is None or "://" in settings.path else Path(settings.path)
        path = settings.mapping or (folder / NAME if folder else None)
        if path is None:
            raise SourceError("source 'mapped' needs a TOML file that explains the data", "Name it: OUTFITTER_MAPPING; see docs/sources.md")
        return cls(settings.block_mb << 20, load(path))

    @property
    def mapping(self) -> SourceMap:
        if self._mapping is None:
            raise SourceError("source 'mapped' has not been given its TOML file", "Name it: OUTFITTER_MAPPING; see docs/sources.md")
        return self._mapping

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """What the patterns fit: items, users, interactions, within a role in the order of the map, within an entry sorted.

        Raises SourceError when they fit nothing, when two entries fit the same file, and when the format of one is not known.
        """
        fitting = {name: self._layout(name) for name in sorted(names) if self.mapping.layouts(name)}
        if not fitting:
            patterns = [pattern for layout in self.mapping.files for pattern in layout.match]
            raise SourceError(f"{where} holds nothing that {' or '.join(patterns)} fits", instead(names, patterns[0]))
        ranks = {id(layout): (list(SCHEMAS).index(layout.role), place) for place, layout in enumerate(self.mapping.files)}
        return {name: layout.role for name, layout in sorted(fitting.items(), key=lambda pair: ranks[id(pair[1])])}

    def read(self, file: SourceFile) -> Iterator[Frames]:
        """The frames of one file. Raises SourceError when it is not as the map says."""
        layout, seen = self._layout(file.name), _Positions()
        for rows in _rows(layout, file, self.block_bytes):
            frame = _frame(Cells(rows, file), rows, layout)
            if layout.role != "interactions":
                yield Frames(items=frame) if layout.role == "items" else Frames(users=frame)
                continue
            frame = seen.stamp(frame) if self.synthetic_time else frame
            derives = all(other.role != "items" for other in self.mapping.files)
            yield Frames(interactions=frame, items=first_mentions(frame) if derives else None)

    def _layout(self, name: str) -> Layout:
        fitting = self.mapping.layouts(name)
        if len(fitting) != 1:
            what = "no [[files]] entry" if not fitting else "more than one [[files]] entry"
            raise SourceError(f"{what} fits {name}", "Let exactly one entry's match fit it")
        if fitting[0].format_of(name) is None:
            raise SourceError(f"the name {name} does not tell its format", "Give its [[files]] entry a format: csv, parquet or jsonl")
        return fitting[0]


class _Positions:
    """Days in the place of times: how many rows of the file the user had before, counted on through the blocks."""

    def __init__(self) -> None:
        self._rows = pl.DataFrame(schema={"user_id": pl.String, "before": pl.Int64})

    def stamp(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` with the position of each row among its user's, as days since EPOCH; past the year 9997 the last day stands."""
        before = frame.select("user_id").join(self._rows, on="user_id", how="left", maintain_order="left")["before"].fill_null(0)
        place = frame.select(pl.int_range(pl.len(), dtype=pl.Int64).over("user_id")).to_series() + before
        counted = pl.concat([self._rows, frame.group_by("user_id").agg(pl.len().cast(pl.Int64).alias("before"))])
        self._rows = counted.filter(pl.col("user_id").is_not_null()).group_by("user_id").agg(pl.col("before").sum())
        days = place.clip(0, LAST_DAY) * 86_400_000_000
        return frame.with_columns(days.cast(UTC_TIME).alias("timestamp"))


def _rows(layout: Layout, file: SourceFile, block_bytes: int) -> Iterator[pl.DataFrame]:
    columns = list(dict.fromkeys(layout.columns.values()))
    kind = layout.format_of(file.name)
    if kind == "parquet":
        return read_parquet(file, columns, block_bytes=block_bytes)
    if kind == "jsonl":
        return read_json_lines(file, columns, block_bytes=block_bytes)
    return read_csv(
        file,
        columns,
        layout.separator,
        names=layout.names,
        quoted=layout.quoted,
        encoding=layout.encoding,
        block_bytes=block_bytes,
    )


def _frame(cells: Cells, rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    schema = SCHEMAS[layout.role]
    parts = {name: _part(cells, rows, layout, name) for name in layout.columns}
    parts |= {name: cells.literal(value, schema[name]) for name, value in layout.constants.items()}
    if "valid_from" in schema:
        parts.setdefault("valid_from", cells.literal(EPOCH, UTC_TIME))
    required = [name for name in (*IDS[layout.role], "timestamp", "event") if name in layout.columns]
    return cells.frame(parts, schema, required)


def _part(cells: Cells, rows: pl.DataFrame, layout: Layout, name: str) -> Part:
    column, dtype = layout.columns[name], SCHEMAS[layout.role][name]
    if dtype == UTC_TIME:
        return _moment(cells, rows, layout, column)
    if dtype == TAGS:
        return _tags(cells, rows, layout, column)
    if name == "event":
        return _event(cells, layout, column)
    return cells.integer(column) if dtype == COUNT else cells.real(column) if dtype == REAL else cells.text(column)


def _moment(cells: Cells, rows: pl.DataFrame, layout: Layout, column: str) -> Part:
    if isinstance(layout.time, tuple):
        return cells.moment(column, layout.time)
    return cells.moment(column, ISO) if rows[column].dtype.is_temporal() else cells.epoch(column, layout.time)


def _event(cells: Cells, layout: Layout, column: str) -> Part:
    """Translated; an event of ours that the map does not name stands for itself."""
    told = {**dict(zip(EVENTS, EVENTS, strict=True)), **layout.events}
    values = cells.text(column).values.replace_strict(told, default=None, return_dtype=STRING)
    return cells.given(column, values, f"one of {', '.join(told)}", next(iter(layout.events), EVENTS[0]))


def _tags(cells: Cells, rows: pl.DataFrame, layout: Layout, column: str) -> Part:
    """A list of texts as it is, in Parquet or JSON; any other text split."""
    source = rows[column]
    if source.dtype == TAGS:
        return cells.derived(source)
    text = cells.text(column).values
    listed = pl.Series([_texts(cell) for cell in text], dtype=TAGS)
    tags = listed.zip_with(listed.is_not_null(), text.str.split(layout.tag_separator))
    return cells.given(column, tags, "tags", f"new{layout.tag_separator}warm")


def _texts(cell: str | None) -> list[str] | None:
    """The texts that a JSON list holds; None when ``cell`` is no such list."""
    if cell is None or not cell.startswith("["):
        return None
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return [str(text) for text in found if text is not None] if isinstance(found, list) else None
