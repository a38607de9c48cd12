"""The promotion gate: whether a challenger may take the champion's place, decided by paired statistics on the same users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from outfitter.evaluation.bootstrap import Interval, detectable_effect, difference, interval, users_needed
from outfitter.evaluation.exam import PerUser, Result
from outfitter.settings import Settings

Verdict = Literal["bootstrap", "promoted", "refreshed", "not better", "not enough evidence", "guardrail", "too good"]
LIVE: tuple[Verdict, ...] = ("bootstrap", "promoted", "refreshed")
METRIC = "ndcg"
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Guardrail:
    """One thing a promotion must not break, and what was found."""

    name: str
    holds: bool
    finding: str


@dataclass(frozen=True)
class Decision:
    """What the gate said and the numbers it said it on. ``gain`` is the mean paired difference in NDCG, challenger less champion."""

    verdict: Verdict
    reason: str
    challenger: str
    champion: str | None = None
    users: int = 0
    users_needed: int | None = None
    gain: Interval | None = None
    relative_gain: float | None = None
    detectable: float | None = None  # smallest relative gain these users could have shown
    guardrails: tuple[Guardrail, ...] = field(default=())

    @property
    def goes_live(self) -> bool:
        return self.verdict in LIVE

    def record(self) -> dict[str, Any]:
        return asdict(self)


def decide(
    challenger: Result, champion: Result, baselines: Sequence[Result], segments: Mapping[str, Mask], settings: Settings, refresh: bool
) -> Decision:
    """The verdict on a challenger that sat the same exam as the champion and the baselines.

    A new kind of model must be better than the champion and every baseline: the lower ``gate_alpha`` bound of the paired bootstrap above
    zero. A refresh (the champion's own recipe on newer data) must not be worse by ``gate_margin``. Where that is not shown, the verdict
    says whether there were too few users to show a gain of ``gate_effect`` ("not enough evidence") or enough ("not better").
    """
    differences = challenger.per_user[METRIC] - champion.per_user[METRIC]
    gain = interval(differences, settings.bootstrap_samples, settings.seed, settings.gate_alpha)
    power = _power(differences, champion.mean(METRIC), settings)
    verdict, reason = _verdict(challenger, champion, baselines, gain, power, settings, refresh)
    guardrails = _guardrails(challenger, champion, segments, settings)
    broken = [rail for rail in guardrails if not rail.holds]
    if verdict in LIVE and broken:
        verdict, reason = "guardrail", "; ".join(f"{rail.name}: {rail.finding}" for rail in broken)
    return Decision(
        verdict,
        reason,
        challenger.recipe.model,
        champion.recipe.model,
        len(differences),
        power.users if power else None,
        gain,
        gain.mean / champion.mean(METRIC) if power else None,
        power.detectable if power else None,
        guardrails,
    )


@dataclass(frozen=True)
class _Power:
    """What these users can show: how many it takes for a gain of ``gate_effect``, and the smallest relative gain they could have shown."""

    users: int
    detectable: float


def _power(differences: PerUser, rival: float, settings: Settings) -> _Power | None:
    """None where a relative gain means nothing: the champion found nothing, or one user cannot vary."""
    if len(differences) < 2 or not rival:
        return None
    needed = users_needed(differences, settings.gate_effect * rival, settings.gate_alpha, settings.gate_power)
    seen = detectable_effect(differences, settings.gate_alpha, settings.gate_power) / rival
    return _Power(max(needed, settings.gate_min_users), seen)


def _verdict(
    challenger: Result,
    champion: Result,
    baselines: Sequence[Result],
    gain: Interval,
    power: _Power | None,
    settings: Settings,
    refresh: bool,
) -> tuple[Verdict, str]:
    users, rival = len(champion.per_user[METRIC]), champion.mean(METRIC)
    shown = f"NDCG@{settings.list_length} {challenger.mean(METRIC):.4f} against {rival:.4f} on {users:,} users, difference {gain}"
    if not (challenger.per_user[METRIC].any() or champion.per_user[METRIC].any()):
        return "not enough evidence", f"no model found anything that the {users:,} users of the test window took: nothing can be measured"
    if users < settings.gate_min_users:
        needed = power.users if power else settings.gate_min_users
        return "not enough evidence", f"{users:,} users acted in the test window, {needed:,} are needed{_limits(power)}"
    if challenger.mean(METRIC) > settings.gate_too_good:
        return "too good", f"{shown}: above {settings.gate_too_good:g}, which looks like a leak of the future into the features"
    if not refresh:
        return _against_baselines(challenger, baselines, settings, shown) if gain.low > 0 else _no_gain(gain, users, power, settings, shown)
    if gain.low >= -settings.gate_margin * rival:
        return "refreshed", f"not worse than before: {shown}"
    return "not better", f"the refresh may be worse: {shown}"


def _no_gain(gain: Interval, users: int, power: _Power | None, settings: Settings, shown: str) -> tuple[Verdict, str]:
    if gain.high < 0 or (power and users >= power.users):
        return "not better", shown
    if power is None:
        return "not enough evidence", f"{shown}; the champion found nothing, so how many users it takes cannot be told"
    return "not enough evidence", f"{shown}; a gain of {settings.gate_effect:.0%} needs {power.users:,} users{_limits(power)}"


def _limits(power: _Power | None) -> str:
    return f"; only a gain of {power.detectable:.0%} or more could have been seen" if power and power.detectable else ""


def _against_baselines(challenger: Result, baselines: Sequence[Result], settings: Settings, shown: str) -> tuple[Verdict, str]:
    for baseline in baselines:
        gain = difference(
            challenger.per_user[METRIC], baseline.per_user[METRIC], settings.bootstrap_samples, settings.seed, settings.gate_alpha
        )
        if gain.low <= 0:
            return "not better", f"not shown to be better than the baseline {baseline.recipe.model} ({baseline.mean(METRIC):.4f}); {shown}"
    return "promoted", shown


def _guardrails(challenger: Result, champion: Result, segments: Mapping[str, Mask], settings: Settings) -> tuple[Guardrail, ...]:
    least = settings.gate_min_coverage * champion.coverage
    milliseconds = 1000 * challenger.seconds / len(challenger.per_user[METRIC])
    rails = [_segment(name, mask, challenger, champion, settings) for name, mask in segments.items() if mask.sum() > 1]
    rails.append(Guardrail("coverage", challenger.coverage >= least, f"{challenger.coverage:.1%} of the sellable items, least {least:.1%}"))
    rails.append(Guardrail("latency", milliseconds <= settings.gate_max_ms, f"{milliseconds:.2f} ms a user, most {settings.gate_max_ms:g}"))
    return tuple(rails)


def _segment(name: str, mask: Mask, challenger: Result, champion: Result, settings: Settings) -> Guardrail:
    """A segment is harmed when the loss exceeds the margin and the interval says that it is no accident."""
    now, before = challenger.per_user[METRIC][mask], champion.per_user[METRIC][mask]
    change = difference(now, before, settings.bootstrap_samples, settings.seed, settings.gate_alpha)
    harmed = change.high < 0 and change.mean < -settings.gate_margin * before.mean()
    return Guardrail(f"segment '{name}'", not harmed, f"NDCG change {change} over {int(mask.sum()):,} users")
