"""Amazon reviews: JSON lines of reviews and, maybe, product metadata, as published in 2018 (Ni et al. 2019) and 2023 (Hou et al. 2024)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import ClassVar

import polars as pl

from outfitter.datasets.amazon_layouts import Layout, layout_of
from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.datasets.deriving import first_mentions
from outfitter.datasets.discovery import instead
from outfitter.datasets.json_texts import member, texts
from outfitter.datasets.reading import Cells, Part, read_json_lines
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME, STRING, UTC_TIME

NAMED = re.compile(r".+\.jsonl?(\.gz)?")
FIVE_CORE = re.compile(r"_5(?=\.json)")
LEVELS = 3  # of the path of categories, below its first, that make the category
PRICE = r"^(?:from\s+)?\$?\s*(\d[\d,]*(?:\.\d+)?)(?:\s*-\s*\$?\s*\d[\d,.]*)?$"
NO_PRICE = ("none", "nan", "null", "n/a", "-", "—")


class AmazonAdapter(Adapter):
    """Reviews are any JSON lines, metadata those whose name begins with ``meta_``; the layout is told by the keys.

    Every item that a review names is derived from it, so that one without metadata can be recommended too; metadata, when there is
    some, says more of it. ``verified``, votes and texts of reviews are not read, nor the metadata's average rating and rank: those
    were counted after the last review, and a model that saw them would know the future.
    """

    name: ClassVar[str] = "amazon"
    summary: ClassVar[str] = "Amazon reviews of 2018 or 2023: CATEGORY.json(l), maybe meta_CATEGORY.json(l), gzipped or not"

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """Metadata, then reviews. Of a category that is there whole and as its 5-core (``_5``, a part of it), the whole is read.

        Raises SourceError when there are no reviews.
        """
        offered = [name for name in names if NAMED.fullmatch(PurePosixPath(name).name)]
        metadata = [name for name in offered if PurePosixPath(name).name.startswith("meta_")]
        reviews = [name for name in offered if name not in metadata and not _part_of_another(name, offered)]
        if not reviews:
            told = f"{where} lacks reviews (CATEGORY.json or CATEGORY.jsonl, .gz or not), which source 'amazon' needs"
            raise SourceError(told, instead(names, "reviews.jsonl"))
        found: dict[str, Role] = dict.fromkeys(metadata, "items")
        return found | dict.fromkeys(reviews, "interactions")

    def read(self, file: SourceFile) -> Iterator[Frames]:
        """Reviews as ``rating`` events and the items that they name, or metadata as items.

        Raises SourceError when the file is not JSON lines, or its keys are not those of its role in either layout.
        """
        layout = layout_of(file)
        for rows in read_json_lines(file, layout.needed, optional=layout.optional, block_bytes=self.block_bytes):
            if layout.role == "items":
                yield Frames(items=_products(Cells(rows, file), rows, layout))
            else:
                interactions = _reviews(Cells(rows, file), layout)
                yield Frames(interactions=interactions, items=first_mentions(interactions))


def _part_of_another(name: str, offered: Sequence[str]) -> bool:
    whole = FIVE_CORE.sub("", name).removesuffix(".gz")
    return bool(FIVE_CORE.search(name)) and (whole in offered or f"{whole}.gz" in offered)


def _reviews(cells: Cells, layout: Layout) -> pl.DataFrame:
    """INTERACTION_FRAME; ``value`` is the stars, 1 to 5."""
    user, stars, time = layout.needed
    parts = {
        "user_id": cells.text(user),
        "item_id": _item(cells, layout),
        "timestamp": cells.epoch(time, layout.unit),
        "event": cells.literal("rating", STRING),
        "value": cells.real(stars),
    }
    return cells.frame(parts, INTERACTION_FRAME, ("user_id", "item_id", "timestamp", "value"))


def _item(cells: Cells, layout: Layout) -> Part:
    """The product that the metadata names, the first of the layout's keys that a row has."""
    first, *others = [cells.text(key) for key in layout.item]
    values = first.values
    for other in others:
        values = values.zip_with(values.is_not_null(), other.values)
    return Part(values, values, first.column)


def _products(cells: Cells, rows: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """ITEM_FRAME. valid_from is EPOCH: the catalogue was collected once, after the reviews.

    The category is what stands below the first of the path, up to three levels: the first is the same for the whole file. A range of
    prices counts as its lower end.
    """
    old = layout.year == 2018
    path = texts(rows["category" if old else "categories"])
    parts = {
        "item_id": _item(cells, layout),
        "valid_from": cells.literal(EPOCH, UTC_TIME),
        "title": cells.text("title"),
        "description": cells.derived(_described(rows, "feature" if old else "features")),
        "category": cells.derived(_category(path, cells.text("main_cat" if old else "main_category").values)),
        "brand": cells.text("brand" if old else "store"),
        "tags": cells.derived(path),
        "price": _price(cells),
    }
    if not old:
        parts |= {name: cells.derived(member(rows["details"], name.title())) for name in ("size", "material")}
        parts["colour"] = cells.derived(member(rows["details"], "Color"))
    return cells.frame(parts, ITEM_FRAME, ("item_id",))


def _described(rows: pl.DataFrame, features: str) -> pl.Series:
    """The description's paragraphs in one text, or the features where there is none."""
    first, second = (texts(rows[key]).list.join("\n").str.strip_chars() for key in ("description", features))
    described = first.zip_with((first != "").fill_null(False), second)
    return described.set((described == "").fill_null(False), None)


def _category(path: pl.Series, main: pl.Series) -> pl.Series:
    below = path.list.slice(1, LEVELS)
    named = below.list.join(" > ").set(below.list.len() == 0, None)
    alone = path.list.get(0, null_on_oob=True)
    named = named.zip_with(named.is_not_null(), alone)
    return named.zip_with(named.is_not_null(), main)


def _price(cells: Cells) -> Part:
    """From 12.99, "$12.99", "from 12.99" or "$12.99 - $25.00"; a word for no price is none, anything else unreadable."""
    told = cells.text("price").values
    number = told.str.extract(PRICE).str.replace_all(",", "").cast(pl.Float64)
    return cells.given("price", number, "a price", "$12.99", ~told.str.to_lowercase().is_in(NO_PRICE))
