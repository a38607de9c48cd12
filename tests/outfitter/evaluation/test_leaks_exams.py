"""An exam that gives its answers away is caught, however it does so."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from outfitter.evaluation import inputs
from outfitter.evaluation.exam import Exam, set_exam
from outfitter.evaluation.leaks import exams as leaks
from outfitter.evaluation.leaks.exams import check_exams
from outfitter.features.asof import WEEK
from outfitter.lake.snapshot import Snapshot
from tests.outfitter.evaluation import leaky
from tests.outfitter.lake.frames import NOW

ASKED, UNTIL = NOW - 4 * WEEK, NOW - 2 * WEEK
NO_FEATURES = pl.DataFrame(schema={"user_key": pl.Int32, "cutoff": pl.Datetime("us", "UTC")})


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return leaky.shop(tmp_path_factory.mktemp("leaky"))


@pytest.fixture
def exam(snapshot: Snapshot, tmp_path: Path) -> Exam:
    return set_exam(snapshot, leaky.settings_of(tmp_path), ASKED, UNTIL, NO_FEATURES)


def finding(exam: Exam) -> str:
    found = check_exams([exam], most_users=10_000)
    assert not found.passed
    assert found.finding.startswith("the exam that asks at 2024-02-02 00:00 (window to 2024-02-16): ")
    assert "Mend outfitter/evaluation/exam.py" in found.remedy
    return found.finding


def of_window(exam: Exam) -> pl.DataFrame:
    """The rows that the exam must not tell."""
    events = inputs.weighted_events(exam.snapshot, exam.until, exam.settings.events).collect()
    return events.filter(pl.col("timestamp") > exam.asked)


@pytest.mark.parametrize("repeats", [False, True])
def test_an_honest_exam_passes(exam: Exam, repeats: bool) -> None:
    settings = exam.settings.model_copy(update={"repeat_purchases": repeats})
    honest = set_exam(exam.snapshot, settings, ASKED, UNTIL, NO_FEATURES)
    found = check_exams([honest, honest], most_users=10_000)
    assert found.passed, found.finding
    assert found.figures["exam_users"] == 2 * len(honest.users)
    assert found.figures["exam_truths"] == 2 * honest.taken.height


def test_histories_that_hold_the_answers_are_caught(exam: Exam) -> None:
    later = of_window(exam)
    told = finding(replace(exam, events=pl.concat([exam.events, later])))
    assert f"{later.height:,} rows of its histories are later" in told
    assert finding(replace(exam, events=pl.concat([exam.events, later.tail(1)])))


def test_answers_dated_back_are_caught(exam: Exam) -> None:
    back = of_window(exam).filter(pl.col("user_key").is_in(exam.users.tolist())).head(1)
    back = back.with_columns(pl.lit(ASKED, dtype=pl.Datetime("us", "UTC")).alias("timestamp"))
    told = finding(replace(exam, events=pl.concat([exam.events, back])))
    assert "1 rows of its histories had not happened when it asks" in told
    assert f"user key {back['user_key'][0]} and item key {back['item_key'][0]}" in told


def test_only_the_sampled_users_are_compared(exam: Exam) -> None:
    found = check_exams([exam], most_users=10)
    assert (found.passed, found.figures["exam_users"]) == (True, 10)


def test_asking_for_what_was_there_before_is_caught(exam: Exam) -> None:
    """The pair was taken in the window too, but the user had it already."""
    taken = pl.col("taken") & pl.col("user_key").is_in(exam.users.tolist())
    pairs = [rows.filter(taken).select("user_key", "item_key").unique() for rows in (exam.events, of_window(exam))]
    old = pairs[0].join(pairs[1], on=["user_key", "item_key"], how="semi").sort("user_key", "item_key").head(1)
    told = finding(replace(exam, taken=pl.concat([exam.taken, old]).sort("user_key", "item_key")))
    assert f"it asks user key {old['user_key'][0]} for item key {old['item_key'][0]}" in told


def test_asking_for_what_nobody_took_is_caught(exam: Exam) -> None:
    never = exam.taken.with_columns(pl.lit(999, exam.taken.schema["item_key"]).alias("item_key")).head(1)
    assert "item key 999, which was not first taken within its window" in finding(replace(exam, taken=pl.concat([exam.taken, never])))


def test_a_choice_that_knows_what_will_sell_is_caught(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    def ahead(snapshot: Snapshot, items: inputs.Catalogue, at: datetime, days: int, targets: list[str]) -> NDArray[np.bool_]:
        return inputs.sellable(snapshot, items, at + WEEK, 7, targets)

    monkeypatch.setattr(leaks, "sellable", ahead)
    assert "items count as sellable, or not, by what came later" in finding(exam)


def test_a_catalogue_that_knows_what_will_come_is_caught(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    def ahead(snapshot: Snapshot, until: datetime) -> inputs.Catalogue:
        """As many items as there were ever events, whenever it is asked."""
        rows = snapshot.scan("interactions").filter(pl.col("timestamp") <= until + WEEK).collect().height
        return inputs.Catalogue(np.arange(rows, dtype=np.int32), ())

    monkeypatch.setattr(leaks, "catalogue", ahead)
    assert re.search(r"its catalogue has 5,\d+ items, of which 4,\d+ were known", finding(exam))
