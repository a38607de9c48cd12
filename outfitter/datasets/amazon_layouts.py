"""Which of Amazon's layouts a file of JSON lines has: its keys tell, its name does not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from outfitter.datasets.base import Role, SourceFile
from outfitter.datasets.reading import read_lines
from outfitter.errors import SourceError

PEEKED = 64 << 10  # bytes of a file whose keys tell its layout


@dataclass(frozen=True)
class Layout:
    """The keys of one kind of file: ``told`` are those that it is known by, ``item`` names the product, the first that a row has."""

    role: Role
    year: int
    told: tuple[str, ...]
    item: tuple[str, ...]
    unit: Literal["s", "ms"] = "s"  # of timestamps, the third of a review's keys
    also: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """A review is its user, stars and time, in this order; metadata may lack anything."""
        return self.told if self.role == "interactions" else ()

    @property
    def optional(self) -> tuple[str, ...]:
        return self.item if self.role == "interactions" else (*self.item, *self.also)


LAYOUTS = (
    Layout("interactions", 2018, ("reviewerID", "overall", "unixReviewTime"), ("asin",)),
    Layout("interactions", 2023, ("user_id", "rating", "timestamp"), ("parent_asin", "asin"), "ms"),
    Layout(
        "items",
        2018,
        ("brand", "category", "also_buy", "main_cat", "description"),
        ("asin",),
        also=("title", "brand", "category", "main_cat", "price", "description", "feature"),
    ),
    Layout(
        "items",
        2023,
        ("main_category", "categories", "store", "rating_number", "features", "details"),
        ("parent_asin",),
        also=("title", "main_category", "categories", "price", "store", "description", "features", "details"),
    ),
)


def layout_of(file: SourceFile) -> Layout:
    """The layout whose own keys the first records have most of. Raises SourceError when there is none, or it is that of another role."""
    keys = _first_keys(file)
    best = max(LAYOUTS, key=lambda layout: sum(key in keys for key in layout.told) / len(layout.told))
    if not keys & set(best.told) or not keys & set(best.item):
        listed = ", ".join(sorted(keys)[:20]) or "none"
        hint = "Reviews have reviewerID, asin, overall, unixReviewTime (2018) or user_id, parent_asin, rating, timestamp (2023)"
        raise SourceError(f"{file.name} has keys of neither layout of source 'amazon'; it has {listed}", hint)
    if best.role != file.role:
        held, name = ("metadata", f"meta_{file.name}") if best.role == "items" else ("reviews", file.name.replace("meta_", "", 1))
        raise SourceError(f"{file.name} holds {held} by its keys, and not what its name says", f"Call it {name}")
    return best


def _first_keys(file: SourceFile) -> set[str]:
    """The keys of the records that the file begins with; what is no JSON is left to the reading to tell."""
    lines = next(read_lines(file, block_bytes=PEEKED))["line"].drop_nulls()
    if any(line.startswith(("{'", "{u'")) for line in lines.head(1)):
        told = f"{file.name} holds Python literals, as Amazon's metadata of 2014 did, and not JSON"
        raise SourceError(told, "Take the metadata of 2018 or 2023, or write each record as JSON on a line")
    keys: set[str] = set()
    for line in lines:
        found = _decoded(line)
        if isinstance(found, dict):
            keys |= found.keys()
    return keys


def _decoded(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
