"""What the catalogue says of each item, all kinds of attributes side by side in one sparse matrix."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from models.data import Positions

CODED = ("category", "colour", "brand", "style")
"""Attributes that an item table has codes of."""
KINDS = (*CODED, "material", "season")
"""Attributes of which an item has one; ``tags`` come on top. Sizes are left out: they are of the customer rather than of taste."""


def attribute_matrix(items: pl.DataFrame) -> tuple[sparse.csr_matrix, tuple[str, ...]]:
    """float32[n_items, n_attributes] of 0 and 1, and the attributes' names ("colour: red"), in order of name.

    items: one row a position, with the columns ``KINDS`` and ``tags``. An attribute that one item alone has relates it to nothing
    and is left out.
    """
    placed = items.select("tags", *KINDS).with_row_index("place")
    told = [_named(placed, kind, kind) for kind in KINDS] + [_named(placed.explode("tags", empty_as_null=True), "tags", "tag")]
    pairs = pl.concat(told).drop_nulls("name").unique()
    shared = pairs.filter(pl.len().over("name") > 1)
    columns = shared.select(pl.col("name").rank("dense") - 1).to_series().to_numpy().astype(np.int32)
    names = tuple(shared["name"].unique().sort())
    rows, ones = shared["place"].to_numpy(), np.ones(shared.height, dtype=np.float32)
    matrix = sparse.csr_matrix((ones, (rows, columns)), shape=(items.height, len(names)), dtype=np.float32)
    matrix.sort_indices()
    return matrix, names


def item_codes(items: pl.DataFrame) -> tuple[Positions, tuple[int, ...]]:
    """int32[n_items, len(CODED)], 0 for unknown, and how many codes each column has, the 0 included."""
    codes = items.select(pl.col(name).rank("dense").fill_null(0).cast(pl.Int32) for name in CODED).to_numpy()
    return codes, tuple(int(size) + 1 for size in codes.max(axis=0, initial=0))


def _named(placed: pl.DataFrame, column: str, kind: str) -> pl.DataFrame:
    """place, name: what ``column`` says of each item, null where it says nothing."""
    return placed.select("place", pl.concat_str(pl.lit(f"{kind}: "), column).alias("name"))
