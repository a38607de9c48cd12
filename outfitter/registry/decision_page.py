"""A decision as a page: what was compared, how sure it is, what it might have cost, and what could have been seen. No network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from outfitter.evaluation.bootstrap import Interval
from outfitter.evaluation.report.density import density
from outfitter.evaluation.report.page import STYLE, table
from outfitter.registry.gate import Comparison, Decision
from outfitter.registry.guardrails import Guardrail
from outfitter.registry.shadow import Shadow
from outfitter.settings import Settings

COLOUR = {True: "#009e73", False: "#d55e00"}


def decision_page(decision: Decision, settings: Settings, about: dict[str, str]) -> str:
    """about: what else is known of the decision, name by name. Every word is escaped."""
    facts = "".join(f"<tr><td>{escape(name)}</td><td class='text'>{escape(value)}</td></tr>" for name, value in about.items())
    title = f"{decision.verdict}: {decision.challenger}" + (f" against {decision.champion}" if decision.champion else "")
    parts = [
        f"<h1>{escape(title)}</h1><p style='color:{COLOUR[decision.goes_live]}'>"
        f"{'It goes live.' if decision.goes_live else 'What is in production stays.'}</p><p>{escape(decision.reason)}</p>",
        f"<table>{facts}</table>",
        _comparisons(decision, settings) if decision.comparisons else "",
        f"<h2>Guardrails</h2>{_guardrails(decision.guardrails)}" if decision.guardrails else "",
        _power(decision, settings) if decision.comparisons else "",
        _shadow(decision.shadow) if decision.shadow else "",
        _others(decision) if decision.others else "",
    ]
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"


def _comparisons(decision: Decision, settings: Settings) -> str:
    told = (
        f"Gain in NDCG@{settings.list_length} on the same {decision.users:,} users. Each histogram is of {settings.bootstrap_samples:,} "
        f"resamples of them; the whisker spans {1 - 2 * settings.gate_alpha:.0%} of it. p is that of random sign flips, one-sided."
    )
    roles = ["in production", *["baseline"] * (len(decision.comparisons) - 1)]
    rows = [
        [escape(one.rival), role, f"{one.mean:.4f}", _interval(one.gain), _p(one.p)]
        for role, one in zip(roles, decision.comparisons, strict=True)
    ]
    drawn = "".join(_drawn(one) for one in decision.comparisons)
    return f"<h2>Compared</h2><p class='note'>{told}</p>{table(['rival', '', 'its NDCG', 'gain', 'p'], rows, text=(1,))}{drawn}"


def _drawn(one: Comparison) -> str:
    return f"<h3>gain on {escape(one.rival)}</h3>{density(one.resamples, one.gain)}" if one.resamples else ""


def _guardrails(rails: Sequence[Guardrail]) -> str:
    rows = [
        [escape(rail.name), f"<b style='color:{COLOUR[rail.holds]}'>{'holds' if rail.holds else 'broken'}</b>", escape(rail.finding)]
        for rail in rails
    ]
    return table(["guardrail", "", "found"], rows, text=(2,))


def _shadow(shadow: Shadow) -> str:
    """What users would have been shown, beside what they are."""
    sides = [shadow.challenger, *([shadow.champion] if shadow.champion else [])]
    rows = [[escape(one.model), escape(one.version), f"{one.coverage:.1%}", f"{one.diversity:.2f}"] for one in sides]
    lists = table(["model", "version", "of what is sellable", "diversity within a list"], rows)
    return f"<h2>In the shadow</h2><p>{escape(shadow.line)}.</p>{lists}{_guardrails(shadow.guardrails)}"


def _others(decision: Decision) -> str:
    note = "Each stood because the one before it was better than the champion and did not go live; the chance of an error is that of one."
    rows = [[escape(one.challenger), escape(one.verdict), escape(one.reason)] for one in decision.others]
    return f"<h2>Who else stood</h2><p class='note'>{note}</p>{table(['challenger', '', 'why'], rows, text=(2,))}"


def _power(decision: Decision, settings: Settings) -> str:
    if decision.users_needed is None or decision.detectable is None:
        return ""
    return (
        f"<h2>What could have been seen</h2><p>With {decision.users:,} users a gain of {decision.detectable:.1%} is seen in "
        f"{settings.gate_power:.0%} of all cases; for one of {settings.gate_effect:.0%} it takes {decision.users_needed:,}.</p>"
    )


def _interval(gain: Interval) -> str:
    return f"{gain.mean:+.4f}<span class='range'>{gain.low:+.4f} to {gain.high:+.4f}</span>"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "below .001"
