"""The error analysis of one or several models on one fold: a page that opens anywhere, and the same figures as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.data import Positions
from outfitter.evaluation.report.case import Case
from outfitter.evaluation.report.figures import analyse
from outfitter.evaluation.report.page import page

__all__ = ["Case", "write_report"]


def write_report(folder: Path, title: str, shown: Mapping[str, Positions], case: Case, samples: int, seed: int, note: str = "") -> Path:
    """Write ``index.html`` and ``figures.json`` into ``folder`` and return the page's path; what lies there is replaced.

    shown: what each model showed, int32[n, k] positions, best first, padded with -1, in the order of the case's users. samples: resamples
    behind the intervals. note: a sentence for the reader on what the fold is. Raises ModelError for lists of other users.
    """
    analysis = analyse(shown, case, samples, seed)
    folder.mkdir(parents=True, exist_ok=True)
    told = _without_nan({"title": title, "note": note, **asdict(analysis)})
    (folder / "figures.json").write_text(json.dumps(told, indent=1, allow_nan=False), encoding="utf-8")
    target = folder / "index.html"
    target.write_text(page(title, note, analysis), encoding="utf-8")
    return target


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: a figure that does not exist is null."""
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
