"""Judging a delivery: what the lake takes, what is set aside with its reasons, and what rejects everything."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from expectations.docs import build_docs
from expectations.inspection import SET_ASIDE, Findings, Inspection, Sifted
from expectations.judging import Bench, Verdict, conclude
from expectations.profile import Profile
from outfitter.datasets.base import Frames, Role
from outfitter.schema import DELIVERIES, INTERACTION_FRAME, empty
from outfitter.settings import Settings
from tests.expectations.conftest import BAD, NOW, Deliveries, Source

NOBODY = pl.Series("id", [], dtype=pl.String)


@dataclass(frozen=True)
class Judged:
    """A delivery from its blocks to its verdict."""

    sifted: list[Sifted]
    findings: Findings
    verdict: Verdict

    def rows(self, table: str) -> pl.DataFrame:
        return pl.concat([frame for one in self.sifted if (frame := getattr(one, table)) is not None])

    @property
    def aside(self) -> list[tuple[Any, ...]]:
        return pl.concat([one.quarantine for one in self.sifted]).select("table", "row", "reasons").rows()


def judge(blocks: Frames | Sequence[Frames], bench: Bench, role: Role = "interactions", name: str = "sales.csv", **asked: Any) -> Judged:
    """Inspect and conclude, as a process would that has nothing but the stored profile."""
    inspection = Inspection(bench, name, role)
    sifted = [inspection.take(frames) for frames in ([blocks] if isinstance(blocks, Frames) else blocks)]
    findings = inspection.finish()
    given = {"past": empty(DELIVERIES), "known_items": NOBODY, "catalogued": None, "items_met": findings.items_met, **asked}
    return Judged(sifted, findings, conclude(Profile.from_json(findings.profile.to_json()), name, role, bench, **given))


def test_a_faultless_delivery_is_taken_whole(deliveries: Deliveries, bench: Bench) -> None:
    judged = judge(Frames(deliveries.interactions(), deliveries.items(), deliveries.users()), bench)
    assert (judged.verdict.status, judged.verdict.reason, judged.verdict.warnings) == ("accepted", "", ())
    (sifted,) = judged.sifted
    assert sifted.interactions is not None
    assert sifted.interactions.equals(deliveries.interactions())
    assert sifted.items is not None
    assert sifted.items.equals(deliveries.items())
    assert sifted.users is not None
    assert sifted.users.equals(deliveries.users())
    assert (judged.findings.profile.rows_in, judged.findings.profile.rows_quarantined) == (10, 0)
    assert dict(sifted.quarantine.schema) == SET_ASIDE
    assert sifted.quarantine.is_empty()


def test_a_bad_row_is_set_aside_with_its_reasons_and_its_content(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.spoiled(deliveries.interactions(), "price", -1.0), "quantity", 0)
    judged = judge(Frames(rows), bench)
    assert judged.verdict.status == "accepted"
    assert judged.aside == [("interactions", BAD + 1, ["quantity is less than one", "price is negative"])]
    content = json.loads(judged.sifted[0].quarantine["content"][0])
    assert (content["user_id"], content["price"], content["quantity"]) == (f"u{BAD + 1}", -1.0, 0)
    assert content["timestamp"].startswith("2024-02-26")
    assert content["item_id"] == "0108775015"
    assert judged.rows("interactions").equals(rows.filter(pl.col("sequence") != BAD + 1))
    profile = judged.verdict.profile
    assert (profile.rows_in, profile.rows_quarantined) == (10, 1)
    assert profile.reasons == {"quantity is less than one": 1, "price is negative": 1}
    assert judged.sifted[0].users is judged.sifted[0].items is None


def test_every_row_is_either_taken_or_set_aside(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "price", -1.0, rows=2)
    rows = pl.concat([rows, rows.tail(1).with_columns(sequence=pl.lit(11, pl.Int64))])
    judged = judge(Frames(rows), bench)
    assert sorted([*judged.rows("interactions")["sequence"], *(row for _, row, _ in judged.aside)]) == list(range(1, 12))
    assert [row for _, row, _ in judged.aside] == [BAD + 1, BAD + 2, 11]
    assert judged.aside[-1][2] == ["identical to an earlier row"]
    assert judged.verdict.profile.rows_quarantined == 3


def test_the_share_of_bad_rows_is_judged_over_the_whole_delivery(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "quantity", 0, rows=2)
    blocks = [Frames(rows[:3]), Frames(rows[3:5]), Frames(rows[5:])]  # all of the second block is bad, and 20% of the delivery
    assert judge(blocks, bench).verdict.status == "accepted"
    worse = deliveries.spoiled(deliveries.interactions(), "quantity", 0, rows=3)
    verdict = judge(Frames(worse), bench).verdict
    assert verdict.status == "rejected"
    assert verdict.reason == "interactions: quantity is less than one in 30.0% of 10 rows with a quantity; at most 20% may be"
    none = replace(bench, settings=bench.settings.model_copy(update={"max_bad_share": 0.0}))
    assert judge(Frames(rows), none).verdict.reason.endswith("in 20.0% of 10 rows with a quantity; none may be")


def test_no_rows_and_missing_columns_reject(deliveries: Deliveries, bench: Bench) -> None:
    assert judge([], bench).verdict.reason == judge(Frames(deliveries.interactions().clear()), bench).verdict.reason == "there are no rows"
    lacking = judge(Frames(deliveries.interactions().drop("price", "channel")), bench)
    assert (lacking.verdict.status, lacking.verdict.reason) == (
        "rejected",
        "a column is missing: interactions: price, interactions: channel",
    )
    both = judge(Frames(items=deliveries.items().clear().drop("title")), bench, "items").verdict
    assert both.reason == "there are no rows; a column is missing: items: title"


def test_what_is_odd_passes_and_is_told(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "quantity", 5_000, rows=4)
    judged = judge(Frames(rows), bench)
    assert judged.verdict.status == "accepted"
    assert judged.rows("interactions").equals(rows)
    assert "interactions: quantity is above 1,000 in 4 of 10 rows with a quantity" in judged.verdict.warnings


def test_rows_are_those_of_the_files_role(deliveries: Deliveries, bench: Bench) -> None:
    items = deliveries.spoiled(deliveries.items(), "price", -1.0)
    alone = judge(Frames(items=items), bench, "items").verdict.profile
    assert (alone.rows_in, alone.rows_quarantined) == (10, 1)
    both = judge(Frames(deliveries.interactions(), items=items), bench)
    assert (both.verdict.profile.rows_in, both.verdict.profile.rows_quarantined) == (10, 0)
    assert both.aside == [("items", BAD + 1, ["price is negative"])]


def test_a_number_that_is_none_is_valid_json_all_the_same(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "price", float("nan"))
    judged = judge(Frames(rows), bench)
    assert judged.aside == [("interactions", BAD + 1, ["price is not a plausible number"])]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(judged.sifted[0].quarantine["content"][0], parse_constant=refuse)["price"] == "nan"


def test_the_moment_of_the_run_is_what_the_future_is_measured_from(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "timestamp", NOW + timedelta(days=1))
    assert judge(Frames(rows), bench).aside == [("interactions", BAD + 1, ["timestamp lies in the future"])]
    assert judge(Frames(rows), replace(bench, now=NOW + timedelta(days=2))).verdict.profile.rows_quarantined == 0


def test_interactions_without_a_catalogue_row_are_told_and_never_rejected(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.interactions().with_columns(item_id=pl.Series(["a"] * 7 + ["b", "c", "c"]))
    judged = judge(Frames(rows), bench, catalogued=pl.Series(["a"]), known_items=pl.Series(["a", "b"]))
    assert judged.verdict.status == "accepted"
    assert judged.verdict.warnings == ("items without a catalogue row: 2 of 3, in 3 of 10 interactions",)
    place = judged.verdict.profile.place
    assert (place.new_items, place.uncatalogued_items, place.uncatalogued_rows) == (1, 2, 3)
    assert judge(Frames(rows), bench, catalogued=NOBODY).verdict.status == "accepted"
    assert judge(Frames(rows), bench).verdict.warnings == ()


def test_users_without_a_row_are_told_where_it_is_asked(deliveries: Deliveries, bench: Bench) -> None:
    met = pl.DataFrame({"user_id": ["u1", "u2"], "rows": [4, 6]})
    asked = judge(Frames(deliveries.interactions()), bench, users_met=met, known_users=pl.Series(["u1"])).verdict
    assert asked.warnings == ("users without a row in users: 1 of 10, in 6 of 10 interactions",)


def test_the_docs_show_rows_and_delivery_in_words(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "quantity", 0, rows=3)
    judged = judge([Frames(rows[:4]), Frames(rows[4:], items=deliveries.items())], bench, name="2024/sales.csv", catalogued=NOBODY)
    index = build_docs(bench.docs)
    pages = {path.parents[1].name: path for path in (index.parent / "validations").rglob("*.html")}
    assert set(pages) == {"delivery_2024_sales.csv", "interactions_2024_sales.csv", "items_2024_sales.csv"}
    assert all(page.relative_to(index.parent).as_posix() in index.read_text() for page in pages.values())
    assert pages["delivery_2024_sales.csv"] == judged.verdict.page
    delivery = _text(judged.verdict.page)
    assert "quantity is less than one in 3 of 10 rows with a quantity; at most 20% may be" in delivery
    assert "there is at least one row" in delivery
    assert "no column is missing" in delivery
    assert "no items without a catalogue row (found 1 of 1, in 7 of 7 interactions)" in delivery
    assert "30% unexpected" in _text(pages["interactions_2024_sales.csv"])


def _text(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text()))


def test_the_same_delivery_is_judged_alike_whatever_the_hour(deliveries: Deliveries, bench: Bench) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "price", -1.0)
    first = judge(Frames(rows), bench).verdict.validation_id
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    assert judge(Frames(rows), replace(bench, now=NOW + timedelta(hours=5))).verdict.validation_id == first
    others = [
        judge(Frames(deliveries.interactions()), bench),
        judge(Frames(deliveries.spoiled(deliveries.interactions(), "price", -1.0, rows=2)), bench),
        judge(Frames(rows.with_columns(sequence=pl.col("sequence") + 1)), bench),
        judge(Frames(rows), bench, name="other.csv"),
        judge(Frames(rows), bench, catalogued=NOBODY),
    ]
    assert len({first, *(one.verdict.validation_id for one in others)}) == 6


def test_rules_change_with_what_is_asked_and_nothing_else(bench: Bench, tmp_path: Path) -> None:
    def rules(**settings: Any) -> str:
        return replace(bench, settings=Settings(home=tmp_path, **settings)).rules

    assert rules() == rules(seed=5, list_length=3) == replace(bench, now=NOW + timedelta(days=9)).rules == bench.rules
    assert len({bench.rules, rules(max_bad_share=0.1), rules(history_hold=9.0), replace(bench, adapter=Source("quantity")).rules}) == 4


@pytest.mark.parametrize("size", [1, 3, 4, 7])
def test_blocks_of_any_size_come_to_the_same(deliveries: Deliveries, bench: Bench, size: int) -> None:
    rows = deliveries.spoiled(deliveries.interactions(), "price", -1.0)
    rows = pl.concat([rows, rows.tail(2).with_columns(pl.Series("sequence", [11, 12], dtype=pl.Int64))])
    items = pl.concat([deliveries.items(), deliveries.items().tail(2).with_columns(sequence=pl.lit(11, pl.Int64), title=pl.lit("later"))])
    whole = judge(Frames(rows, items=items), bench)
    cut = judge([Frames(rows[at : at + size], items=items[at : at + size]) for at in range(0, 12, size)], bench)
    assert cut.verdict.validation_id == whole.verdict.validation_id
    assert cut.verdict.profile == whole.verdict.profile
    assert sorted(cut.aside) == sorted(whole.aside)
    assert cut.rows("interactions").equals(whole.rows("interactions"))
    assert cut.rows("items").equals(whole.rows("items"))
    assert cut.rows("items").equals(deliveries.items())
    assert [(row, reasons) for _, row, reasons in sorted(cut.aside)] == [
        (4, ["price is negative"]),
        (11, ["identical to an earlier row"]),
        (12, ["identical to an earlier row"]),
    ]


def test_one_percent_of_bad_rows_is_set_aside_and_nothing_else(bench: Bench) -> None:
    """Every hundredth row is spoiled, each tenth of these in another way, over blocks that cut where they like."""
    kinds: list[tuple[dict[str, Any], str]] = [
        ({"user_id": None}, "user id is missing"),
        ({"item_id": None}, "item id is missing"),
        ({"timestamp": None}, "timestamp is missing"),
        ({"timestamp": NOW + timedelta(days=1)}, "timestamp lies in the future"),
        ({"event": "sale"}, "event is not one of this source's: sale"),
        ({"quantity": 0}, "quantity is less than one"),
        ({"price": -1.0}, "price is negative"),
        ({"price": float("inf")}, "price is not a plausible number"),
        ({"unreadable": "price 'abc'"}, "cannot be read: price 'abc'"),
        ({}, "identical to an earlier row"),
    ]
    rows = [_sale(number) for number in range(20_000)]
    expected = {}
    for nth, place in enumerate(range(99, 20_000, 100)):
        change, reason = kinds[nth % len(kinds)]
        rows[place] = {**(rows[place] if change else rows[place - 1]), **change, "sequence": place + 1}
        expected[place + 1] = [reason]
    frame = pl.DataFrame(rows, schema=dict(INTERACTION_FRAME))
    judged = judge([Frames(frame[:7_001]), Frames(frame[7_001:7_100]), Frames(frame[7_100:])], bench)
    assert {row: reasons for _, row, reasons in judged.aside} == expected
    assert judged.rows("interactions").equals(frame.filter(pl.col("sequence") % 100 != 0))
    profile = judged.verdict.profile
    assert (profile.rows_in, profile.rows_quarantined, judged.verdict.status) == (20_000, 200, "accepted")
    assert sum(profile.reasons.values()) == 200
    assert set(profile.reasons.values()) == {20}


def _sale(number: int) -> dict[str, Any]:
    when = NOW - timedelta(minutes=number + 1)
    sale = {"user_id": f"u{number % 700}", "item_id": f"i{number % 90}", "timestamp": when, "sequence": number + 1, "event": "purchase"}
    return {**dict.fromkeys(INTERACTION_FRAME), **sale, "quantity": 1, "price": 10.0}
