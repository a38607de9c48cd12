"""What the checks found is told in a line, a table, JSON and, when something leaks, an error that names it."""

from __future__ import annotations

import json

import pytest

from outfitter.errors import LeakError
from outfitter.evaluation.leaks.report import Check, LeakReport

FINE = Check("exams", True, "all fine", {"exam_users": 7})
UNTRIED = Check("planted canary", True, "nothing moved", {}, tried=False)
LEAK = Check("as-of features", False, "feature 'x' of user 'u' | is 3", {"differing": 2, "of": "x"}, "Mend it.")
ANOTHER = Check("too good", False, "0.9", {"best_ndcg": 0.9}, "Look.")


def test_a_report_comes_back_from_its_json() -> None:
    report = LeakReport((FINE, UNTRIED, LEAK))
    assert LeakReport.of(json.loads(report.json())) == report
    assert report.record()["passed"] is False
    assert report.record()["line"] == report.line


def test_one_line_says_what_was_tried_and_what_leaks() -> None:
    assert LeakReport((FINE, UNTRIED)).line == "none found (exams); not tried: planted canary"
    assert LeakReport((FINE,)).line == "none found (exams)"
    assert LeakReport((FINE, LEAK, ANOTHER)).line == "LEAK: as-of features, too good"


def test_numbers_become_metrics_and_words_do_not() -> None:
    assert LeakReport((FINE, LEAK, ANOTHER)).metrics() == {"leak_exam_users": 7.0, "leak_differing": 2.0, "leak_best_ndcg": 0.9}


def test_the_table_has_a_row_for_each_check() -> None:
    rows = LeakReport((FINE, UNTRIED, LEAK)).markdown().splitlines()[2:]
    assert rows[:2] == ["| exams | passed | all fine |", "| planted canary | not tried | nothing moved |"]
    assert rows[2] == "| as-of features | LEAK | feature 'x' of user 'u' / is 3 |"


def test_a_leak_stops() -> None:
    LeakReport((FINE, UNTRIED)).stop_on_leak()
    with pytest.raises(LeakError) as caught:
        LeakReport((FINE, LEAK, ANOTHER)).stop_on_leak()
    assert caught.value.message == "leak found by the check 'as-of features' (and too good): feature 'x' of user 'u' | is 3"
    assert caught.value.hint == "Mend it."
