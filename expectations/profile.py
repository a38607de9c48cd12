"""What is remembered of a delivery: the totals it is judged by, and that later ones are compared with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Check:
    """What came of one row-level expectation over all blocks: ``failed`` of ``total`` rows that it looked at (``among`` names them).

    severity: failing rows were set aside (critical) or passed (warning; rows that something critical set aside are counted too). lack:
    that all rows fail says only that the source does not have it. errors: why a block could not be checked; none as a rule.
    """

    table: str
    reason: str
    severity: Severity
    among: str
    failed: int
    total: int
    lack: bool = False
    errors: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Failed rows of those that were looked at, 0 to 1; 0 of none."""
        return self.failed / self.total if self.total else 0.0

    @property
    def told(self) -> bool:
        """Whether rows failed, and not only because the source has no such thing."""
        return self.failed > 0 and not (self.lack and self.failed == self.total)


@dataclass(frozen=True)
class Measures:
    """Figures of the rows that pass, of the role's own table.

    first_event, last_event: UTC; None without a timestamp. weekday_rows, weekday_days: by weekday, Monday first, the rows and the days
    (UTC) that have any. priced: rows with a price above 0. median_price: of those, to 1%, in the source's currency. price_spread: of
    their natural logarithms, interquartile range / 1.349, which is the standard deviation of normal ones. items, users: different ids.
    """

    first_event: datetime | None = None
    last_event: datetime | None = None
    weekday_rows: tuple[int, ...] = (0,) * 7
    weekday_days: tuple[int, ...] = (0,) * 7
    priced: int = 0
    median_price: float | None = None
    price_spread: float | None = None
    items: int = 0
    users: int = 0


@dataclass(frozen=True)
class Place:
    """Where a delivery stands among what the lake held when it was concluded; None where that was not asked or there was nothing.

    new_items: ids that the lake had never seen. uncatalogued_items, uncatalogued_rows: ids without a row in the catalogue, and the
    interactions that name one. unknown_users, unknown_user_rows: likewise for users. gap_days: from the day of the newest event before
    to the day of this one's first. stale_days: from its last event to the run that judged it.
    """

    new_items: int | None = None
    uncatalogued_items: int | None = None
    uncatalogued_rows: int | None = None
    unknown_users: int | None = None
    unknown_user_rows: int | None = None
    gap_days: float | None = None
    stale_days: float | None = None


@dataclass(frozen=True)
class Profile:
    """One delivery. rows_in, rows_quarantined: different rows of the role's own table. missing_columns: as "table: column".
    digest: a hash of every outcome and of the numbers of the rows that failed, the same for the same rows in blocks of any size."""

    rows_in: int
    rows_quarantined: int
    missing_columns: tuple[str, ...]
    checks: tuple[Check, ...]
    measures: Measures
    digest: str
    place: Place = Place()

    @property
    def first_event(self) -> datetime | None:
        """UTC; of passing interactions."""
        return self.measures.first_event

    @property
    def last_event(self) -> datetime | None:
        """UTC; of passing interactions."""
        return self.measures.last_event

    @property
    def reasons(self) -> Mapping[str, int]:
        """Rows by the reason for which they were set aside, derived rows among them; a row counts under each of its reasons."""
        counts: Counter[str] = Counter()
        for one in self.checks:
            if one.severity == "critical" and one.failed:
                counts[one.reason] += one.failed
        return dict(counts)

    def to_json(self) -> str:
        """One line; ``from_json`` reads it."""
        return json.dumps(asdict(self), default=datetime.isoformat, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """The profile that ``to_json`` wrote. Raises KeyError or TypeError for any other text."""
        told = json.loads(text)
        return cls(
            rows_in=told["rows_in"],
            rows_quarantined=told["rows_quarantined"],
            missing_columns=tuple(told["missing_columns"]),
            checks=tuple(Check(**{**one, "errors": tuple(one["errors"])}) for one in told["checks"]),
            measures=_measures(told["measures"]),
            digest=told["digest"],
            place=Place(**told["place"]),
        )


def _measures(told: dict[str, Any]) -> Measures:
    moments = {name: told[name] and datetime.fromisoformat(told[name]) for name in ("first_event", "last_event")}
    return Measures(**{**told, **moments, **{name: tuple(told[name]) for name in ("weekday_rows", "weekday_days")}})
