"""Reads the folder that ``write_shop`` writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from outfitter.datasets.base import Adapter, Frames, SourceFile
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

    def discover(self, root: Path) -> list[SourceFile]:
        """Catalogue, users, then months in order. Raises SourceError when the folder or one of these is missing."""
        if not root.is_dir():
            raise SourceError(f"{root} is not a folder", "Make a synthetic shop first, or give its folder")
        months = sorted(path.name for path in root.iterdir() if MONTH.fullmatch(path.name))
        missing = [name for name in ("items.csv", "users.csv") if not (root / name).is_file()]
        if missing or not months:
            what = " and ".join(missing or ["interactions-YYYY-MM.csv"])
            raise SourceError(f"{root} lacks {what}", "It is not a synthetic shop, or one that is not complete: write it again")
        return [
            SourceFile(root / "items.csv", "items.csv", "items"),
            SourceFile(root / "users.csv", "users.csv", "users"),
            *(SourceFile(root / name, name, "interactions") for name in months),
        ]

    def read(self, file: SourceFile) -> Frames:
        """The frames of one file; an item is valid from its launch, a user since ever. Raises SourceError as ``read_csv`` does."""
        if file.role == "items":
            return _items(file)
        return _users(file) if file.role == "users" else _interactions(file)


def _items(file: SourceFile) -> Frames:
    rows = read_csv(file, ITEM_COLUMNS)
    cells = Cells(rows, file)
    parts = {
        **{name: cells.text(name) for name in ITEM_TEXTS},
        "valid_from": cells.moment("launched", ["%Y-%m-%d"]),
        "tags": cells.given("tags", rows["tags"].str.split("|"), "tags", "relaxed|plain"),
        "price": cells.real("price"),
        "image_path": cells.text("image"),
    }
    return Frames(items=cells.frame(parts, ITEM_FRAME, required=["item_id", "valid_from"]))


def _users(file: SourceFile) -> Frames:
    cells = Cells(read_csv(file, USER_COLUMNS), file)
    parts = {
        **{name: cells.text(name) for name in ("user_id", "gender", "region", "membership")},
        "valid_from": cells.literal(EPOCH, UTC_TIME),
        "birth_year": cells.integer("birth_year"),
    }
    return Frames(users=cells.frame(parts, USER_FRAME, required=["user_id"]))


def _interactions(file: SourceFile) -> Frames:
    cells = Cells(read_csv(file, INTERACTION_COLUMNS), file)
    parts = {
        **{name: cells.text(name) for name in ("user_id", "item_id", "event", "channel", "market")},
        "timestamp": cells.moment("timestamp", ["%Y-%m-%d %H:%M:%S"]),
        "quantity": cells.integer("quantity"),
        "price": cells.real("price"),
    }
    return Frames(interactions=cells.frame(parts, INTERACTION_FRAME, required=["user_id", "item_id", "timestamp", "event"]))
