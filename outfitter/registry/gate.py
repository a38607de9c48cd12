"""The promotion gate: whether a challenger may take the champion's place, decided by paired statistics on the same users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from outfitter.evaluation.bootstrap import Interval, detectable_effect, interval_of, resampled_means, users_needed
from outfitter.evaluation.exam import METRIC, PerUser, Result
from outfitter.evaluation.permutation import p_better
from outfitter.evaluation.report.density import Density
from outfitter.registry.guardrails import Guardrail, Mask, guardrails, told
from outfitter.registry.shadow import Shadow
from outfitter.settings import Settings

Verdict = Literal[
    "bootstrap",
    "promoted",
    "refreshed",
    "not better",
    "not enough evidence",
    "guardrail",
    "too good",
    "by hand",
    "rolled back",
    "moved outside",
]
"""The last three are no gate's: see ``outfitter.registry.production``."""
LIVE: tuple[Verdict, ...] = ("bootstrap", "promoted", "refreshed")
WAITING: tuple[Verdict, ...] = ("not enough evidence", "guardrail")
"""Their model is registered too, as the alias ``challenger``: it runs in the shadow, and a person may promote it."""


@dataclass(frozen=True)
class Comparison:
    """The challenger beside one rival on the same users: the rival's mean, the paired gain in NDCG, and the p-value of sign flips.

    resamples: where the gain lies when the users are drawn again, for a picture.
    """

    rival: str
    mean: float
    gain: Interval
    p: float
    resamples: Density | None = None

    def shows_a_gain(self, alpha: float) -> bool:
        """Both tests must say so: the bootstrap, whose interval is the figure to quote, and the permutation as a check on it."""
        return self.gain.low > 0 and self.p <= alpha


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
    comparisons: tuple[Comparison, ...] = field(default=())  # the champion first
    others: tuple[Decision, ...] = field(default=())  # who else stood, in turn
    shadow: Shadow | None = None  # what would have been shown tonight

    @property
    def goes_live(self) -> bool:
        return self.verdict in LIVE

    def record(self) -> dict[str, Any]:
        return asdict(self)

    def lets_the_next_stand(self, alpha: float) -> bool:
        """Whether it was better than the champion and yet stays out: then a simpler model may stand (``standing.challengers``)."""
        return self.verdict in ("not better", "guardrail") and bool(self.comparisons) and self.comparisons[0].shows_a_gain(alpha)

    def after(self, shadow: Shadow) -> Decision:
        """The same decision once tonight's lists are known: what they break keeps it from going live."""
        if self.goes_live and shadow.broken:
            return replace(self, shadow=shadow, verdict="guardrail", reason=f"in the shadow run, {shadow.broken}; {self.reason}")
        return replace(self, shadow=shadow)


def decide(
    challenger: Result, champion: Result, baselines: Sequence[Result], segments: Mapping[str, Mask], settings: Settings, refresh: bool
) -> Decision:
    """The verdict on a challenger that sat the same exam as the champion and the baselines.

    A new kind of model must be better than the champion and every baseline: the lower ``gate_alpha`` bound of the paired bootstrap above
    zero, and sign flips as sure. It must beat all of them, so no correction for their number is due (Berger, Multiparameter hypothesis
    testing and acceptance sampling, 1982). A refresh (the champion's own recipe on newer data) must not be worse by ``gate_margin``.
    Where that is not shown, the verdict
    says whether there were too few users to show a gain of ``gate_effect`` ("not enough evidence") or enough ("not better").
    """
    differences = challenger.per_user[METRIC] - champion.per_user[METRIC]
    power = _power(differences, champion.mean(METRIC), settings)
    comparisons = tuple(compared(challenger, rival, settings) for rival in (champion, *baselines))
    verdict, reason = _verdict(challenger, comparisons, len(differences), power, settings, refresh)
    rails = guardrails(challenger, champion, segments, settings)
    broken = [rail for rail in rails if not rail.holds]
    if verdict in LIVE and broken:
        verdict, reason = "guardrail", told(broken)
    return Decision(
        verdict,
        reason,
        challenger.recipe.model,
        champion.recipe.model,
        len(differences),
        power.users if power else None,
        comparisons[0].gain,
        comparisons[0].gain.mean / champion.mean(METRIC) if power else None,
        power.detectable if power else None,
        rails,
        comparisons,
    )


