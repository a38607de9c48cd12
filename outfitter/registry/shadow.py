"""A shadow run: what a challenger would show to tonight's users, published nowhere, beside what the champion shows them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.metrics import coverage, diversity, kendall, overlap
from outfitter.errors import ModelError
from outfitter.evaluation.inputs import attributes, catalogue
from outfitter.evaluation.training import Material
from outfitter.lake import stages
from outfitter.registry.batches import Batch, lists_for, lists_of, open_batch, published, require_answers, validate_lists
from outfitter.registry.guardrails import Guardrail, told
from outfitter.registry.versions import Registry, Version

log = logging.getLogger("outfitter.registry")

SETTINGS = ("shadow_users", "gate_min_coverage", "gate_min_diversity", "gate_min_overlap")


@dataclass(frozen=True)
class Side:
    """What one version's lists are like. coverage: share of what is sellable; diversity: mean over users, by what the catalogue says."""

    version: str
    model: str
    coverage: float
    diversity: float


@dataclass(frozen=True)
class Shadow:
    """Two versions' lists for the same users. overlap: share of a list that stands in the other; order: Kendall's tau of what does.

    Means over ``users``; None where there is no champion to compare with, or nobody's two lists have two items in common.
    """

    as_of: str
    users: int
    challenger: Side
    champion: Side | None
    overlap: float | None
    order: float | None
    guardrails: tuple[Guardrail, ...]

    @property
    def broken(self) -> str:
        """What stops the challenger; empty when nothing does."""
        return told(rail for rail in self.guardrails if not rail.holds)

    @property
    def line(self) -> str:
        """All of it in a sentence."""
        if self.champion is None or self.overlap is None:
            return f"{self.users:,} users would have been shown {self.challenger.coverage:.1%} of what is sellable"
        order = "" if self.order is None else f" in an order of tau {self.order:.2f}"
        spread = f"coverage {self.challenger.coverage:.1%} against {self.champion.coverage:.1%}"
        varied = f"diversity {self.challenger.diversity:.2f} against {self.champion.diversity:.2f}"
        return f"{self.users:,} users would keep {self.overlap:.0%} of their lists{order}; {spread}, {varied}"

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Shadow:
        """Out of what ``dataclasses.asdict`` made of one."""
        champion = Side(**record["champion"]) if record["champion"] else None
        rails = tuple(Guardrail(**rail) for rail in record["guardrails"])
        return cls(**{**record, "challenger": Side(**record["challenger"]), "champion": champion, "guardrails": rails})


def shadow_run(material: Material, challenger: Version, champion: Version | None, as_of: datetime, at: datetime) -> Shadow:
    """Score users of whole buckets, ``shadow_users`` of them or more, with both; what was compared before is told again.

    The champion's published lists are read where there are some. A champion that cannot answer is left out of the comparison.
    Raises ModelError when the challenger cannot be loaded or asked.
    """
    batch = open_batch(material, challenger, as_of)
    against = _opened(material, champion, as_of)
    settings = {name: getattr(material.settings, name) for name in SETTINGS}
    versions = [(one.id, one.version.version) if one else None for one in (batch, against)]
    print_ = stages.fingerprint("shadow", versions=versions, settings=settings)
    if (done := stages.find(batch.lake, "shadow", print_)) is not None:
        return Shadow.of(done)
    return Shadow.of(stages.record(batch.lake, "shadow", print_, asdict(_compared(batch, against)), at))


def note_shadow(registry: Registry, run_id: str, found: Shadow) -> None:
    """Write a shadow run to the challenger's MLflow run: a tag, and ``shadow.json`` in place of the night's before."""
    text = json.dumps(asdict(found), indent=1)
    registry.annotate(run_id, {"outfitter.shadow": found.broken or found.line}, {}, {"shadow.json": text})


def _opened(material: Material, champion: Version | None, as_of: datetime) -> Batch | None:
    try:
        return None if champion is None else require_answers(open_batch(material, champion, as_of))
    except ModelError as error:
        log.warning("the shadow run has nothing to compare with: %s", error.message)
        return None


