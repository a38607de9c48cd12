"""What the ledger's past says: the unlikely is warned of or held, the ordinary passes, and the late is never held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from expectations.facts import Fact
from expectations.freshness import Times, freshness, gap_days
from expectations.history import learnt
from expectations.inspection import Inspection
from expectations.judging import Bench, Verdict, conclude
from expectations.measuring import Measuring
from expectations.profile import Place, Profile
from outfitter.datasets.base import Frames, SourceFile
from outfitter.datasets.synthetic import Shop, SyntheticAdapter, write_shop
from outfitter.schema import DELIVERIES, INTERACTION_FRAME, conform
from outfitter.settings import Settings

FIRST = datetime(2024, 2, 21, tzinfo=UTC)  # the ninth day ends when the tests are
ROWS = 2_000
ITEMS = 200


def sales(day: int, *, rows: int = ROWS, price: float = 1.0, fresh: float = 0.0, days: int = 1) -> pl.DataFrame:
    """A delivery of ``days`` days; fresh: the share of its items that no other day has."""
    rng = np.random.default_rng(day)
    items = [f"new-{day}-{number}" if number < fresh * ITEMS else f"old-{number}" for number in range(ITEMS)]
    start = FIRST + timedelta(days=day)
    frame = pl.DataFrame(
        {
            "user_id": rng.integers(0, 900, rows).astype(str),
            "item_id": [items[number] for number in rng.integers(0, ITEMS, rows)],
            "timestamp": [start + timedelta(hours=float(hour)) for hour in rng.uniform(0, 24 * days, rows)],
            "sequence": range(1, rows + 1),
            "event": "purchase",
            "quantity": 1,
            "price": rng.lognormal(3.3, 0.6, rows) * price,
        }
    )
    return conform(frame, INTERACTION_FRAME)


def profiled(frame: pl.DataFrame, *, new: int = 0, gap: float | None = None, stale: float | None = None) -> Profile:
    measuring = Measuring()
    measuring.add(frame, interactions=True)
    return Profile(frame.height, 0, (), (), measuring.measures, "", Place(new_items=new, gap_days=gap, stale_days=stale))


def ledger(frames: Sequence[pl.DataFrame], arrived: timedelta = timedelta(hours=6)) -> pl.DataFrame:
    """Rows of the ledger for accepted deliveries, taken in ``arrived`` after their last event."""
    profiles = [profiled(frame) for frame in frames]
    told = pl.DataFrame(
        {
            "status": "accepted",
            "first_event": [one.first_event for one in profiles],
            "last_event": [one.last_event for one in profiles],
            "ingested_at": [one.last_event + arrived for one in profiles if one.last_event],
            "profile": [one.to_json() for one in profiles],
        }
    )
    return conform(told, DELIVERIES)


def verdict_on(frame: pl.DataFrame, past: pl.DataFrame, bench: Bench) -> Verdict:
    inspection = Inspection(bench, "today.csv", "interactions")
    inspection.take(Frames(interactions=frame))
    found = inspection.finish()
    known = pl.Series([f"old-{number}" for number in range(ITEMS)])
    return conclude(
        found.profile, "today.csv", "interactions", bench, past=past, items_met=found.items_met, known_items=known, catalogued=None
    )


@pytest.fixture(scope="module")
def past() -> pl.DataFrame:
    return ledger([sales(day, rows=ROWS + 40 * (day % 3)) for day in range(8)])


def test_an_ordinary_day_passes(past: pl.DataFrame, bench: Bench) -> None:
    verdict = verdict_on(sales(8), past, bench)
    assert (verdict.status, verdict.warnings) == ("accepted", ())


def test_prices_in_cents_are_held(past: pl.DataFrame, bench: Bench) -> None:
    verdict = verdict_on(sales(8, price=100.0), past, bench)
    assert verdict.status == "held"
    assert verdict.reason.startswith("a median price of 2,684, where a median price of 27.25 is usual over the last 8 deliveries")
    assert verdict.warnings == ()
    assert "beyond it the delivery is held" in verdict.page.read_text()


def test_a_doubled_volume_is_warned_of(past: pl.DataFrame, bench: Bench) -> None:
    verdict = verdict_on(sales(8, rows=2 * ROWS), past, bench)
    assert verdict.status == "accepted"
    (warning,) = verdict.warnings
    assert warning.startswith("4,000 rows a day, where 2,040 rows a day is usual over the last 8 deliveries and from 1,360 rows a day to")


def test_a_tenth_of_the_volume_is_held(past: pl.DataFrame, bench: Bench) -> None:
    verdict = verdict_on(sales(8, rows=ROWS // 10), past, bench)
    assert (verdict.status, verdict.reason[:14]) == ("held", "200 rows a day")


def test_prices_that_went_missing_are_told_though_a_source_may_have_none(past: pl.DataFrame, bench: Bench) -> None:
    """The ledger's profiles here come from a suite, for it is by its results that a source is known to have prices."""
    bare = sales(8).with_columns(price=pl.lit(None, pl.Float64))
    assert verdict_on(bare, past, bench).warnings == ()
    priced = past.with_columns(profile=pl.lit(verdict_on(sales(7), past, bench).profile.to_json()))
    assert verdict_on(bare, priced, bench).warnings == ("interactions: price of a purchase is missing in 2,000 of 2,000 purchases",)


