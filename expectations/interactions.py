"""What a row of interactions is held to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from expectations.repeats import REPEAT
from expectations.rules import UNREADABLE, lacking, mostly, priced, row

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.expectation import Expectation

HIGHEST_VALUE = 100.0  # stars, marks out of ten or percent: no scale of ratings goes beyond
MANY = 1_000  # units of one item in one row: a wholesale order, or a column that was mistaken for another
OLDEST = datetime(1995, 1, 1, tzinfo=UTC)  # no shop sold online before; what lies there is a default date that nobody filled in


def suite(*, latest: datetime, events: Sequence[str], max_bad_share: float, duplicates: bool, timed: bool = True) -> ExpectationSuite:
    """The row-level suite for frames in ``INTERACTION_FRAME``, plus ``repeat_of`` when ``duplicates``.

    latest: with a time zone; no timestamp may lie after it. events: those the source may hold. max_bad_share: the share of rows
    (0 up to 1) that one expectation may set aside. duplicates: identical rows are an error of the source, not a quantity. timed:
    timestamps are moments, not positions. Raises ValueError for a share outside its range.
    """
    import great_expectations as gx

    share = mostly(max_bad_share)
    rows = [*_present(share), *_plausible(share, latest, events), *(_single(share) if duplicates else []), *_odd(timed)]
    return gx.ExpectationSuite(name="interactions", expectations=rows)


def _present(share: float) -> list[Expectation]:
    """A row names its user, item, time and event, and everything in it could be read."""
    from expectations.vocabulary import Absent, Present, Where

    words = {
        "user_id": "user id is missing",
        "item_id": "item id is missing",
        "timestamp": "timestamp is missing",
        "event": "event is missing",
    }
    missing = [Present(column=name, mostly=share, meta=row(said)) for name, said in words.items()]
    rated = Present(
        column="value",
        mostly=share,
        row_condition=Where("event") == "rating",
        meta=row("value of a rating is missing", "ratings"),
    )
    return [Absent(column="unreadable", mostly=share, meta=UNREADABLE), *missing, rated]


def _plausible(share: float, latest: datetime, events: Sequence[str]) -> list[Expectation]:
    """What is there lies within what can be."""
    from expectations.vocabulary import Between, OneOf

    known = row("event is not one of this source's", "rows with an event", detail="event")
    future = row("timestamp lies in the future", "rows with a timestamp")
    scale = row(f"value lies outside 0 to {HIGHEST_VALUE:g}", "rows with a value")
    least = row("quantity is less than one", "rows with a quantity")
    return [
        OneOf(column="event", value_set=list(events), mostly=share, meta=known),
        Between(column="timestamp", max_value=latest, mostly=share, meta=future),
        Between(column="value", min_value=0, max_value=HIGHEST_VALUE, mostly=share, meta=scale),
        Between(column="quantity", min_value=1, mostly=share, meta=least),
        *priced(share),
    ]


def _single(share: float) -> list[Expectation]:
    from expectations.vocabulary import Absent

    return [Absent(column=REPEAT, mostly=share, meta=row("identical to an earlier row"))]


def _odd(timed: bool) -> list[Expectation]:
    """What is suspicious and may still be true."""
    from expectations.vocabulary import Between, Present, Severity, Where

    bought = Where("event") == "purchase"
    unpriced = lacking("price of a purchase is missing", "purchases")
    many = row(f"quantity is above {MANY:,}", "rows with a quantity")
    early = row(f"timestamp lies before {OLDEST.year}", "rows with a timestamp")
    return [
        Present(column="price", row_condition=bought, severity=Severity.WARNING, meta=unpriced),
        Between(column="quantity", max_value=MANY, severity=Severity.WARNING, meta=many),
        *([Between(column="timestamp", min_value=OLDEST, severity=Severity.WARNING, meta=early)] if timed else []),
    ]
