"""Deliveries as lineage tells of them: what arrived, what validation made of it, and whether it still counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from expectations.profile import Profile
from outfitter.lake.deliveries import ASIDE, live_rows
from outfitter.lake.tables import Lake

FACTS = (
    *("delivery_id", "source", "object", "role", "status", "rows_in", "rows_accepted", "rows_quarantined"),
    *("first_event", "last_event", "reason", "warnings", "validation_id", "ingested_at"),
)
NOTHING = "{}"  # the profile of a delivery that could not be read


class Ledger:
    """The ledger of a lake, read once."""

    def __init__(self, lake: Lake) -> None:
        self._rows = lake.read("deliveries").sort("ingested_at", "generation", maintain_order=True)

    def told(self, delivery_id: str) -> dict[str, Any]:
        """What its row says (FACTS; ``status`` as of its acceptance, if it ever was accepted), ``reasons`` and its fate.

        ``reasons``: how many rows were set aside, by reason. ``now`` is counts, replaced, withdrawn, rejected or held; ``replaced_by``
        the delivery that counts in its object's place.
        """
        rows = self._by_id[delivery_id]
        accepted = [row for row in rows if row["status"] == "accepted"]
        row = (accepted or rows)[-1]
        return {**_said(row), **self._fate(row)}

    def rows(self, delivery_id: str) -> list[dict[str, Any]]:
        """All that was ever written of a delivery, oldest first: FACTS and ``reasons``."""
        return [_said(row) for row in self._by_id[delivery_id]]

    def all_told(self, ids: Iterable[str]) -> list[dict[str, Any]]:
        """``told`` of each, in the order of arrival; an id that the ledger does not know is left out."""
        wanted = set(ids)
        return [self.told(one) for one in self._by_id if one in wanted]

    def __contains__(self, delivery_id: object) -> bool:
        return delivery_id in self._by_id

    def _fate(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["delivery_id"] in self._counting:
            return {"now": "counts", "replaced_by": None}
        if row["status"] in ASIDE:
            return {"now": row["status"], "replaced_by": None}
        other = self._live.get(row["object"])
        return {"now": "replaced" if other else "withdrawn", "replaced_by": other}

    @cached_property
    def _live(self) -> dict[str, str]:
        """The delivery that counts, by object."""
        return dict(live_rows(self._rows).select("object", "delivery_id").rows())

    @cached_property
    def _counting(self) -> frozenset[str]:
        return frozenset(self._live.values())

    @cached_property
    def _by_id(self) -> dict[str, list[dict[str, Any]]]:
        rows = defaultdict(list)
        for row in self._rows.iter_rows(named=True):
            rows[row["delivery_id"]].append(row)
        return dict(rows)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    reasons = dict(Profile.from_json(row["profile"]).reasons) if row["profile"] != NOTHING else {}
    return {**{name: row[name] for name in FACTS}, "reasons": reasons}
