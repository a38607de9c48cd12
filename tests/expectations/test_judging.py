"""Judging a delivery: what the lake takes, what is set aside with its reasons, and what stops everything."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
import pytest

from expectations.judging import SET_ASIDE, Bench, judge
from outfitter.datasets.base import Adapter, Frames, SourceFile
from outfitter.lake.deliveries import Judgement
from outfitter.settings import Settings
from tests.expectations.conftest import BAD, NOW, Deliveries


class Source(Adapter):
    """A source that is never read: only what it says of identical rows matters."""

    name: ClassVar[str] = "test"
    summary: ClassVar[str] = ""

    def __init__(self, identical: Literal["duplicate", "quantity"] = "duplicate") -> None:
        self.identical_rows = identical  # type: ignore[misc]

    def discover(self, root: Path) -> list[SourceFile]:
        raise NotImplementedError

    def read(self, file: SourceFile) -> Frames:
        raise NotImplementedError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(home=tmp_path), Source(), NOW, tmp_path / "docs")


def aside(judgement: Judgement) -> list[tuple[Any, ...]]:
    return judgement.quarantine.select("table", "row", "reasons").rows()


def test_a_faultless_delivery_is_taken_whole(deliveries: Deliveries, bench: Bench) -> None:
    frames = Frames(deliveries.interactions(), deliveries.items(), deliveries.users())
    judgement = judge(frames, "all.csv", bench)
    assert judgement.status == "accepted"
    assert judgement.interactions is not None
    assert judgement.interactions.equals(deliveries.interactions())
    assert judgement.items is not None
    assert judgement.items.equals(deliveries.items())
    assert judgement.users is not None
    assert judgement.users.equals(deliveries.users())
    assert (judgement.rows_in, judgement.rows_quarantined, judgement.stopped) == (10, 0, "")
    assert dict(judgement.quarantine.schema) == SET_ASIDE
    assert judgement.quarantine.is_empty()


def test_a_bad_row_is_set_aside_with_its_reasons_and_its_content(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.spoiled(deliveries.interactions(), "price", -1.0), "quantity", 0)
    judgement = judge(Frames(rows), "sales.csv", bench)
    assert judgement.status == "accepted"
    assert aside(judgement) == [("interactions", BAD + 1, ["quantity is less than one", "price is negative"])]
    content = json.loads(judgement.quarantine["content"][0])
    assert (content["user_id"], content["price"], content["quantity"]) == (f"u{BAD + 1}", -1.0, 0)
    assert content["timestamp"].startswith("2024-02-26")
    assert content["item_id"] == "0108775015"
    assert judgement.interactions is not None
    assert judgement.interactions.equals(rows.filter(pl.col("sequence") != BAD + 1))
    assert (judgement.rows_in, judgement.rows_quarantined) == (10, 1)
    assert judgement.users is judgement.items is None


def test_every_row_is_either_taken_or_set_aside(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "price", -1.0, rows=2)
    rows = pl.concat([rows, rows.tail(1).with_columns(sequence=pl.lit(11, pl.Int64))])
    lenient = replace(bench, settings=bench.settings.model_copy(update={"max_bad_share": 0.5}))
    judgement = judge(Frames(rows), "sales.csv", lenient)
    assert judgement.interactions is not None
    taken, set_aside = judgement.interactions["sequence"].to_list(), judgement.quarantine["row"].to_list()
    assert sorted(taken + set_aside) == list(range(1, 12))
    assert set_aside == [BAD + 1, BAD + 2, 11]
    assert judgement.quarantine["reasons"].to_list()[-1] == ["identical to an earlier row"]


def test_too_many_bad_rows_stop_everything_and_everything_is_set_aside(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "quantity", 0, rows=3)
    judgement = judge(Frames(rows, deliveries.items()), "all.csv", bench)
    stop = "interactions: quantity is less than one in 30.0% of 10 rows with a quantity; at most 20% may be"
    assert (judgement.status, judgement.stopped) == ("rejected", stop)
    reasons = {(table, row): why for table, row, why in aside(judgement)}
    assert len(reasons) == 20
    assert reasons["interactions", BAD + 1] == ["quantity is less than one"]
    assert reasons["interactions", 1] == reasons["items", 1] == [f"the delivery was stopped: {stop}"]


def test_one_bad_table_stops_the_others_and_every_stop_is_told(deliveries: Deliveries, bench: Bench) -> None:
    frames = Frames(deliveries.interactions(), deliveries.items().clear(), deliveries.users().clear())
    judgement = judge(frames, "all.csv", bench)
    assert judgement.stopped == "users: there are no rows: found 0; items: there are no rows: found 0"
    why = ["the delivery was stopped: users: there are no rows: found 0", "the delivery was stopped: items: there are no rows: found 0"]
    assert aside(judgement) == [("interactions", row, why) for row in range(1, 11)]


def test_rows_are_counted_in_interactions_where_there_are_any(deliveries: Deliveries, bench: Bench) -> None:
    items = deliveries.spoiled(deliveries.items(), "price", -1.0)
    assert judge(Frames(items=items.head(7)), "items.csv", bench).rows_in == 7
    both = judge(Frames(deliveries.interactions(), items=items), "all.csv", bench)
    assert (both.rows_in, both.rows_quarantined) == (10, 0)
    assert aside(both) == [("items", BAD + 1, ["price is negative"])]


def test_a_number_that_is_none_is_valid_json_all_the_same(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "price", float("nan"))
    judgement = judge(Frames(rows), "sales.csv", bench)
    assert aside(judgement) == [("interactions", BAD + 1, ["price is not a plausible number"])]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(judgement.quarantine["content"][0], parse_constant=refuse)["price"] == "nan"


def test_the_moment_of_the_run_is_what_the_future_is_measured_from(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "timestamp", NOW + timedelta(days=1))
    assert aside(judge(Frames(rows), "sales.csv", bench)) == [("interactions", BAD + 1, ["timestamp lies in the future"])]
    later = replace(bench, now=NOW + timedelta(days=2))
    assert judge(Frames(rows), "sales.csv", later).rows_quarantined == 0


def test_identical_rows_are_what_the_source_says(deliveries: Deliveries, bench: Bench) -> None:
    twice = pl.concat([deliveries.interactions(), deliveries.interactions().head(1).with_columns(sequence=pl.lit(11, pl.Int64))])
    assert judge(Frames(twice), "s.csv", bench).quarantine["row"].to_list() == [11]
    both_count = replace(bench, adapter=Source("quantity"))
    assert judge(Frames(twice), "s.csv", both_count).rows_quarantined == 0


def test_the_same_delivery_is_judged_alike(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "price", -1.0)
    first, again = judge(Frames(rows), "s.csv", bench), judge(Frames(rows), "s.csv", bench)
    assert first.validation_id == again.validation_id
    assert judge(Frames(deliveries.interactions()), "s.csv", bench).validation_id != first.validation_id
    assert first.rules == bench.rules


def test_rules_change_with_what_is_asked_and_nothing_else(bench: Bench, tmp_path: Path) -> None:
    def rules(**settings: Any) -> str:
        return replace(bench, settings=Settings(home=tmp_path, **settings)).rules

    assert rules() == rules(seed=5, list_length=3) == replace(bench, now=NOW + timedelta(days=9)).rules == bench.rules
    assert rules(max_bad_share=0.1) != bench.rules
    assert replace(bench, adapter=Source("quantity")).rules != bench.rules
