"""A registered version fitted once more from what its run has recorded, and measured in the same exam: the figures must be the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.families import build, family
from outfitter.errors import ModelError
from outfitter.evaluation.exam import METRICS, Result, set_exam, sit
from outfitter.evaluation.training import Material, training_data
from outfitter.lake.holdings import require_readable
from outfitter.lake.snapshot import open_snapshot
from outfitter.lake.tables import Lake
from outfitter.registry.contest import recipe_of
from outfitter.registry.versions import Registry, Version
from outfitter.settings import Settings

RECORDED = ("snapshot", "materialization", "asked", "until", "settings")
TOLERANCE = 1e-12
"""Up to here two means are the same. Adding a million figures of 0 to 1 pairwise in another order moves their mean by less than 1e-14; one
user of a million whose hit stands one place lower in a list of 12 moves the NDCG by more than 1e-9."""


@dataclass(frozen=True)
class Reproduction:
    """The means a version carries and those of its recipe fitted again, by the names they are logged under."""

    version: Version
    material: Material
    asked: datetime
    until: datetime
    recorded: Mapping[str, float]
    reproduced: Mapping[str, float]

    @property
    def differing(self) -> list[str]:
        """The metrics that did not come out the same."""
        return [name for name, value in self.recorded.items() if abs(value - self.reproduced[name]) > TOLERANCE]

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        metrics = {name: {"recorded": value, "reproduced": self.reproduced[name]} for name, value in self.recorded.items()}
        return {
            "version": self.version.version,
            "model": recipe_of(self.version).model,
            "run_id": self.version.run_id,
            "snapshot": self.material.snapshot.id,
            "materialization": self.material.materialization,
            "asked": self.asked.isoformat(),
            "until": self.until.isoformat(),
            "metrics": metrics,
            "differing": self.differing,
            "same": not self.differing,
        }

    def require_same(self) -> None:
        """Raises ModelError naming what differs."""
        if not self.differing:
            return
        told = "; ".join(f"{name} was {self.recorded[name]:.10g} and is {self.reproduced[name]:.10g}" for name in self.differing)
        raise ModelError(
            f"version {self.version.version} does not come out the same again: {told}",
            "On a CPU it should. Look for other versions of Outfitter or of its libraries than it was fitted with, or a fit on a GPU.",
        )


def reproduce(lake: Lake, features: Lake, registry: Registry, settings: Settings, number: str) -> Reproduction:
    """Fit the recipe of a version on its recorded snapshot, feature rows and settings, up to the exam in which it was measured, and sit it.

    The fit starts from nothing: checkpoints are neither read nor written. Raises ModelError where the run does not say what it was fitted
    with or its feature rows are gone, LakeError where the snapshot's rows are.
    """
    version = registry.version(number)
    run = registry.run(version.run_id)
    tags = _tags(version, run.data.tags)
    asked, until = (datetime.fromisoformat(tags[name]) for name in ("asked", "until"))
    snapshot = require_readable(open_snapshot(lake, tags["snapshot"]))
    material = Material(snapshot, features, tags["materialization"], as_then(settings, tags["settings"]))
    rows = material.rows("user_features", asked)
    if rows.is_empty():
        raise ModelError(f"the feature rows '{material.materialization}' of version {number} are gone", "Restore the lake from a backup.")
    recipe = recipe_of(version)
    data = training_data(material, asked, with_rows=family(recipe.model).reads_features)
    result = sit(set_exam(snapshot, material.settings, asked, until, rows), build(recipe).fit(data))
    found = means(result, material.settings.list_length)
    recorded = {name: value for name, value in run.data.metrics.items() if name in found}
    return Reproduction(version, material, asked, until, recorded, found)


def means(result: Result, k: int) -> dict[str, float]:
    """What a version is known for, by the names under which its run has them: the mean of each metric, coverage, and how many users."""
    users = len(next(iter(result.per_user.values())))
    return {**{f"{name}_at_{k}": result.mean(name) for name in METRICS}, "coverage": result.coverage, "users": float(users)}


def as_then(settings: Settings, recorded: str) -> Settings:
    """``settings`` with those that a run was fitted with, from their JSON."""
    told = type(settings)(home=settings.home, **json.loads(recorded))
    return settings.model_copy(update={name: getattr(told, name) for name in json.loads(recorded)})


def _tags(version: Version, tags: Mapping[str, str]) -> dict[str, str]:
    """Those of RECORDED."""
    found = {name: tags[f"outfitter.{name}"] for name in RECORDED if f"outfitter.{name}" in tags}
    if lacking := [name for name in RECORDED if name not in found]:
        raise ModelError(
            f"version {version.version} cannot be fitted again: its run does not say with which {', '.join(lacking)}",
            "It was made before that was recorded; whatever 'outfitter train' makes now can be reproduced.",
        )
    return found
