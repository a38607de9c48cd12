"""What the suites have in common: how an expectation words its failure in ``meta``, and the rules of more than one table.

reason  what is wrong, as it is written beside a quarantined row: "price is negative"
scope   "row": failing rows are set aside, and too many of them stop the delivery; "table": any failure stops it
among   row scope only: what the share counts, because an absent price cannot be negative: "rows with a price"
detail  row scope, optional: the column whose text follows the reason
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
    """What every table is held to: it has ``columns`` (more do no harm) and at least one row."""
    from expectations.vocabulary import Columns, Rows

    return [
        Columns(column_set=list(columns), exact_match=False, meta=table("a column is missing")),
        Rows(min_value=1, meta=table("there are no rows")),
    ]


def priced(share: float) -> list[Expectation]:
    """A price, where there is one, is a finite number that is not negative."""
    from expectations.vocabulary import Between

    negative, absurd = (row(said, "rows with a price") for said in ("price is negative", "price is not a plausible number"))
    return [
        Between(column="price", min_value=0, mostly=share, meta=negative),
        Between(column="price", max_value=HIGHEST_PRICE, mostly=share, meta=absurd),
    ]


UNREADABLE = row("cannot be read", detail="unreadable")
