"""What a delivery of customers is held to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from expectations.repeats import REPEAT
from expectations.rules import UNREADABLE, mostly, row, whole
from outfitter.schema import USER_FRAME

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

OLDEST = 120  # years: nobody on record lived past 122


def suite(*, latest: datetime, max_bad_share: float) -> ExpectationSuite:
    """The suite for frames in ``USER_FRAME`` plus ``repeat_of``.

    latest: the day as of which an age is judged. max_bad_share: the share of rows (0 up to 1) that one expectation may set
    aside before it stops the delivery. Raises ValueError outside that range.
    """
    import great_expectations as gx

    from expectations.vocabulary import Absent, Between, Present

    share = mostly(max_bad_share)
    first, last = latest.year - OLDEST, latest.year
    born = row(f"birth year lies outside {first} to {last}", "rows with a birth year")
    rows = [
        Absent(column="unreadable", mostly=share, meta=UNREADABLE),
        Present(column="user_id", mostly=share, meta=row("user id is missing")),
        Absent(column=REPEAT, mostly=share, meta=row("user id stands in an earlier row")),
        Between(column="birth_year", min_value=first, max_value=last, mostly=share, meta=born),
    ]
    return gx.ExpectationSuite(name="users", expectations=[*whole([*USER_FRAME, REPEAT]), *rows])
