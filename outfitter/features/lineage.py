"""Which rows are the newest: a whole computation of everybody, and after it links that hold only the users who changed since.

The rows of a link lie in ``user_features`` under the link's name; the newest row of a user is the one in the last link that names him.
A row without ``last_items`` says that the user has no row any more. Item rows are few, so each link holds them all. Links and what they
add up to are one record in ``stages``, written when all rows are in: what a killed run has left is in nobody's lineage.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

from outfitter.features.spec import FEATURES_VERSION
from outfitter.lake import stages
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake

STAGE = "newest features"


@dataclass(frozen=True)
class Point:
    """What feature rows are of: a snapshot as of a cut-off, computed by one set of rules."""

    snapshot: str
    versions: dict[str, int]
    as_of: datetime
    cutoff: datetime
    rules: str  # hash of the feature list's version, the targets and the code's version

    @property
    def id(self) -> str:
        """Where the tables' versions differ and the deliveries do not, the rows are the same."""
        return stages.fingerprint(STAGE, snapshot=self.snapshot, cutoff=self.cutoff, rules=self.rules)

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "as_of": self.as_of.isoformat(), "cutoff": self.cutoff.isoformat()}

    @classmethod
    def of(cls, told: dict[str, Any]) -> Point:
        return cls(**{**told, "as_of": datetime.fromisoformat(told["as_of"]), "cutoff": datetime.fromisoformat(told["cutoff"])})

    def open(self, lake: Lake) -> Snapshot:
        return Snapshot(lake, self.snapshot, self.as_of, self.versions)


def point_of(snapshot: Snapshot, cutoff: datetime, targets: Collection[str]) -> Point:
    rules = stages.fingerprint("materialize", features=FEATURES_VERSION, targets=sorted(targets))
    return Point(snapshot.id, snapshot.versions, snapshot.as_of, cutoff, rules)


@dataclass(frozen=True)
class Link:
    """The rows under one name, and the id of the point that they bring the links before them up to.

    cutoff: of a materialization that holds other cut-offs too, the one that belongs here; None where all rows do.
    """

    name: str
    point: str
    rows: int
    cutoff: str | None = None  # ISO 8601


@dataclass(frozen=True)
class Lineage:
    """The links, oldest first; the first holds everybody."""

    point: Point
    links: tuple[Link, ...]
    number: int  # counts the records

    def since(self, point: str) -> tuple[Link, ...] | None:
        """The links after the one that led to ``point``, or None where none did."""
        at = [number for number, link in enumerate(self.links) if link.point == point]
        return self.links[at[-1] + 1 :] if at else None


def recorded(lake: Lake) -> list[Lineage]:
    """Every lineage that was recorded, oldest first."""
    texts = lake.scan("stages").filter(pl.col("stage") == STAGE).select("outputs").collect()["outputs"]
    told = sorted((json.loads(text) for text in texts), key=lambda one: one["number"])
    return [Lineage(Point.of(one["point"]), tuple(Link(**link) for link in one["links"]), one["number"]) for one in told]


def newest(lake: Lake) -> Lineage | None:
    """The lineage recorded last, or None before the first."""
    return next(reversed(recorded(lake)), None)


def record(lake: Lake, point: Point, links: Sequence[Link], at: datetime) -> Lineage:
    """Make these links the newest lineage; nothing happens when they are that already."""
    before = newest(lake)
    if before and before.links == tuple(links):
        return before
    lineage = Lineage(point, tuple(links), before.number + 1 if before else 0)
    told = [asdict(link) for link in links]
    outputs = {"point": point.told(), "links": told, "number": lineage.number}
    stages.record(lake, STAGE, stages.fingerprint(STAGE, number=lineage.number, links=told), outputs, at)
    return lineage


def link_to(lake: Lake, point: str) -> Link | None:
    """The link that last led to a point, in whatever lineage."""
    found = [link for lineage in recorded(lake) for link in lineage.links if link.point == point]
    return found[-1] if found else None


def current(features: Lake, links: Sequence[Link], which: pl.Expr) -> pl.DataFrame:
    """Each user's newest row in ``links`` (oldest first), by user; one without ``last_items`` stands for a user without a row.

    which: the rows in question, by bucket or user.
    """
    rows = features.scan("user_features").filter(which & of(links)).collect()
    order = pl.col("materialization").replace_strict({link.name: at for at, link in enumerate(links)}, return_dtype=pl.Int32)
    return rows.sort("user_key", order).unique("user_key", keep="last", maintain_order=True)


def present(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("last_items").is_not_null())


def current_items(features: Lake, link: Link) -> pl.DataFrame:
    """The item rows of a link, by item; none where they have been cleared away."""
    return features.scan("item_features").filter(of([link])).sort("item_key").collect()


def of(links: Sequence[Link]) -> pl.Expr:
    """Whether a feature row belongs to one of these links."""
    everywhere = [link.name for link in links if link.cutoff is None]
    dated = [(link.name, datetime.fromisoformat(link.cutoff)) for link in links if link.cutoff]
    at_a_cutoff = [(pl.col("materialization") == name) & (pl.col("cutoff") == cutoff) for name, cutoff in dated]
    whole = pl.col("materialization").is_in(pl.Series(everywhere, dtype=pl.String).implode())
    return pl.any_horizontal(whole, *at_a_cutoff)
