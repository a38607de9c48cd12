"""Where a model comes from: the code, the data and what was found wrong with them, and the features."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import polars as pl

from models.base import Recommender
from models.families import family
from outfitter import __version__
from outfitter.evaluation.training import Material
from outfitter.features.spec import FEATURES_VERSION
from outfitter.lake.snapshot import live_deliveries

VALIDATIONS = "validations.json"
TOLD = ("delivery_id", "object", "status", "rows_in", "rows_accepted", "rows_quarantined", "validation_id", "reason", "warnings")


def provenance(material: Material) -> dict[str, str]:
    """Tags for a run or a version."""
    return {
        "outfitter.code": revision(),
        "outfitter.snapshot": material.snapshot.id,
        "outfitter.materialization": material.materialization,
        "outfitter.deliveries": _line(material),
        "outfitter.feature_service": f"training_v{FEATURES_VERSION}",
    }


def described(model: Recommender) -> dict[str, str]:
    """Tags of a version that a run has as parameters: MLflow does not show those beside a version."""
    told = {
        "outfitter.model": model.name,
        "outfitter.params": json.dumps(model.params(), sort_keys=True),
        "outfitter.fit_until": model.fit_until,
    }
    return told if family(model.name).reads_features else {**told, "outfitter.feature_service": "none: reads histories alone"}


def validations(material: Material) -> dict[str, str]:
    """The artifact that says what validation found of each delivery that the lake knows, those that were stopped included."""
    return {VALIDATIONS: json.dumps(_ledger(material).to_dicts(), indent=1, default=str)}


def _ledger(material: Material) -> pl.DataFrame:
    return live_deliveries(material.snapshot.lake).select(name for name in TOLD)


def _line(material: Material) -> str:
    ledger = _ledger(material)
    counts = Counter(ledger["status"].to_list())
    rows = f"{ledger['rows_quarantined'].sum():,} of {ledger['rows_in'].sum():,} rows quarantined"
    return f"{', '.join(f'{count:,} {status}' for status, count in sorted(counts.items()))}; {rows}"


@cache
def revision() -> str:
    """The version of the package, with its git revision where it runs from a checkout, and ``+`` when that has changes.

    A package that is installed inside of somebody else's repository is not a part of it.
    """
    code = Path(__file__)
    if (git := shutil.which("git")) is None or not _said(git, code, "ls-files", code.name):
        return __version__
    changed = "+" if _said(git, code, "status", "--porcelain", "--untracked-files=no") else ""
    return f"{__version__} {_said(git, code, 'rev-parse', 'HEAD')}{changed}"


def _said(git: str, code: Path, *words: str) -> str:
    command = [git, "-C", str(code.parent), *words]  # words of this file, and git as the shell would find it
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
