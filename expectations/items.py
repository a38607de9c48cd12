"""What a delivery of the catalogue is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expectations.repeats import REPEAT
from expectations.rules import UNREADABLE, mostly, priced, row, whole
from outfitter.schema import ITEM_FRAME

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def suite(*, max_bad_share: float) -> ExpectationSuite:
    """The suite for frames in ``ITEM_FRAME`` plus ``repeat_of``.

    max_bad_share: the share of rows (0 up to 1) that one expectation may set aside before it stops the delivery. Raises
    ValueError outside that range.
    """
    import great_expectations as gx

    from expectations.vocabulary import Absent, Present

    share = mostly(max_bad_share)
    rows = [
        Absent(column="unreadable", mostly=share, meta=UNREADABLE),
        Present(column="item_id", mostly=share, meta=row("item id is missing")),
        Absent(column=REPEAT, mostly=share, meta=row("item id stands in an earlier row")),
        *priced(share),
    ]
    return gx.ExpectationSuite(name="items", expectations=[*whole([*ITEM_FRAME, REPEAT]), *rows])
