"""Any source in memory as arrays, read through its adapter and without a lake: what models are compared on."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from models.data import Float, Positions
from outfitter.datasets import adapter
from outfitter.datasets.base import SourceFile
from outfitter.errors import NotEnoughData
from outfitter.evaluation.attributes import attribute_matrix
from outfitter.evaluation.gathering import Gathered
from outfitter.lake.sources import open_source
from outfitter.progress import report
from outfitter.settings import Settings

Moments = NDArray[np.datetime64]


@dataclass(frozen=True)
class Dataset:
    """n interactions that speak for an item, by user and within a user by time and ``sequence``, and the catalogue.

    user int32[n]: a place in ``user_ids``; item int32[n]: a position in ``items``; timestamp datetime64[us][n], UTC; sequence int64[n]:
    the order of the source's rows; weight float32[n] > 0 and taken bool[n]: what the settings say of the event; event int8[n]: a
    place in ``outfitter.schema.EVENTS``; value float32[n]: a rating's stars, NaN where there are none. items: a row a position, with
    item_id, the attributes of ``outfitter.schema.ITEM_ATTRIBUTES`` (price: the catalogue's, else the median that was paid), known_from
    and first_seen (null: never met). attributes: see ``attribute_matrix``. dropped: why rows were left out, and how many.
    """

    source: str
    user_ids: pl.Series
    items: pl.DataFrame
    user: Positions
    item: Positions
    timestamp: Moments
    sequence: NDArray[np.int64]
    weight: Float
    taken: NDArray[np.bool_]
    event: NDArray[np.int8]
    value: Float
    attributes: sparse.csr_matrix
    attribute_names: tuple[str, ...]
    synthetic_time: bool
    dropped: Mapping[str, int]

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def item_ids(self) -> tuple[str, ...]:
        return tuple(self.items["item_id"])

    @property
    def newest(self) -> datetime:
        """The moment of the newest interaction."""
        return as_datetime(self.timestamp.max())

    def until(self, moment: datetime) -> Dataset:
        """The same catalogue with nothing that happened after ``moment``. Raises NotEnoughData when nothing is left."""
        kept = self.timestamp <= as_moment(moment)
        if not kept.any():
            raise NotEnoughData(f"nobody had done anything by {moment:%Y-%m-%d}", f"The newest event is of {self.newest:%Y-%m-%d}.")
        names = ("user", "item", "timestamp", "sequence", "weight", "taken", "event", "value")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})

    def counts(self) -> dict[str, int]:
        """How much there is of what."""
        return {
            "users": len(np.unique(self.user)),
            "items": self.items.height,
            "items_met": len(np.unique(self.item)),
            "interactions": len(self.user),
            "taken": int(self.taken.sum()),
            "rated": int(np.isfinite(self.value).sum()),
            "attributes": len(self.attribute_names),
        }


def as_moment(moment: datetime) -> np.datetime64:
    """A moment with a time zone as numpy's, which has none and means UTC."""
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def as_datetime(moment: np.datetime64) -> datetime:
    """The opposite of ``as_moment``."""
    found: datetime = moment.astype("datetime64[us]").item()
    return found.replace(tzinfo=UTC)


def read_dataset(settings: Settings, latest: datetime) -> Dataset:
    """The source that ``settings`` name. Left out is what an ingest would set aside row by row, and what says nothing for an item.

    latest: now; whatever is said to have happened later did not.

    Raises SourceError and SettingsError when there is no such source, and NotEnoughData when no row is left.
    """
    reader, source = adapter(settings.source, settings), open_source(settings)
    objects = {found.name: found for found in source.list()}
    roles = reader.discover(list(objects), source.where)
    gathered = Gathered(settings.events, reader.identical_rows == "duplicate", latest)
    with tempfile.TemporaryDirectory(prefix="outfitter-") as spool:
        for place, (name, role) in enumerate(roles.items()):
            report("read", name, done=place, total=len(roles))
            file = SourceFile(source.fetch(objects[name], Path(spool)), name, role)
            gathered.begin_file()
            for frames in reader.read(file):
                gathered.add(frames)
    if not gathered.rows:
        raise NotEnoughData(f"{source.where} holds no interaction that can be learnt from", _why(gathered.dropped))
    found = assembled(reader.name, reader.synthetic_time, gathered)
    report("read", f"{len(found.user):,} interactions, {found.n_users:,} users, {found.items.height:,} items", "done")
    return found


def _why(dropped: Counter[str]) -> str:
    return "Left out were " + (", ".join(f"{count:,} rows: {reason}" for reason, count in dropped.items()) or "no rows") + "."


def assembled(name: str, synthetic_time: bool, gathered: Gathered) -> Dataset:
    """The data set of all that was gathered of a source; there must be an interaction."""
    rows, items = gathered.interactions(), gathered.catalogue()
    matrix, names = attribute_matrix(items)
    return Dataset(
        name,
        gathered.users.ids(),
        items,
        rows["user"].to_numpy(),
        rows["item"].to_numpy(),
        rows["timestamp"].dt.replace_time_zone(None).to_numpy(),
        rows["sequence"].to_numpy(),
        rows["weight"].to_numpy(),
        rows["taken"].to_numpy(),
        rows["event"].to_numpy(),
        rows["value"].to_numpy(),
        attributes=matrix,
        attribute_names=names,
        synthetic_time=synthetic_time,
        dropped=dict(gathered.dropped),
    )
