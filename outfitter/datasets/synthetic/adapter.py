"""Reads the folder that ``write_shop`` writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import polars as pl

from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.datasets.discovery import instead
from outfitter.datasets.reading import Cells, read_csv
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME, USER_FRAME, UTC_TIME

MONTH = re.compile(r"interactions-\d{4}-\d{2}\.csv")
ITEM_COLUMNS = (
    "item_id",
    "launched",
    "title",
    "description",
    "category",
    "colour",
    "brand",
    "size",
    "material",
    "season",
    "tags",
    "style",
    "image",
    "price",
)
USER_COLUMNS = ("user_id", "birth_year", "gender", "region", "membership")
INTERACTION_COLUMNS = ("timestamp", "user_id", "item_id", "event", "quantity", "price", "channel", "market")
ITEM_TEXTS = ("item_id", "title", "description", "category", "colour", "brand", "style", "size", "material", "season")


class SyntheticAdapter(Adapter):
    """The synthetic shop: one catalogue, one table of users, and a file of interactions a month."""

    name: ClassVar[str] = "synthetic"
    summary: ClassVar[str] = "the built-in synthetic shop: items.csv, users.csv, interactions-YYYY-MM.csv"

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """Catalogue, users, then months in order. Raises SourceError when one of these is missing."""
        months = sorted(name for name in names if MONTH.fullmatch(name))
        missing = [name for name in ("items.csv", "users.csv") if name not in names]
        if missing or not months:
            missing = missing or ["interactions-YYYY-MM.csv"]
            hint = f"It is not a synthetic shop, or one that is not complete: write it again. {instead(names, missing[0])}"
            raise SourceError(f"{where} lacks {' and '.join(missing)}", hint)
        return {"items.csv": "items", "users.csv": "users", **dict.fromkeys(months, "interactions")}

    def read(self, file: SourceFile) -> Iterator[Frames]:
        """The frames of one file; an item is valid from its launch, a user since ever. Raises SourceError as ``read_csv`` does."""
        columns, frames = READ[file.role]
        for rows in read_csv(file, columns, block_bytes=self.block_bytes):
            yield frames(Cells(rows, file), rows)


def _items(cells: Cells, rows: pl.DataFrame) -> Frames:
    parts = {
        **{name: cells.text(name) for name in ITEM_TEXTS},
        "valid_from": cells.moment("launched", ["%Y-%m-%d"]),
        "tags": cells.given("tags", rows["tags"].str.split("|"), "tags", "relaxed|plain"),
        "price": cells.real("price"),
        "image_path": cells.text("image"),
    }
    return Frames(items=cells.frame(parts, ITEM_FRAME, required=["item_id", "valid_from"]))


def _users(cells: Cells, _: pl.DataFrame) -> Frames:
    parts = {
        **{name: cells.text(name) for name in ("user_id", "gender", "region", "membership")},
        "valid_from": cells.literal(EPOCH, UTC_TIME),
        "birth_year": cells.integer("birth_year"),
    }
    return Frames(users=cells.frame(parts, USER_FRAME, required=["user_id"]))


def _interactions(cells: Cells, _: pl.DataFrame) -> Frames:
    parts = {
        **{name: cells.text(name) for name in ("user_id", "item_id", "event", "channel", "market")},
        "timestamp": cells.moment("timestamp", ["%Y-%m-%d %H:%M:%S"]),
        "quantity": cells.integer("quantity"),
        "price": cells.real("price"),
    }
    return Frames(interactions=cells.frame(parts, INTERACTION_FRAME, required=["user_id", "item_id", "timestamp", "event"]))


READ: Mapping[Role, tuple[Sequence[str], Callable[[Cells, pl.DataFrame], Frames]]] = {
    "items": (ITEM_COLUMNS, _items),
    "users": (USER_COLUMNS, _users),
    "interactions": (INTERACTION_COLUMNS, _interactions),
}
