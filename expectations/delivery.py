"""What a delivery as a whole is held to: one expectation a fact, over a frame of one row that has a column a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from expectations.facts import Fact
from expectations.profile import Check, Profile
from expectations.rules import table

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def suite(facts: Sequence[Fact]) -> ExpectationSuite:
    """An expectation for each fact, in its words. Critical is what rejects or holds."""
    import great_expectations as gx

    from expectations.vocabulary import Figure, Severity

    rows = [
        Figure(
            column=fact.subject,
            min_value=fact.low,
            max_value=fact.high,
            severity=Severity.WARNING if fact.effect == "warn" else Severity.CRITICAL,
            description=fact.expected,
            meta=table(f"{number}: {fact.said}"),  # numbered: by it the results are put in the order of the facts
        )
        for number, fact in enumerate(facts)
    ]
    return gx.ExpectationSuite(name="delivery", expectations=rows)


def figures(facts: Sequence[Fact]) -> pl.DataFrame:
    """One row, Float64, a column a subject."""
    return pl.DataFrame({fact.subject: [float(fact.value)] for fact in facts})


def own_facts(profile: Profile, past: Sequence[Profile], max_bad_share: float) -> list[Fact]:
    """That there are rows, that columns are there, that few enough rows are bad, and what is odd about them.

    past: of earlier deliveries of the source; what one of them had, the source does not lack.
    """
    had = {(one.table, one.reason) for earlier in past for one in earlier.checks if one.failed < one.total}
    missing = ", ".join(profile.missing_columns)
    uncheckable = [f'could not check whether "{one.reason}": {error}' for one in profile.checks for error in one.errors]
    return [
        Fact("rows", profile.rows_in, 1, None, "reject", "there is at least one row", "there are no rows"),
        Fact("missing columns", len(profile.missing_columns), None, 0, "reject", "no column is missing", f"a column is missing: {missing}"),
        Fact("unanswered questions", len(uncheckable), None, 0, "reject", "every row could be checked", "; ".join(uncheckable)),
        *(_of_rows(one, max_bad_share) for one in profile.checks if one.severity == "critical" or one.told or _lost(one, had)),
    ]


def _lost(one: Check, had: set[tuple[str, str]]) -> bool:
    return one.failed > 0 and (one.table, one.reason) in had


def _of_rows(one: Check, max_bad_share: float) -> Fact:
    subject, counted = f"{one.table}: {one.reason}", f"{one.failed:,} of {one.total:,} {one.among}"
    if one.severity == "warning":
        expected = f"{one.reason} in {counted}; such rows pass, with a warning"
        return Fact(subject, one.share, None, 0, "warn", expected, f"{subject} in {counted}")
    most = f"at most {100 * max_bad_share:.4g}% may be" if max_bad_share else "none may be"
    expected = f"{one.reason} in {counted}; {most}"
    said = f"{subject} in {one.share:.1%} of {one.total:,} {one.among}; {most}"
    return Fact(subject, one.share, None, max_bad_share, "reject", expected, said)


def referential_facts(profile: Profile) -> list[Fact]:
    """Interactions that name an item without a catalogue row, or a user without one: odd, for the catalogue may arrive last."""
    place, rows = profile.place, sum(profile.measures.weekday_rows)
    asked = (
        ("items without a catalogue row", place.uncatalogued_items, place.uncatalogued_rows, profile.measures.items),
        ("users without a row in users", place.unknown_users, place.unknown_user_rows, profile.measures.users),
    )
    return [_dangling(what, ids, of, named, rows) for what, ids, named, of in asked if ids is not None and named is not None]


def _dangling(what: str, ids: int, of: int, named: int, rows: int) -> Fact:
    counted = f"{ids:,} of {of:,}, in {named:,} of {rows:,} interactions"
    share = named / rows if rows else 0.0
    subject, expected = f"share of interactions that name {what}", f"no {what} (found {counted}); they pass, with a warning"
    return Fact(subject, share, None, 0, "warn", expected, f"{what}: {counted}")
