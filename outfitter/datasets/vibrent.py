"""Vibrent: rentals and catalogue of a clothes-rental shop, two CSV files separated by semicolons."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import polars as pl

from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.datasets.discovery import locate
from outfitter.datasets.reading import Cells, Part, read_csv
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME, STRING, UTC_TIME

RENTAL_COLUMNS = ("customer.id", "outfit.id", "rentalPeriod.start", "rentalPeriod.end")
OUTFIT_COLUMNS = ("id", "name", "description", "group", "retailPrice", "outfit_tags", "tag_categories")
DAY_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f")
KINDS = {"category": "Category", "colour": "Color", "brand": "Brand", "size": "Size", "material": "Material", "season": "Seasons"}
LISTS = "a list of texts"
LIST_EXAMPLE = "['Dresses', 'Green']"


class VibrentAdapter(Adapter):
    """There is no file of users: a customer is known from the rentals alone."""

    name: ClassVar[str] = "vibrent"
    summary: ClassVar[str] = "Vibrent clothes rentals: a folder with outfits.csv and rentals.csv"

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """The two files, outfits first. Raises SourceError when one of them is not there."""
        return locate(names, where, self.name, {"outfits.csv": "items", "rentals.csv": "interactions"})

    def read(self, file: SourceFile) -> Iterator[Frames]:
        """Rentals as ``rent`` events, or outfits as items. Raises SourceError when the file is not of this format."""
        if file.role == "interactions":
            for rows in read_csv(file, RENTAL_COLUMNS, ";", block_bytes=self.block_bytes):
                yield Frames(interactions=_rentals(Cells(rows, file)))
        elif file.role == "items":
            for rows in read_csv(file, OUTFIT_COLUMNS, ";", block_bytes=self.block_bytes):
                yield Frames(items=_outfits(Cells(rows, file), rows))
        else:
            raise SourceError(f"source 'vibrent' has no file of {file.role}, and {file.name} was given as one", "Use discover()")


def _rentals(cells: Cells) -> pl.DataFrame:
    """INTERACTION_FRAME. The end of a rental is left out: it is not known when the rental starts."""
    parts = {
        "user_id": cells.text("customer.id"),
        "item_id": cells.text("outfit.id"),
        "timestamp": cells.moment("rentalPeriod.start", DAY_FORMATS),
        "event": cells.literal("rent", STRING),
    }
    return cells.frame(parts, INTERACTION_FRAME, ("user_id", "item_id", "timestamp"))


def _outfits(cells: Cells, rows: pl.DataFrame) -> pl.DataFrame:
    """ITEM_FRAME; ``price`` is the retail price in kroner, what the garment costs and not what a rental does.

    valid_from is EPOCH, not timeCreated: the catalogue was exported once, after the last rental, so nothing says that an
    outfit had this price and these tags when it was created. (No rental starts before its outfit was created, 0 of 10,000.)
    """
    parts = {
        "item_id": cells.text("id"),
        "valid_from": cells.literal(EPOCH, UTC_TIME),
        "title": cells.text("name"),
        "description": cells.text("description"),
        "style": cells.text("group"),
        "price": cells.real("retailPrice"),
        **_tagged(cells, rows),
    }
    return cells.frame(parts, ITEM_FRAME, ("item_id",))


def _tagged(cells: Cells, rows: pl.DataFrame) -> dict[str, Part]:
    """All tags, and the first of each kind: the two columns are parallel lists, so a tag without a kind beside it says little."""
    pairs = [(_texts(tags), _texts(kinds)) for tags, kinds in rows.select("outfit_tags", "tag_categories").iter_rows()]
    differ = [tags is not None and kinds is not None and len(tags) != len(kinds) for tags, kinds in pairs]
    first = [_first(kinds, tags) if kinds and tags and not odd else {} for (tags, kinds), odd in zip(pairs, differ, strict=True)]
    failed = [kinds is None or odd for (_, kinds), odd in zip(pairs, differ, strict=True)]
    whole = [None if odd else tags for (tags, _), odd in zip(pairs, differ, strict=True)]
    attributes = {name: pl.Series([of_row.get(kind) for of_row in first], dtype=STRING) for name, kind in KINDS.items()}
    parts = {name: cells.derived(values) for name, values in attributes.items()}
    parts["tags"] = cells.given("outfit_tags", pl.Series(whole, dtype=pl.List(pl.String)), LISTS, LIST_EXAMPLE)
    parts["category"] = cells.given("tag_categories", attributes["category"], LISTS, LIST_EXAMPLE, pl.Series(failed))
    return parts


def _first(kinds: Iterable[str], tags: Iterable[str]) -> dict[str, str]:
    first: dict[str, str] = {}
    for kind, tag in zip(kinds, tags, strict=True):
        first.setdefault(kind, tag)
    return first


def _texts(literal: str | None) -> list[str] | None:
    """The list of strings that a Python literal spells (an empty cell spells none), and None when it spells anything else.

    Nothing in the literal is executed.
    """
    try:
        value = ast.literal_eval((literal or "[]").strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # the last two: nesting too deep for the parser
        return None
    return value if isinstance(value, list) and all(isinstance(text, str) for text in value) else None
