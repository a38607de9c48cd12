"""Files get renamed and rotated: a content counts as long as it lies in the source under some name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from outfitter.lake.deliveries import Delivery, outdated, place_all
from outfitter.schema import DELIVERIES, conform, empty

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def offered(name: str, content: str, day: int = 1) -> Delivery:
    return Delivery(content, "synthetic", name, DAY.replace(day=day))


def ledger(*rows: dict[str, Any]) -> pl.DataFrame:
    told = [{"generation": 0, "status": "accepted", "rules": "r", "modified": DAY, **row} for row in rows]
    return conform(pl.DataFrame(told), DELIVERIES) if told else empty(DELIVERIES)


def places(known: pl.DataFrame, *files: Delivery) -> list[tuple[str, str, int]]:
    return [(new.object, new.id, new.generation) for new in place_all(known, files, "r")]


def test_a_rotated_file_keeps_its_rows_under_its_new_name() -> None:
    known = ledger({"object": "01.csv", "delivery_id": "a"})
    assert places(known, offered("01.csv", "b", 2), offered("02.csv", "a")) == [("01.csv", "b", 1), ("02.csv", "a", 0)]


def test_a_copy_beside_its_original_is_not_new() -> None:
    known = ledger({"object": "01.csv", "delivery_id": "a"})
    assert places(known, offered("01.csv", "a"), offered("02.csv", "a", 2)) == []


def test_of_two_names_for_one_content_one_is_taken() -> None:
    assert places(ledger(), offered("01.csv", "a"), offered("02.csv", "a")) == [("01.csv", "a", 0)]


def test_two_files_that_change_places_both_count() -> None:
    known = ledger({"object": "01.csv", "delivery_id": "a"}, {"object": "02.csv", "delivery_id": "b"})
    swapped = places(known, offered("01.csv", "b", 2), offered("02.csv", "a", 2))
    assert swapped == []  # both contents count already, under whatever name


def test_an_older_version_is_outdated_and_a_known_one_is_not() -> None:
    known = ledger({"object": "01.csv", "delivery_id": "b", "modified": DAY.replace(day=5)})
    assert outdated(known, offered("01.csv", "a", 4))
    assert not outdated(known, offered("01.csv", "a", 6))
    assert not outdated(known, offered("01.csv", "b", 4))
    assert not outdated(known, offered("02.csv", "a", 4))
