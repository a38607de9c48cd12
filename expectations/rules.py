"""What the suites have in common: how an expectation words its failure in ``meta``, and the rules of more than one table.

reason  what is wrong, as it is written beside a quarantined row: "price is negative"
scope   "row": the expectation looks at single rows; "table": at all of them
among   row scope only: what the share counts, because an absent price cannot be negative: "rows with a price"
detail  row scope, optional: the column whose text follows the reason
lack    row scope, optional: that every row fails says only that the source does not have it

What a failure does is the library's own ``severity``: a row that fails a critical expectation is set aside, and too many of them
reject the delivery; a row that fails one of severity warning passes and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

Meta = dict[str, str]

HIGHEST_PRICE = 1e9  # above any price in any currency; what is not a finite number lies above it too


def row(reason: str, among: str = "rows", detail: str = "") -> Meta:
    """The ``meta`` of an expectation on single rows."""
    return {"reason": reason, "scope": "row", "among": among} | ({"detail": detail} if detail else {})


def lacking(reason: str, among: str = "rows") -> Meta:
    """The ``meta`` of an expectation on single rows that a source without the column fails everywhere, which means nothing."""
    return {**row(reason, among), "lack": "yes"}


def table(reason: str) -> Meta:
    """The ``meta`` of an expectation on the whole frame."""
    return {"reason": reason, "scope": "table"}


def mostly(max_bad_share: float) -> float:
    """The share of rows that must pass when at most ``max_bad_share`` (0 up to 1) may fail.

    Raises ValueError outside that range. Rounded, for 1 - .9 is a hair under .1 and would let one row too many pass.
    """
    if not 0 <= max_bad_share < 1:
        raise ValueError(f"max_bad_share is a share from 0 up to 1, not {max_bad_share}")
    return round(1 - max_bad_share, 12)


def whole(columns: Sequence[str]) -> list[Expectation]:
    """What a table in one piece is held to: it has ``columns`` (more do no harm) and at least one row."""
    from expectations.vocabulary import Columns, Rows

    return [
        Columns(column_set=list(columns), exact_match=False, meta=table("a column is missing")),
        Rows(min_value=1, meta=table("there are no rows")),
    ]


def priced(share: float) -> list[Expectation]:
    """A price, where there is one, is a finite number that is not negative; that it is 0 is odd."""
    from expectations.vocabulary import Between, NoneOf, Severity

    words = ("price is negative", "price is not a plausible number", "price is 0")
    negative, absurd, free = (row(said, "rows with a price") for said in words)
    return [
        Between(column="price", min_value=0, mostly=share, meta=negative),
        Between(column="price", max_value=HIGHEST_PRICE, mostly=share, meta=absurd),
        NoneOf(column="price", value_set=[0], severity=Severity.WARNING, meta=free),
    ]


UNREADABLE = row("cannot be read", detail="unreadable")
