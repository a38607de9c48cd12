"""The as-of check catches every kind of feature that knows the future, names it, and its canary tells when it would not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outfitter.evaluation.leaks import features, sample
from outfitter.evaluation.leaks.cut import Cut
from outfitter.evaluation.leaks.differences import differences
from outfitter.evaluation.leaks.features import Side, check_canary, check_features, check_last_items, sides
from outfitter.evaluation.leaks.sample import Sample, draw
from outfitter.features.asof import WEEK, rows_as_of
from outfitter.features.spec import ITEM_FEATURES, USER_FEATURES, names
from outfitter.lake.snapshot import Snapshot
from tests.outfitter.evaluation import leaky
from tests.outfitter.evaluation.leaky import Frames, Ground, ground, joined


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return leaky.shop(tmp_path_factory.mktemp("leaky"))


@pytest.fixture(scope="module")
def clean(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return ground(snapshot, tmp_path_factory.mktemp("clean"))


@pytest.fixture(autouse=True)
def _like_feast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "joined_by_feast", joined)


def looked_at(on: Ground) -> tuple[Sample, tuple[Side, Side]]:
    drawn = draw(on.material, on.windows, on.exams())
    return drawn, sides(on.material, drawn, with_rows=True)


def spoilt(clean: Ground, home: Path, spoil: Callable[[Frames], Frames]) -> Ground:
    return ground(clean.material.snapshot, home, spoil=spoil)


def test_clean_features_pass_every_check(clean: Ground) -> None:
    drawn, both = looked_at(clean)
    found = check_features(clean.material.snapshot, both)
    assert found.passed, found.finding
    assert found.figures == {"user_rows": both[0].learnt.height, "item_rows": both[1].learnt.height, "differing": 0}
    assert set(both[0].learnt["source"]) == {"the training rows", "the exam's profiles"}
    assert set(both[1].learnt["source"]) == {"the training rows", "the item rows"}
    listed = check_last_items(clean.material, drawn, both[0])
    assert listed.passed
    assert listed.figures["listed_items"] == both[0].learnt["last_items"].list.len().sum()


def test_the_sample_is_of_rows_strictly_after_their_cutoff_and_not_after_the_next(clean: Ground) -> None:
    drawn, _ = looked_at(clean)
    early = drawn.rows["timestamp"] - drawn.rows["cutoff"]
    assert early.min() > timedelta(0)  # type: ignore[operator]
    assert early.max() == WEEK  # an event exactly at the next cut-off still belongs to this one
    assert drawn.weeks[:2] == [clean.windows.validation_from, clean.windows.validation_from - WEEK]
    assert drawn.rows.equals(draw(clean.material, clean.windows, clean.exams()).rows)


def test_the_canary_is_caught_on_both_sides(clean: Ground) -> None:
    _, both = looked_at(clean)
    found = check_canary(both)
    assert found.passed
    assert found.tried
    assert found.figures["user_rows_caught"] == found.figures["user_rows_moved"] > 50  # type: ignore[operator]
    assert found.figures["item_rows_caught"] == found.figures["item_rows_moved"] > 30  # type: ignore[operator]


def test_a_cutoff_moved_by_a_week_is_named(snapshot: Snapshot, tmp_path: Path) -> None:
    on = ground(snapshot, tmp_path, compute=leaky.later)
    drawn, both = looked_at(on)
    found = check_features(snapshot, both)
    assert not found.passed
    feature, user, learnt, known = _first(found.finding)
    assert feature in names(USER_FEATURES)
    assert f"user '{user}' as of " in found.finding
    assert learnt != known
    assert "FEATURES_VERSION" in found.remedy
    listed = check_last_items(on.material, drawn, both[0])
    assert not listed.passed
    assert "holds item 'item " in listed.finding
    assert ", taken on 2024-0" in listed.finding


def _first(finding: str) -> tuple[str, str, str, str]:
    """The feature, the user, what is learnt and what is known, out of the words."""
    feature, user = finding.split("'")[1], finding.split("'")[3]
    learnt = finding.split(" is ")[1].split(" in ", maxsplit=1)[0]
    known = finding.split(", and ")[1].split(" when ", maxsplit=1)[0]
    return feature, user, learnt, known


def test_code_that_looks_ahead_is_caught_although_the_check_runs_the_same_code(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sample.user_rows

    def ahead(snapshot: Snapshot, cutoff: Any, *rest: Any) -> Any:
        return real(snapshot, cutoff + WEEK, *rest)

    monkeypatch.setattr("outfitter.features.asof.user_rows", ahead)
    monkeypatch.setattr(sample, "user_rows", ahead)
    _, both = looked_at(ground(snapshot, tmp_path))
    assert not check_features(snapshot, both).passed


def test_a_join_that_takes_the_next_cutoff_is_caught(clean: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "joined_by_feast", lambda material, events: joined(material, events, early=-WEEK))
    _, both = looked_at(clean)
    found = check_features(clean.material.snapshot, both)
    assert not found.passed
    assert "in the training rows, and" in found.finding


def test_a_join_at_the_moment_itself_is_caught(clean: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the shop's events are at whole days, so some lie on a cut-off, which knows them already."""
    monkeypatch.setattr(features, "joined_by_feast", lambda material, events: joined(material, events, early=timedelta(0)))
    _, both = looked_at(clean)
    assert not check_features(clean.material.snapshot, both).passed


