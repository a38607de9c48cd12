"""What a row of the catalogue is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expectations.repeats import REPEAT
from expectations.rules import UNREADABLE, lacking, mostly, priced, row

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def suite(*, max_bad_share: float) -> ExpectationSuite:
    """The row-level suite for frames in ``ITEM_FRAME`` plus ``repeat_of``.

    max_bad_share: the share of rows (0 up to 1) that one expectation may set aside. Raises ValueError outside that range.
    """
    import great_expectations as gx

    from expectations.vocabulary import Absent, Present, Severity

    share = mostly(max_bad_share)
    rows = [
        Absent(column="unreadable", mostly=share, meta=UNREADABLE),
        Present(column="item_id", mostly=share, meta=row("item id is missing")),
        Absent(column=REPEAT, mostly=share, meta=row("item id stands in an earlier row")),
        *priced(share),
        Present(column="title", severity=Severity.WARNING, meta=lacking("title is missing")),
        Present(column="category", severity=Severity.WARNING, meta=lacking("category is missing")),
    ]
    return gx.ExpectationSuite(name="items", expectations=rows)
