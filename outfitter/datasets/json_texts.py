"""What JSON inside a cell says: lists of texts and members of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

LISTS = pl.List(pl.String())


def texts(cells: pl.Series) -> pl.Series:
    """List(String): the texts of each cell's JSON list, stripped and without empty ones; lists inside it are laid flat.

    cells: String. A cell that is no list is a list of that one text, null is an empty list.
    """
    text = cells.fill_null("").str.strip_chars()
    lists = text.str.starts_with("[")
    try:
        found = text.set(~lists, "[]").str.json_decode(LISTS)
    except pl.exceptions.ComputeError:  # a cell among them that only begins like a list, or one with lists or objects inside
        found = pl.Series([_flat(cell) if listed else [] for cell, listed in zip(text, lists, strict=True)], dtype=LISTS)
    single = text.to_frame("text").select(pl.concat_list("text"))["text"]
    stripped = found.zip_with(lists & found.is_not_null(), single).list.eval(pl.element().str.strip_chars()).alias(cells.name)
    return stripped.list.eval(pl.element().filter(pl.element() != ""))


def member(cells: pl.Series, name: str) -> pl.Series:
    """String: the member called ``name`` (letters only) of each cell's JSON object; null where there is none, or it is empty."""
    found = cells.str.json_path_match(f"$.{name}").str.strip_chars()
    return found.set((found == "").fill_null(False), None)


def _flat(cell: str) -> list[str]:
    try:
        return list(_leaves(json.loads(cell)))
    except (ValueError, RecursionError):
        return [cell]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, dict):
        yield json.dumps(value)
    elif value is not None:
        yield str(value)
