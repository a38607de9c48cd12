"""Rent the Runway: reviews of rented dresses, one Parquet file (Misra, Wan and McAuley, 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import polars as pl

from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.datasets.deriving import first_mentions
from outfitter.datasets.discovery import locate
from outfitter.datasets.reading import Cells, read_parquet
from outfitter.schema import INTERACTION_FRAME, ITEM_FRAME, conform

COLUMNS = ("user_id", "item_id", "rating", "review_date", "category")
DAY_FORMATS = ("%Y-%m-%d", "%B %d, %Y")  # for an export that keeps the day as text, as the original JSON does

# rented_for, fit and size say how one customer wore a dress once and are written after the rental. As columns of an item they
# would have to be summed over all its reviews, those of the future included, and every training row would see them: a leak.
# An interaction frame has no place for them either, so they are left out.


class RentTheRunwayAdapter(Adapter):
    """There is no catalogue and no file of users: both are known from the reviews alone."""

    name: ClassVar[str] = "renttherunway"
    summary: ClassVar[str] = "Rent the Runway dress reviews: a folder with reviews.parquet"

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """The one file. Raises SourceError when it is not there."""
        return locate(names, where, self.name, {"reviews.parquet": "interactions"})

    def read(self, file: SourceFile) -> Iterator[Frames]:
        """Reviews as ``rating`` events, those without a rating as ``rent``, and the items that they name.

        Raises SourceError when the file is not of this format.
        """
        for rows in read_parquet(file, COLUMNS, block_bytes=self.block_bytes):
            cells = Cells(rows, file)
            interactions = _interactions(cells)
            yield Frames(interactions=interactions, items=_items(interactions, cells.text("category").values.alias("category")))


def _interactions(cells: Cells) -> pl.DataFrame:
    """INTERACTION_FRAME; ``value`` is the rating, 2 to 10 in steps of 2."""
    rating = cells.real("rating")
    rated = rating.raw.is_not_null()  # one that is there and cannot be read stays a rating, for quarantine to name
    events = pl.Series(["rating"]).new_from_index(0, len(rated)).set(~rated, "rent")
    parts = {
        "user_id": cells.text("user_id"),
        "item_id": cells.text("item_id"),
        "timestamp": cells.moment("review_date", DAY_FORMATS),
        "event": cells.derived(events),
        "value": rating,
    }
    return cells.frame(parts, INTERACTION_FRAME, ("user_id", "item_id", "timestamp"))


def _items(interactions: pl.DataFrame, category: pl.Series) -> pl.DataFrame:
    """ITEM_FRAME, one row an item in order of first appearance, ``sequence`` that of its first review.

    A dress's category is what most of its reviews in the block say (5 of 5,850 disagree, ties go to the alphabet's first). It is a
    property of the dress and static, so later reviews voting on it tell nothing about who rents it: hence EPOCH.
    """
    reviews = interactions.with_columns(category)
    votes = reviews.filter(pl.col("item_id").is_not_null() & pl.col("category").is_not_null()).group_by("item_id", "category").len()
    winner = votes.sort("len", "category", descending=[True, False]).unique("item_id", keep="first", maintain_order=True)
    items = first_mentions(interactions).drop("category")
    return conform(items.join(winner.select("item_id", "category"), on="item_id", how="left", maintain_order="left"), ITEM_FRAME)
