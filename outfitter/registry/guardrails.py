"""What a promotion must not break, however much better the new model is on average."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outfitter.evaluation.bootstrap import difference
from outfitter.evaluation.exam import METRIC, Exam, Result
from outfitter.settings import Settings

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Guardrail:
    """One thing a promotion must not break, and what was found."""

    name: str
    holds: bool
    finding: str


def told(rails: Iterable[Guardrail]) -> str:
    """Their findings in one line."""
    return "; ".join(f"{rail.name}: {rail.finding}" for rail in rails)


def segments(exam: Exam) -> dict[str, Mask]:
    """Users by how much they had taken before the exam."""
    activity = exam.activity
    return {"no history": activity == 0, "1 to 4 items": (activity > 0) & (activity < 5), "5 items or more": activity >= 5}


def guardrails(challenger: Result, champion: Result, segments: Mapping[str, Mask], settings: Settings) -> tuple[Guardrail, ...]:
    """One for each segment of more than one user, and those of the lists as a whole and of what they cost."""
    counted = {name: mask for name, mask in segments.items() if mask.sum() > 1}
    return (
        *(_segment(name, mask, challenger, champion, settings, len(counted)) for name, mask in counted.items()),
        _coverage(challenger, champion, settings),
        _popularity(challenger, champion, settings),
        _latency(challenger, settings),
        _memory(challenger, settings),
    )


def _segment(name: str, mask: Mask, challenger: Result, champion: Result, settings: Settings, segments: int) -> Guardrail:
    """A segment is harmed when the loss exceeds the margin and the interval says that it is no accident.

    Of several segments one may look harmed by accident, so the error of all together is ``gate_alpha`` (Bonferroni).
    """
    now, before = challenger.per_user[METRIC][mask], champion.per_user[METRIC][mask]
    change = difference(now, before, settings.bootstrap_samples, settings.seed, settings.gate_alpha / segments)
    harmed = change.high < 0 and change.mean < -settings.gate_margin * before.mean()
    return Guardrail(f"segment '{name}'", not harmed, f"NDCG change {change} over {int(mask.sum()):,} users")


def _coverage(challenger: Result, champion: Result, settings: Settings) -> Guardrail:
    least = settings.gate_min_coverage * champion.coverage
    return Guardrail("coverage", challenger.coverage >= least, f"{challenger.coverage:.1%} of the sellable items, least {least:.1%}")


def _popularity(challenger: Result, champion: Result, settings: Settings) -> Guardrail:
    """Lists that drift towards what everybody buys sell well for a while and bury the rest of the catalogue."""
    most = champion.popularity + settings.gate_max_popularity
    found = f"the lists stand at the {challenger.popularity:.0%} of the items by popularity, at most {min(most, 1):.0%}"
    return Guardrail("popularity", challenger.popularity <= most, found)


def _latency(challenger: Result, settings: Settings) -> Guardrail:
    milliseconds = 1000 * challenger.seconds / len(challenger.per_user[METRIC])
    return Guardrail("latency", milliseconds <= settings.gate_max_ms, f"{milliseconds:.2f} ms a user, most {settings.gate_max_ms:g}")


def _memory(challenger: Result, settings: Settings) -> Guardrail:
    found = f"{challenger.megabytes:,.0f} MiB of arrays, most {settings.gate_max_mb:,}"
    return Guardrail("memory", challenger.megabytes <= settings.gate_max_mb, found)