def _compared(batch: Batch, against: Batch | None) -> Shadow:
    buckets = _buckets(batch)
    mine = lists_for(batch, buckets).sort("user_key")
    theirs = None if against is None else _shown(against, buckets).sort("user_key")
    side = _side(batch, mine)
    other = None if against is None or theirs is None else _side(against, theirs)
    alike, order = (None, None) if theirs is None else _agreement(mine, theirs)
    rails = (_valid(batch, mine), *(() if other is None else _held(batch, side, other, alike)))
    return Shadow(batch.as_of.isoformat(), mine.height, side, other, alike, order, rails)


def _buckets(batch: Batch) -> list[int]:
    """The first buckets that hold enough users: who is in which is as good as drawn."""
    counts = batch.material.snapshot.users().group_by("bucket").len().sort("bucket").collect()
    before = counts["len"].cum_sum() - counts["len"]
    return counts.filter(before < batch.material.settings.shadow_users)["bucket"].to_list()


def _shown(batch: Batch, buckets: list[int]) -> pl.DataFrame:
    if published(batch.lake, batch.id) is None:
        return lists_for(batch, buckets)
    return lists_of(batch.lake, batch.id).filter(pl.col("bucket").is_in(buckets)).collect()


def _side(batch: Batch, lists: pl.DataFrame) -> Side:
    snapshot, settings = batch.material.snapshot, batch.material.settings
    everything = catalogue(snapshot, batch.as_of)
    keys = _padded(lists, settings.list_length)
    places = np.where(keys >= 0, everything.positions(keys.ravel()).reshape(keys.shape), -1).astype(np.int32)
    varied = diversity(places, attributes(snapshot, everything, batch.as_of))
    spread = coverage(keys, int(batch.available.sum()))
    return Side(batch.version.version, batch.model.name, spread, float(np.nanmean(varied)) if np.isfinite(varied).any() else 0.0)


def _padded(lists: pl.DataFrame, k: int) -> NDArray[np.int32]:
    """int32[n, k]: the item keys of the lists, padded with -1."""
    out = np.full((lists.height, k), -1, np.int32)
    lengths = lists["items"].list.len().to_numpy()
    out[np.arange(k) < lengths[:, None]] = lists["items"].explode().drop_nulls().to_numpy()
    return out


def _agreement(mine: pl.DataFrame, theirs: pl.DataFrame) -> tuple[float, float | None]:
    width = max(1, *(int(lists["items"].list.len().max() or 0) for lists in (mine, theirs)))  # type: ignore[arg-type]
    one, other = _padded(mine, width), _padded(theirs, width)
    order = kendall(one, other)
    return float(np.nan_to_num(overlap(one, other)).mean()), float(np.nanmean(order)) if np.isfinite(order).any() else None


def _valid(batch: Batch, lists: pl.DataFrame) -> Guardrail:
    """By the suite that a batch must pass before it is published."""
    settings = batch.material.settings
    found = validate_lists(batch, lists, lists.height, f"shadow: {batch.id}", settings.reports / "validation")
    return Guardrail("valid lists", found.passed, "; ".join(found.stops) or f"all of {lists.height:,} hold to the recommendations suite")


def _held(batch: Batch, mine: Side, theirs: Side, alike: float | None) -> tuple[Guardrail, ...]:
    settings = batch.material.settings
    least_spread, least_varied = settings.gate_min_coverage * theirs.coverage, settings.gate_min_diversity * theirs.diversity
    spread = f"{mine.coverage:.1%} of what is sellable, least {least_spread:.1%}"
    varied = f"{mine.diversity:.2f} within a list, least {least_varied:.2f}"
    common = f"{alike or 0:.1%} of a list stays, least {settings.gate_min_overlap:.1%}"
    return (
        Guardrail("coverage tonight", mine.coverage >= least_spread, spread),
        Guardrail("diversity tonight", mine.diversity >= least_varied, varied),
        Guardrail("overlap tonight", (alike or 0) >= settings.gate_min_overlap, common),
    )