def compared(challenger: Result, rival: Result, settings: Settings) -> Comparison:
    """The challenger beside one rival that sat the same exam."""
    gained = challenger.per_user[METRIC] - rival.per_user[METRIC]
    means = resampled_means(gained, settings.bootstrap_samples, settings.seed)
    gain, p = interval_of(gained, means, settings.gate_alpha), p_better(gained, settings.bootstrap_samples, settings.seed)
    return Comparison(rival.recipe.model, rival.mean(METRIC), gain, p, Density.of(means))


@dataclass(frozen=True)
class _Power:
    """What these users can show: how many it takes for a gain of ``gate_effect``, and the smallest relative gain they could have shown."""

    users: int
    detectable: float


def _power(differences: PerUser, rival: float, settings: Settings) -> _Power | None:
    """None where a relative gain means nothing: the champion found nothing, or one user cannot vary."""
    if len(differences) < 2 or not rival:
        return None
    tests = settings.gate_alpha, settings.gate_power, settings.bootstrap_samples
    needed, seen = users_needed(differences, settings.gate_effect * rival, *tests), detectable_effect(differences, *tests) / rival
    return _Power(max(needed, settings.gate_min_users), seen)


def _verdict(
    challenger: Result, comparisons: Sequence[Comparison], users: int, power: _Power | None, settings: Settings, refresh: bool
) -> tuple[Verdict, str]:
    mean, champion = challenger.mean(METRIC), comparisons[0]
    shown = f"NDCG@{settings.list_length} {mean:.4f} against {champion.mean:.4f} on {users:,} users, difference {champion.gain}"
    if not (mean or champion.mean):
        return "not enough evidence", f"no model found anything that the {users:,} users of the test window took: nothing can be measured"
    if users < settings.gate_min_users:
        needed = power.users if power else settings.gate_min_users
        return "not enough evidence", f"{users:,} users acted in the test window, {needed:,} are needed{_limits(power)}"
    if mean > settings.gate_too_good:
        return "too good", f"{shown}: above {settings.gate_too_good:g}, which looks like a leak of the future into the features"
    return _refreshed(champion, settings, shown) if refresh else _promoted(comparisons, users, power, settings, shown)


def _refreshed(champion: Comparison, settings: Settings, shown: str) -> tuple[Verdict, str]:
    held = champion.gain.low >= -settings.gate_margin * champion.mean
    return ("refreshed", f"not worse than before: {shown}") if held else ("not better", f"the refresh may be worse: {shown}")


def _promoted(comparisons: Sequence[Comparison], users: int, power: _Power | None, settings: Settings, shown: str) -> tuple[Verdict, str]:
    champion, *baselines = comparisons
    if not champion.shows_a_gain(settings.gate_alpha):
        return _no_gain(champion, users, power, settings, shown)
    for baseline in baselines:
        if not baseline.shows_a_gain(settings.gate_alpha):
            return "not better", f"not shown to be better than the baseline {baseline.rival} ({baseline.mean:.4f}); {shown}"
    return "promoted", f"{shown}{_beaten(baselines)}"


def _beaten(baselines: Sequence[Comparison]) -> str:
    if not baselines:
        return ""
    rivals = " and ".join(f"{one.rival} ({one.mean:.4f})" for one in baselines)
    return f"; better than the baseline{'s' if len(baselines) > 1 else ''} {rivals} too"


def _no_gain(champion: Comparison, users: int, power: _Power | None, settings: Settings, shown: str) -> tuple[Verdict, str]:
    if champion.gain.low > 0:
        return "not better", f"{shown}; but flipping signs at random does as well in {champion.p:.1%} of all cases"
    if champion.gain.high < 0 or (power and users >= power.users):
        return "not better", shown
    if power is None:
        return "not enough evidence", f"{shown}; the champion found nothing, so how many users it takes cannot be told"
    return "not enough evidence", f"{shown}; a gain of {settings.gate_effect:.0%} needs {power.users:,} users{_limits(power)}"


def _limits(power: _Power | None) -> str:
    return f"; only a gain of {power.detectable:.0%} or more could have been seen" if power and power.detectable else ""
