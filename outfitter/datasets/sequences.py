"""Sequence files: a line a user, the items in the order in which they were taken, and no times; the form in which SASRec, BERT4Rec and
S3-Rec are published (Zhou et al. 2020)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.datasets.blocks import readable
from outfitter.datasets.deriving import first_mentions
from outfitter.datasets.discovery import locate
from outfitter.datasets.reading import read_lines
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME, LONG, STRING, conform

SHOWN = 60  # characters of an unreadable value that are quoted


class SequencesAdapter(Adapter):
    """``sequences.txt``: a user's id and then item ids, separated by blanks; ``item_attributes.json``, if there: item id to attribute ids.

    A position stands for a time: the first item of every user is taken on 1970-01-01, the next a day later. So windows and cut-offs
    mean positions here, and users are lined up by their first item.
    """

    name: ClassVar[str] = "sequences"
    summary: ClassVar[str] = "sequences without times: sequences.txt (user item item ...), maybe item_attributes.json"
    synthetic_time = True

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """The attributes, when there are some, and the sequences. Raises SourceError when sequences.txt is not there."""
        found = locate(names, where, self.name, {"sequences.txt": "interactions"}, {"item_attributes.json": "items"})
        return dict(sorted(found.items()))

    def read(self, file: SourceFile) -> Iterator[Frames]:
        """Sequences as ``purchase`` events and the items that they name, or attributes as the ``tags`` of items.

        The attributes are one JSON object, so they are read whole: their size is a catalogue's. Raises SourceError when the file is not
        of this format, and when a user has two lines: nothing says which comes first.
        """
        if file.role == "users":
            raise SourceError(f"source 'sequences' has no file of users, and {file.name} was given as one", "Use discover()")
        if file.role == "items":
            yield Frames(items=_attributes(file))
            return
        taken, users = 0, set[str]()
        for lines in read_lines(file, block_bytes=self.block_bytes):
            rows = _split(lines)
            _refuse_second_lines(file, rows, users)
            interactions = _interactions(rows, taken)
            taken += interactions.height
            yield Frames(interactions=interactions, items=first_mentions(interactions))


def _split(lines: pl.DataFrame) -> pl.DataFrame:
    """user (String), items (List(String), empty where the line names the user alone), line; a row a line that is not blank."""
    words = pl.col("line").str.replace_all(r"\s+", " ").str.split(" ")
    rows = lines.drop_nulls("line").select(words.alias("words"), pl.col("sequence").alias("line"))
    return rows.select(pl.col("words").list.first().alias("user"), pl.col("words").list.slice(1).alias("items"), "line")


def _refuse_second_lines(file: SourceFile, rows: pl.DataFrame, users: set[str]) -> None:
    """Adds the users of ``rows`` to ``users``. Raises SourceError when one of them is there already."""
    for user, line in rows.select("user", "line").iter_rows():
        if user in users:
            raise SourceError(
                f"{file.name}, line {line:,}: user '{user[:SHOWN]}' has a line before this one",
                "Write each user on one line, with the items in the order in which they were taken",
            )
        users.add(user)


def _interactions(rows: pl.DataFrame, taken: int) -> pl.DataFrame:
    """INTERACTION_FRAME, a row an item; ``sequence`` counts items, ``taken`` of them in the blocks before.

    A line without items becomes a row without an item, for quarantine to name.
    """
    places = rows.with_columns(pl.int_ranges(pl.col("items").list.len()).alias("place"))
    each = places.explode("items", "place", empty_as_null=True)
    day = pl.lit(EPOCH) + pl.col("place").fill_null(0) * timedelta(days=1)
    told = pl.format("line {} names user '{}' and no item", "line", pl.col("user").str.head(SHOWN))
    found = each.select(
        pl.col("user").alias("user_id"),
        pl.col("items").alias("item_id"),
        day.alias("timestamp"),
        pl.lit("purchase").alias("event"),
        pl.int_range(taken + 1, pl.len() + taken + 1, dtype=LONG).alias("sequence"),
        pl.when(pl.col("items").is_null()).then(told).alias("unreadable"),
    )
    return conform(found, INTERACTION_FRAME)


def _attributes(file: SourceFile) -> pl.DataFrame:
    """ITEM_FRAME with the attribute ids as ``tags``; an item named twice is there twice, for validation to see."""
    pairs = _pairs(file)
    tags = [_texts(value) for _, value in pairs]
    bad = [f"attributes '{json.dumps(value)[:SHOWN]}'" if of is None else None for (_, value), of in zip(pairs, tags, strict=True)]
    items = pl.DataFrame(
        {
            "item_id": pl.Series([item.strip() or None for item, _ in pairs], dtype=STRING),
            "tags": pl.Series(tags, dtype=pl.List(pl.String())),
            "sequence": pl.int_range(1, len(pairs) + 1, dtype=LONG, eager=True),
            "unreadable": pl.Series(bad, dtype=STRING),
        }
    )
    return conform(items.with_columns(pl.lit(EPOCH).alias("valid_from")), ITEM_FRAME)


def _pairs(file: SourceFile) -> list[tuple[str, Any]]:
    """The members of the one JSON object that ``file`` holds, in order."""
    hint = 'Expected one JSON object, e.g. {"4": [1, 2], "145": [1, 7]}'
    with readable(file):
        content = file.path.read_bytes()
    try:
        # every object becomes a tuple of its members, so that one that is told twice is not lost
        found = json.loads(content, object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:  # not JSON, not text, nested too deep
        raise SourceError(f"{file.name} is not JSON: {error}", hint) from error
    if not isinstance(found, tuple) or not found:
        raise SourceError(f"{file.name} holds no object with items", hint)
    return list(found)


def _texts(value: Any) -> list[str] | None:
    """Attribute ids as strings; None when ``value`` is anything but a list of texts and whole numbers."""
    plain = isinstance(value, list) and all(isinstance(one, str) or type(one) is int for one in value)
    return [str(one) for one in value] if plain else None