def test_two_days_in_one_file_are_no_doubled_volume(past: pl.DataFrame, bench: Bench) -> None:
    assert verdict_on(sales(8, rows=2 * ROWS, days=2), past, bench).warnings == ()


@pytest.mark.parametrize(("fresh", "status", "warned"), [(0.05, "accepted", False), (0.5, "accepted", True), (0.9, "held", False)])
def test_items_that_the_lake_has_never_seen(past: pl.DataFrame, bench: Bench, fresh: float, status: str, warned: bool) -> None:
    verdict = verdict_on(sales(8, fresh=fresh), past, bench)
    assert (verdict.status, any("new items" in one for one in verdict.warnings)) == (status, warned)
    assert verdict.profile.place.new_items == round(fresh * ITEMS)


def test_nothing_is_learnt_from_too_few(past: pl.DataFrame, bench: Bench) -> None:
    odd = sales(8, rows=ROWS // 10, price=100.0, fresh=0.9)
    assert verdict_on(odd, past[: bench.settings.history_deliveries - 1], bench).status == "accepted"
    assert verdict_on(odd, past[: bench.settings.history_deliveries], bench).status == "held"


def test_the_factors_are_settings(past: pl.DataFrame, bench: Bench) -> None:
    wide = bench.settings.model_copy(update={"history_warn": 3.0, "history_hold": 200.0})
    facts = learnt(profiled(sales(8, rows=2 * ROWS, price=100.0)), [Profile.from_json(text) for text in past["profile"]], wide)
    assert [(one.subject, one.effect) for one in broken(facts)] == [("median price", "warn")]


def test_a_late_delivery_is_told_and_never_held(past: pl.DataFrame, bench: Bench) -> None:
    """It comes from days after those before it, and months after it happened; in volume, prices and items it is like them."""
    verdict = verdict_on(sales(12), past, replace(bench, now=bench.now + timedelta(days=100)))
    assert verdict.status == "accepted"
    assert [one.split(":")[0] for one in verdict.warnings] == [
        "5 days without events before the first",
        "96 days from the last event to the arrival",
    ]


def test_a_shop_that_is_closed_on_sundays_has_a_gap_every_week() -> None:
    times = Times.of(ledger([sales(day, rows=50) for day in range(27) if day % 7 != 6]))
    assert gap_days(FIRST + timedelta(days=5, hours=20), FIRST + timedelta(days=7, hours=1)) == 2
    assert not broken(freshness(profiled(sales(28, rows=50), gap=2.0), times, Settings()))
    assert broken(freshness(profiled(sales(30, rows=50), gap=4.0), times, Settings()))


def test_weekends_three_times_as_busy_are_neither_held_nor_told_of_once_known() -> None:
    days = [sales(day, rows=600 if day % 7 >= 5 else 200) for day in range(42)]
    facts = list(in_turn(days))
    assert not [one for one in facts if one.effect == "hold"]
    weekends = {one.said for one in in_turn(days[:21])}
    assert {one.said for one in facts} == weekends, "nothing is said after three weeks"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Two years of a synthetic shop with its seasons, as one table."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(Shop(users=600, items=300, interactions=30_000, days=730, seed=2), folder)
    files = sorted(folder.glob("interactions-*.csv"))
    return pl.concat(
        frames.interactions
        for path in files
        for frames in SyntheticAdapter().read(SourceFile(path, path.name, "interactions"))
        if frames.interactions is not None
    )


@pytest.mark.parametrize(("every", "most"), [("1mo", 0.1), ("1w", 0.05), ("1d", 0.02)])
def test_a_seasonal_shop_is_never_held_and_rarely_told_of(shop: pl.DataFrame, every: str, most: float) -> None:
    parts = [part for _, part in shop.sort("timestamp").group_by(pl.col("timestamp").dt.truncate(every), maintain_order=True)]
    facts = list(in_turn(parts))
    assert not [one.said for one in facts if one.effect == "hold"]
    assert len(facts) <= most * len(parts), [one.said for one in facts]


def in_turn(parts: Iterable[pl.DataFrame]) -> Iterator[Fact]:
    """What is broken when deliveries come one after the other, each against those before it."""
    earlier: list[Profile] = []
    known: set[Any] = set()
    for part in parts:
        items = set(part["item_id"])
        profile = profiled(part, new=len(items - known))
        yield from broken(learnt(profile, earlier, Settings()))
        earlier, known = [*earlier, profile], known | items


def broken(facts: Iterable[Fact]) -> list[Fact]:
    return [one for one in facts if not (one.low or 0) <= one.value <= (one.high if one.high is not None else one.value)]


def test_settings_live_in_one_place(tmp_path: Path) -> None:
    """The bounds a page shows are those of the settings: 1.5 times and 4 times, for a past without any spread."""
    same = [profiled(sales(0)) for _ in range(6)]
    bounds = {(one.effect, one.low, one.high) for one in learnt(same[0], same, Settings(home=tmp_path)) if one.subject == "median price"}
    level = same[0].measures.median_price or 0
    assert {(effect, round(low or 0, 6), round(high or 0, 6)) for effect, low, high in bounds} == {
        ("warn", round(level / 1.5, 6), round(level * 1.5, 6)),
        ("hold", round(level / 4, 6), round(level * 4, 6)),
    }
