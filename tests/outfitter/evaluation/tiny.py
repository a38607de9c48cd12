"""Data sets written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from outfitter.datasets.base import Frames
from outfitter.evaluation.datasets import Dataset, as_moment, assembled
from outfitter.evaluation.folds import LeaveLastOut, Split
from outfitter.evaluation.gathering import Gathered
from outfitter.schema import EPOCH
from outfitter.settings import Settings
from tests.outfitter.lake.frames import at, bought, listed

LATEST = at(0)


def dataset(*rows: tuple[Any, ...], catalogue: pl.DataFrame | None = None) -> Dataset:
    """Rows are (user, item, days after ``NOW``, event, price, quantity, stars), cut short at will; the items derived, or a catalogue's."""
    values = pl.Series("value", [row[6] if len(row) > 6 else None for row in rows], dtype=pl.Float64)
    frame = bought(*(row[:6] for row in rows)).with_columns(values)
    return gather(frame, "test", catalogue)


def walks(*sequences: str) -> Dataset:
    """A user a sequence, a letter an item, a position a day, as source 'sequences' has it."""
    rows = [(f"u{user}", item, place) for user, sequence in enumerate(sequences) for place, item in enumerate(sequence)]
    shift = (pl.col("timestamp") - pl.col("timestamp").min() + pl.lit(EPOCH)).alias("timestamp")
    return gather(bought(*rows).with_columns(shift), "sequences")


def gather(frame: pl.DataFrame, source: str, catalogue: pl.DataFrame | None = None) -> Dataset:
    """The data set of a frame of interactions, of items derived from it unless there is a catalogue."""
    gathered = Gathered(Settings().events, duplicates=False, latest=LATEST)
    gathered.begin_file()
    gathered.add(Frames(items=catalogue) if catalogue is not None else Frames())
    derived = None if catalogue is not None else listed(*dict.fromkeys(frame["item_id"]))
    gathered.add(Frames(interactions=frame, items=derived))
    return assembled(source, source == "sequences", gathered)


def random_walks(users: int = 30, items: int = 40, length: int = 8, seed: int = 3, own_last: bool = True) -> Dataset:
    """Different items for each user, a day or more apart, and last of all, when ``own_last``, one that nobody else takes."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        days = -np.sort(rng.permutation(60)[:length])[::-1]
        taken = [f"i{item}" for item in rng.permutation(items)[:length]]
        taken[-1] = f"last{user}" if own_last else taken[-1]
        rows += [(f"u{user}", item, float(day)) for item, day in zip(taken, days, strict=True)]
    return dataset(*rows)


def with_other_tests(data: Dataset, split: Split) -> Dataset:
    """``data`` of users who take nothing twice, with the items that the tests of ``split`` ask for dealt out anew."""
    if isinstance(split, LeaveLastOut):
        late = np.append(data.user[1:] != data.user[:-1], True)
    else:
        late = data.timestamp > as_moment(next(iter(split.tests(data))).training.until)
    items = data.item.copy()
    items[late] = np.roll(items[late], 1)
    return replace(data, item=items)
