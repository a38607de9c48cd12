"""What a row of customers is held to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from expectations.repeats import REPEAT
from expectations.rules import UNREADABLE, mostly, row

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

OLDEST = 120  # years: nobody on record lived past 122
YOUNGEST = 13  # years: below it most shops may not hold an account, so it is a birth year that somebody made up


def suite(*, latest: datetime, max_bad_share: float) -> ExpectationSuite:
    """The row-level suite for frames in ``USER_FRAME`` plus ``repeat_of``.

    latest: the day as of which an age is judged. max_bad_share: the share of rows (0 up to 1) that one expectation may set aside.
    Raises ValueError outside that range.
    """
    import great_expectations as gx

    from expectations.vocabulary import Absent, Between, Present, Severity

    share = mostly(max_bad_share)
    first, last = latest.year - OLDEST, latest.year
    born = row(f"birth year lies outside {first} to {last}", "rows with a birth year")
    young = row(f"birth year makes the customer younger than {YOUNGEST}", "rows with a birth year")
    rows = [
        Absent(column="unreadable", mostly=share, meta=UNREADABLE),
        Present(column="user_id", mostly=share, meta=row("user id is missing")),
        Absent(column=REPEAT, mostly=share, meta=row("user id stands in an earlier row")),
        Between(column="birth_year", min_value=first, max_value=last, mostly=share, meta=born),
        Between(column="birth_year", max_value=last - YOUNGEST, severity=Severity.WARNING, meta=young),
    ]
    return gx.ExpectationSuite(name="users", expectations=rows)
