"""The exam check: an exam tells nothing of what it asks for, and asks for nothing that was already there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outfitter.evaluation.exam import Exam
from outfitter.evaluation.inputs import catalogue, sellable, weighted_events
from outfitter.evaluation.leaks.cut import Cut
from outfitter.evaluation.leaks.report import Check
from outfitter.evaluation.leaks.sample import targets_of

MENDED = "Mend outfitter/evaluation/exam.py or inputs.py, raise 'fit' and 'train' in outfitter/lake/stages.py, and run again."
HISTORY = ["user_key", "item_key", "timestamp", "weight", "taken"]


def check_exams(exams: Sequence[Exam], most_users: int) -> Check:
    """Histories and choice of each exam against data cut off when it asks, its truth against the window. At most so many users of each."""
    figures = Counter(exam_users=0, exam_history_rows=0, exam_truths=0)
    for exam in exams:
        users = pl.Series("user_key", _some(exam, most_users))
        told, truth = [rows.filter(pl.col("user_key").is_in(users.implode())) for rows in (exam.events, exam.taken)]
        figures.update(exam_users=len(users), exam_history_rows=told.height, exam_truths=truth.height)
        problem = _of_later(exam) or _history(exam, told, users) or _truth(exam, truth, users) or _choice(exam)
        if problem:
            where = f"the exam that asks at {exam.asked:%Y-%m-%d %H:%M} (window to {exam.until:%Y-%m-%d})"
            return Check("exams", False, f"{where}: {problem}", dict(figures), MENDED)
    rows, answers = figures["exam_history_rows"], figures["exam_truths"]
    return Check("exams", True, f"{rows:,} rows of history end when the exams ask, {answers:,} answers come after", dict(figures))


def _some(exam: Exam, most: int) -> NDArray[np.int32]:
    rng = np.random.default_rng(exam.settings.seed)
    return np.sort(rng.permutation(exam.users)[:most])


def _of_later(exam: Exam) -> str:
    late = exam.events.filter(pl.col("timestamp") > exam.asked)
    if late.is_empty():
        return ""
    row = late.row(0, named=True)
    return f"{late.height:,} rows of its histories are later, the first of user key {row['user_key']} at {row['timestamp']:%Y-%m-%d %H:%M}"


def _history(exam: Exam, told: pl.DataFrame, users: pl.Series) -> str:
    """The histories must be those of a snapshot in which nothing later is left, row for row."""
    cut = weighted_events(Cut.of(exam.snapshot, exam.asked), exam.asked, exam.settings.events)
    known = cut.filter(pl.col("user_key").is_in(users.implode())).select(HISTORY).collect()
    counted = [rows.select(HISTORY).group_by(HISTORY).len() for rows in (told, known)]
    extra = counted[0].join(counted[1], on=[*HISTORY, "len"], how="anti").sort(HISTORY)
    if extra.is_empty():
        return ""
    row = extra.row(0, named=True)
    first = f"user key {row['user_key']} and item key {row['item_key']} at {row['timestamp']:%Y-%m-%d %H:%M}"
    return f"{extra.height:,} rows of its histories had not happened when it asks, the first of {first}"


def _truth(exam: Exam, truth: pl.DataFrame, users: pl.Series) -> str:
    """Every answer was taken in the window, and unless repeats are asked for, not before it."""
    wanted = pl.col("user_key").is_in(users.implode()) & pl.col("event").is_in(targets_of(exam.settings))
    taken = exam.snapshot.scan("interactions").filter(wanted).select("user_key", "item_key", "timestamp").collect()
    after, pair = pl.col("timestamp") > exam.asked, ["user_key", "item_key"]
    stray = truth.join(taken.filter(after & (pl.col("timestamp") <= exam.until)), on=pair, how="anti")
    if not exam.settings.repeat_purchases:
        stray = pl.concat([stray, truth.join(taken.filter(~after), on=pair, how="semi")])
    if stray.is_empty():
        return ""
    row = stray.row(0, named=True)
    return f"it asks user key {row['user_key']} for item key {row['item_key']}, which was not first taken within its window"


def _choice(exam: Exam) -> str:
    """What is known and what is sellable when the exam asks must not depend on what comes after."""
    cut, targets = Cut.of(exam.snapshot, exam.asked), targets_of(exam.settings)
    items, known = catalogue(exam.snapshot, exam.asked), catalogue(cut, exam.asked)
    if not np.array_equal(items.keys, known.keys):
        return f"its catalogue has {len(items.keys):,} items, of which {len(known.keys):,} were known"
    now, then = [sellable(one, items, exam.asked, exam.settings.sellable_days, targets) for one in (exam.snapshot, cut)]
    return "" if np.array_equal(now, then) else f"{int((now != then).sum()):,} items count as sellable, or not, by what came later"
