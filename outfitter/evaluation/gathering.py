"""Gathering a source's blocks: ids become numbers as they come, and what cannot be learnt from is left out and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import polars as pl

from expectations.interactions import HIGHEST_VALUE
from expectations.repeats import SAME_INTERACTION, Repeats
from expectations.rules import HIGHEST_PRICE
from outfitter.datasets.base import Frames
from outfitter.evaluation.inputs import EVENT_CODES
from outfitter.schema import INTERACTION_FRAME, ITEM_ATTRIBUTES, ITEM_FRAME, conform, empty
from outfitter.settings import EventRule

Reasons = Mapping[str, pl.Expr]
WRONG: Reasons = {
    "cannot be read": pl.col("unreadable").is_not_null(),
    "user id is missing": pl.col("user_id").is_null(),
    "item id is missing": pl.col("item_id").is_null(),
    "timestamp is missing": pl.col("timestamp").is_null(),
    "event is missing": pl.col("event").is_null(),
    "value of a rating is missing": (pl.col("event") == "rating") & pl.col("value").is_null(),
    f"value lies outside 0 to {HIGHEST_VALUE:g}": ~pl.col("value").is_between(0, HIGHEST_VALUE),
    "quantity is less than one": pl.col("quantity") < 1,
    "price is negative": pl.col("price") < 0,
    "price is not a plausible number": ~(pl.col("price") <= HIGHEST_PRICE),
}
"""What an ingest sets aside, in its words; a row counts under the first that holds."""


class Numbers:
    """Ids as numbers, in the order in which they are first met."""

    def __init__(self) -> None:
        self._known = pl.DataFrame(schema={"id": pl.String(), "number": pl.Int32()})

    def of(self, ids: pl.Series) -> pl.Series:
        """Int32: the number of each id, a new one for an id not met before."""
        asked = ids.alias("id").to_frame()
        fresh = asked.unique(maintain_order=True).join(self._known, on="id", how="anti", maintain_order="left")
        numbers = pl.int_range(len(self), len(self) + fresh.height, dtype=pl.Int32, eager=True)
        self._known = pl.concat([self._known, fresh.with_columns(numbers.alias("number"))])
        return asked.join(self._known, on="id", how="left", maintain_order="left")["number"]

    def ids(self) -> pl.Series:
        """String: the ids in order of number."""
        return self._known["id"]

    def __len__(self) -> int:
        return self._known.height


class Gathered:
    """What has been read of a source so far."""

    def __init__(self, events: Mapping[str, EventRule], duplicates: bool, latest: datetime) -> None:
        """duplicates: whether a row alike an earlier one of its file is a mistake. latest: no row may be of later."""
        self.users, self.item_numbers = Numbers(), Numbers()
        self.dropped: Counter[str] = Counter()
        self.rows = 0
        self._events, self._duplicates, self._latest = events, duplicates, latest
        self._parts: list[pl.DataFrame] = []
        self._items: list[pl.DataFrame] = [empty({**ITEM_FRAME, "derived": pl.Boolean()})]
        self._read = 0

    def begin_file(self) -> None:
        """The next frames are of another file: its rows repeat none of those before."""
        self._repeats = Repeats(SAME_INTERACTION)

    def add(self, frames: Frames) -> None:
        """One block. Rows of users tell nothing that a model here reads."""
        if frames.items is not None:
            readable = pl.col("unreadable").is_null() & pl.col("item_id").is_not_null()
            rows = self._kept(frames.items, {"of an item, cannot be read": ~readable})
            self.item_numbers.of(rows["item_id"])
            derived = frames.interactions is not None
            self._items.append(rows.with_columns(pl.lit(derived).alias("derived")))
        if frames.interactions is not None:
            self._add_interactions(frames.interactions)

    def interactions(self) -> pl.DataFrame:
        """user, item, timestamp, sequence, event, value, weight, taken: by user, time and order in the source."""
        return pl.concat(self._parts).drop("price").sort("user", "timestamp", "sequence")

    def catalogue(self) -> pl.DataFrame:
        """item_id, the attributes, known_from and first_seen: a row an item, in order of number.

        Of several rows of one item the oldest of a catalogue counts, for nothing may be known before its time. An item is known from
        when its catalogue says, or from when it was first met, whichever is earlier. The price is the catalogue's, else the median that
        was paid.
        """
        items = self.item_numbers.ids().alias("item_id").to_frame()
        items = items.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("item"))
        for told, by in ((self._described(), "item_id"), (self._met(), "item")):
            items = items.join(told, on=by, how="left", maintain_order="left")
        known_from = pl.min_horizontal("known_from", "first_seen").alias("known_from")
        return items.with_columns(pl.coalesce("price", "paid").alias("price"), known_from).drop("item", "paid")

    def _met(self) -> pl.DataFrame:
        """item, first_seen and the median price paid for it."""
        rows = pl.concat(self._parts).group_by("item")
        return rows.agg(pl.col("timestamp").min().alias("first_seen"), pl.col("price").median().cast(pl.Float64).alias("paid"))

    def _described(self) -> pl.DataFrame:
        """item_id, the attributes and known_from, null for an item that no catalogue lists."""
        rows = pl.concat(self._items).sort("derived", "valid_from", maintain_order=True)
        known_from = pl.when(~pl.col("derived")).then("valid_from").alias("known_from")
        return rows.unique("item_id", keep="first", maintain_order=True).select("item_id", *ITEM_ATTRIBUTES, known_from)

    def _add_interactions(self, frame: pl.DataFrame) -> None:
        places = pl.int_range(self._read, self._read + pl.len(), dtype=pl.Int64)
        rows = conform(frame, INTERACTION_FRAME).with_columns(places.alias("sequence"))
        self._read += rows.height
        rows = self._kept(rows, {**WRONG, "timestamp lies in the future": pl.col("timestamp") > self._latest})
        if self._duplicates:
            rows = self._kept(self._repeats.mark(rows), {"identical to an earlier row": pl.col("repeat_of").is_not_null()})
        weights = {name: rule.weight for name, rule in self._events.items() if rule.weight > 0}
        rows = self._kept(rows, {f"a {name} speaks for no item": pl.col("event") == name for name in EVENT_CODES if name not in weights})
        rows = self._kept(rows, {"event is none that is known": ~pl.col("event").is_in(list(weights))})
        targets = [name for name, rule in self._events.items() if rule.target]
        part = rows.select(
            self.users.of(rows["user_id"]).alias("user"),
            self.item_numbers.of(rows["item_id"]).alias("item"),
            "timestamp",
            "sequence",
            pl.col("event").replace_strict(EVENT_CODES, return_dtype=pl.Int8),
            pl.col("value").cast(pl.Float32).fill_null(float("nan")),
            pl.col("price").cast(pl.Float32),
            pl.col("event").replace_strict(weights, return_dtype=pl.Float32).alias("weight"),
            pl.col("event").is_in(targets).alias("taken"),
        )
        self.rows += part.height
        self._parts.append(part)

    def _kept(self, rows: pl.DataFrame, reasons: Reasons) -> pl.DataFrame:
        """``rows`` but those that a reason rules out, which are counted."""
        for reason, wrong in reasons.items():
            left = rows.filter(~wrong.fill_null(value=False))
            if left.height < rows.height:
                self.dropped[reason] += rows.height - left.height
            rows = left
        return rows
