"""The too-good alarm: a score that nobody has honestly is taken for a leak that the other checks do not know yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from outfitter.evaluation.bootstrap import Interval
from outfitter.evaluation.leaks.report import Check
from outfitter.settings import Settings

TIMES = 10
FLOOR = 0.1
"""Not believed is an NDCG whose whole interval is above both ``FLOOR`` and ``TIMES`` the upper end of the best popularity model's. On the
shops at hand the best model reaches 1.1 times popularity (Rent the Runway) to 3.4 times (the synthetic shop)."""
MENDED = "Look for what tells the model the answers. If the score is right, set OUTFITTER_GATE_TOO_GOOD=1, which turns this alarm off."


def check_too_good(scores: Mapping[str, Interval], baselines: Sequence[str], settings: Settings) -> Check:
    """Whether any model's NDCG on the validation window is more than can be believed.

    scores: the NDCG of each model with its interval, ``baselines`` the popularity models among them. Above ``gate_too_good`` nothing is
    believed. What popularity makes plausible counts where repeats are not asked for: a history alone foretells those.
    """
    popular = max(scores[name].high for name in baselines)
    plausible = 1.0 if settings.repeat_purchases or settings.gate_too_good == 1 else max(FLOOR, TIMES * popular)
    name, best = max(scores.items(), key=lambda one: one[1].mean)
    suspects = [(model, score) for model, score in scores.items() if score.mean > settings.gate_too_good or score.low > plausible]
    figures = {"best_ndcg": round(best.mean, 4), "too_good_above": settings.gate_too_good, "plausible_to": round(plausible, 4)}
    if not suspects:
        bound = f"{settings.gate_too_good:g}" + (f" and {plausible:.4f}" if plausible < 1 else "")
        return Check("too good", True, f"the best model, {name}, scores {best}, not above {bound}", figures)
    model, score = suspects[0]
    if score.mean > settings.gate_too_good:
        return Check("too good", False, f"{model} scores {score}, above gate_too_good {settings.gate_too_good:g}", figures, MENDED)
    told = f"{model} scores {score}, wholly above {plausible:.4f}: more than {TIMES} times what popularity could score ({popular:.4f})"
    return Check("too good", False, told, figures, MENDED)