def test_one_number_of_one_item_is_enough(clean: Ground, tmp_path: Path) -> None:
    def spoil(frames: Frames) -> Frames:
        mine = pl.col("item_key") == 7
        return frames[0], frames[1].with_columns(pl.when(mine).then(pl.col("sales_7d") + 1).otherwise("sales_7d").alias("sales_7d"))

    on = spoilt(clean, tmp_path, spoil)
    found = check_features(on.material.snapshot, looked_at(on)[1])
    assert not found.passed
    assert "feature 'sales_7d' of item 'item 7' as of 2024-" in found.finding
    assert "item rows differ, in sales_7d" in found.finding


def test_the_last_bit_is_no_leak(clean: Ground, tmp_path: Path) -> None:
    bit = pl.col("mean_price") * (1 + 1.2e-7)
    on = spoilt(clean, tmp_path, lambda frames: (frames[0].with_columns(bit), frames[1]))
    assert on.rows("user_features")["mean_price"].sum() != clean.rows("user_features")["mean_price"].sum()
    assert check_features(on.material.snapshot, looked_at(on)[1]).passed


def test_an_item_listed_that_was_never_taken_is_named(clean: Ground, tmp_path: Path) -> None:
    def spoil(frames: Frames) -> Frames:
        never = pl.concat_list("last_items", pl.lit(999, pl.Int64)).alias("last_items")
        return frames[0].with_columns(never), frames[1]

    on = spoilt(clean, tmp_path, spoil)
    drawn, both = looked_at(on)
    found = check_last_items(on.material, drawn, both[0])
    assert not found.passed
    assert "holds item with key 999, never taken" in found.finding
    assert "feature 'last_items'" in check_features(on.material.snapshot, both).finding


def test_a_check_that_sees_nothing_is_caught_by_the_canary(clean: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    _, both = looked_at(clean)
    monkeypatch.setattr(features, "differences", lambda learnt, known, columns: differences(known, known, columns))
    assert check_features(clean.material.snapshot, both).passed
    found = check_canary(both)
    assert not found.passed
    assert "the as-of check is blind" in found.finding
    assert "as of one week later" in found.finding


def test_when_nothing_moved_the_canary_says_so(clean: Ground) -> None:
    _, both = looked_at(clean)
    still = []
    for side in both:
        first = side.known.unique(side.keys[1], keep="first", maintain_order=True).drop("cutoff")
        known = side.known.select(side.keys).join(first, on=side.keys[1], how="left")
        still.append(Side(side.kind, side.columns, known.with_columns(pl.lit("here").alias("source")), known))
    found = check_canary((still[0], still[1]))
    assert (found.passed, found.tried) == (True, False)
    assert "could not be tried" in found.finding


def test_without_models_that_read_them_no_rows_are_joined(clean: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "joined_by_feast", lambda *_: pytest.fail("joined"))
    drawn = draw(clean.material, clean.windows, clean.exams())
    both = sides(clean.material, drawn, with_rows=False)
    assert set(both[0].learnt["source"]) == {"the exam's profiles"}
    assert check_features(clean.material.snapshot, both).passed
    assert check_canary(both).tried


def test_a_large_shop_is_sampled_more_thinly(clean: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SMALL", 100)
    drawn, both = looked_at(clean)
    assert (len(drawn.weeks), drawn.item_weeks) == (2, 1)
    assert both[1].learnt["cutoff"].unique().to_list() == [clean.windows.validation_from]
    assert check_features(clean.material.snapshot, both).passed
    assert check_canary(both).figures.keys() == {"user_rows_moved", "user_rows_caught"}


def test_a_cut_snapshot_holds_nothing_later(snapshot: Snapshot) -> None:
    cut = Cut.of(snapshot, leaky.NOW - 5 * WEEK)
    assert cut.scan("interactions").select(pl.col("timestamp").max()).collect().item() <= cut.as_of
    kept = snapshot.scan("interactions").filter(pl.col("timestamp") <= cut.as_of).collect().height
    assert cut.scan("interactions").collect().height == kept < leaky.ROWS
    assert cut.items().collect().height == leaky.ITEMS
    before = Cut.of(snapshot, leaky.EPOCH - WEEK)
    assert not before.items().collect()["catalogued"].any()


def test_the_join_of_these_tests_gives_the_newest_rows_before_the_event(clean: Ground) -> None:
    drawn, _ = looked_at(clean)
    rows = joined(clean.material, drawn.rows)
    users, items = rows_as_of(clean.material.snapshot, drawn.weeks[1], clean.windows, leaky.TARGETS)
    mine = rows.filter(pl.col("cutoff") == drawn.weeks[1])
    for frame, key, columns in ((users, "user_key", names(USER_FEATURES)), (items, "item_key", names(ITEM_FEATURES))):
        want = mine.select(key).join(frame.with_columns(pl.col(key).cast(mine.schema[key])), on=key, how="left", maintain_order="left")
        assert differences(mine, want, columns).is_empty()
