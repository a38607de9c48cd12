"""The error analysis: figures that can be checked by hand, a page that opens anywhere, and nothing of the data that becomes markup."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.metrics import Truth
from outfitter.errors import ModelError
from outfitter.evaluation.bootstrap import Interval
from outfitter.evaluation.report import Case, write_report
from outfitter.evaluation.report.charts import LEFT, Group, bars, lines
from outfitter.evaluation.report.figures import TAKEN, analyse
from outfitter.evaluation.segments import by_activity, by_reach

EVIL = "<script>alert('&')</script>"
NAN = float("nan")
# ten items, 0 the most popular; user 0 took 0 and 1, user 1 took 5, user 2 took 9 and 12, which is not in the catalogue
TRUTH = Truth(np.array([0, 2, 3, 5]), np.array([0, 1, 5, 9, 12], dtype=np.int32))
GOOD = np.array([[1, 0], [2, 5], [0, 1]], dtype=np.int32)
POOR = np.array([[0, 2], [0, 2], [0, -1]], dtype=np.int32)
SHOWN = {"poor": POOR, "good": GOOD}


def a_case(**changes: Any) -> Case:
    case = Case(
        TRUTH,
        [by_activity(np.array([3, 0, 7])), by_reach(np.array([True, True, True, True, False]))],
        np.array([3, 0, 7]),
        np.array([16, 8, 4, 2, 2, 1, 1, 0, 0, 0]),
        16,
        np.array([True] * 8 + [False] * 2),
        np.eye(10, 4, dtype=np.float32),
        ["ann", "bob", "cat"],
        [f"item {n}" for n in range(10)],
    )
    return replace(case, **changes)


def test_models_stand_in_order_of_their_ndcg() -> None:
    best, other = analyse(SHOWN, a_case(), 200, 0).lines
    assert (best.model, other.model) == ("good", "poor")
    good = [1, 1 / log2(3), 0]  # 1 of 1 at rank 2; what user 2 took is not shown
    poor = [1 / (1 + 1 / log2(3)), 0, 0]
    assert best.scores["ndcg"].mean == pytest.approx(np.mean(good))
    assert other.scores["ndcg"].mean == pytest.approx(np.mean(poor))
    assert other.behind.mean == pytest.approx(np.mean(np.subtract(poor, good)))
    assert other.behind.low <= other.behind.mean <= other.behind.high
    assert best.behind == Interval(0, 0, 0)


def test_every_score_is_told() -> None:
    scores = {name: found.mean for name, found in analyse(SHOWN, a_case(), 200, 0).lines[0].scores.items()}
    assert scores == pytest.approx(
        {
            "ndcg": (1 + 1 / log2(3)) / 3,
            "recall": 2 / 3,
            "precision": (1 + 1 / 2) / 3,
            "map": (1 + 1 / 2) / 3,
            "mrr": (1 + 1 / 2) / 3,
            "hit_rate": 2 / 3,
        }
    )


def test_the_heads_of_the_lists_are_measured_too() -> None:
    best, other = analyse(SHOWN, a_case(), 200, 0).lines
    assert {name: found.mean for name, found in best.shorter.items()} == pytest.approx({"ndcg@1": 1 / 3, "recall@1": (1 / 2) / 3})
    assert {name: found.mean for name, found in other.shorter.items()} == pytest.approx({"ndcg@1": 1 / 3, "recall@1": (1 / 2) / 3})
    short = {model: items[:, :1] for model, items in SHOWN.items()}
    assert analyse(short, a_case(), 200, 0).lines[0].shorter == {}


def test_what_the_lists_are_like() -> None:
    lists = analyse(SHOWN, a_case(), 200, 0).lines[0].lists
    assert lists["coverage"].mean == 4 / 8  # 0, 1, 2 and 5 of the eight that could be shown
    assert lists["diversity"].mean == 1  # all attributes differ
    assert lists["novelty"].mean == pytest.approx(np.mean([(0 + 1) / 2, (2 + 4) / 2, (0 + 1) / 2]))  # -log2 of 16, 8, 4, 1 of 16
    # popularity of the eight: 16 8 4 2 2 1 1 0, so percentiles of 0, 1, 2 and 5 are 7.5, 6.5, 5.5 and 2 eighths
    assert lists["popularity"].mean == pytest.approx(np.mean([7, 3.75, 7]) / 8)
    # exposure 0 0 0 0 1 1 2 2: sum of (2i - n - 1) x is 1 + 3 + 10 + 14 = 28, over 8 times 6
    assert lists["gini"].mean == pytest.approx(28 / 48)
    assert np.isnan([lists["gini"].low, lists["coverage"].high]).all()


def test_segments_that_nobody_is_in_are_left_out() -> None:
    activity, reach = analyse(SHOWN, a_case(), 200, 0).breakdowns
    assert [(part.label, part.users, part.scores["good"].mean) for part in activity.parts] == [
        ("none", 1, pytest.approx(1 / log2(3))),
        ("1 to 4", 1, pytest.approx(1)),
        ("5 to 19", 1, 0),
    ]
    assert (activity.over, activity.metric, reach.over, reach.metric) == ("users", "ndcg", "taken", "recall")
    assert [(part.label, part.users, part.scores["good"].mean, part.scores["poor"].mean) for part in reach.parts] == [
        ("not sellable when asked", 1, 0, 0),
        ("sellable when asked", 3, pytest.approx(2 / 3), pytest.approx((1 / 2) / 3)),
    ]


def test_hits_by_rank() -> None:
    found = analyse(SHOWN, a_case(), 200, 0).hits_by_rank
    assert list(found) == ["good", "poor"]
    assert found["good"] == pytest.approx([1 / 3, 2 / 3])
    assert found["poor"] == pytest.approx([1 / 3, 0])


def test_popularity_of_what_is_shown_and_taken() -> None:
    """A hundred items, so that the first band is item 0, the second 1 to 4, then 5 to 19, 20 to 49 and the rest."""
    truth = Truth(np.array([0, 5]), np.array([0, 3, 4, 60, 105], dtype=np.int32))
    shown = {"one": np.array([[0, 5, 19, 20, 99]], dtype=np.int32)}
    whole = a_case(
        truth=truth,
        segments=[],
        taken_before=np.array([1]),
        takers=np.arange(100, 0, -1),
        available=np.ones(100, bool),
        attributes=np.eye(100, dtype=np.float32),
        item_names=[str(n) for n in range(100)],
    )
    found = analyse(shown, whole, 200, 0)
    assert found.shares_by_popularity == {"one": [0.2, 0, 0.4, 0.2, 0.2, 0], TAKEN: [0.2, 0.4, 0, 0, 0.2, 0.2]}
    assert len(found.bands) == 6
    assert found.bands[0] == "0% to 1% most popular"


def test_the_worst_served_come_first() -> None:
    users = analyse(SHOWN, a_case(), 200, 0).missed_users
    assert [(one.user, one.ndcg) for one in users] == [("cat", 0), ("bob", pytest.approx(1 / log2(3))), ("ann", 1)]
    assert users[0].took == ["item 9", "an item that no model knows"]
    assert users[0].was_shown == ["item 0", "item 1"]
    assert (users[0].taken, users[0].taken_before) == (2, 7)


def test_of_equals_the_one_who_took_most_is_told_first() -> None:
    truth = Truth(np.array([0, 1, 4, 5]), np.array([6, 6, 7, 8, 6], dtype=np.int32))
    users = analyse({"good": GOOD}, a_case(truth=truth, segments=[]), 200, 0).missed_users
    assert [one.user for one in users] == ["bob", "ann", "cat"]


def test_items_that_everybody_took_and_nobody_was_shown() -> None:
    truth = Truth(np.array([0, 2, 4, 6]), np.array([6, 0, 6, 2, 6, 0], dtype=np.int32))
    items = analyse(SHOWN, a_case(truth=truth, segments=[]), 200, 0).missed_items
    assert [(one.item, one.taken_before, one.taken, dict(one.found)) for one in items] == [
        ("item 6", 1, 3, {"good": 0, "poor": 0}),
    ]


def test_rows_of_one_user_widen_the_intervals() -> None:
    """Twenty rows of two users, all of the one found and none of the other."""
    truth = Truth(np.arange(21), np.zeros(20, np.int32))
    items = np.where(np.arange(20)[:, None] < 10, 0, 1).astype(np.int32)
    changes = {"truth": truth, "segments": [], "taken_before": np.zeros(20, int), "user_names": ["u"] * 20}
    alone = analyse({"m": items}, a_case(**changes), 400, 0).lines[0].scores["recall"]
    together = analyse({"m": items}, a_case(**changes, clusters=np.repeat([0, 1], 10)), 400, 0).lines[0].scores["recall"]
    assert (together.low, together.mean, together.high) == (0, 0.5, 1)
    assert 0.2 < alone.low < alone.high < 0.8


@pytest.mark.parametrize("shown", [{}, {"a": GOOD, "b": GOOD[:, :1]}])
def test_models_that_did_not_answer_the_same_question_are_refused(shown: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="cannot be compared"):
        analyse(shown, a_case(), 200, 0)


def test_a_model_that_shows_nothing_is_still_told() -> None:
    line = analyse({"empty": np.full((3, 2), -1, dtype=np.int32)}, a_case(), 200, 0).lines[0]
    assert line.scores["ndcg"] == Interval(0, 0, 0)
    assert line.lists["coverage"].mean == 0
    assert np.isnan([line.lists["gini"].mean, line.lists["novelty"].mean, line.lists["diversity"].low]).all()


class Page(HTMLParser):
    """Collects tags, attributes and text, and refuses tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    case = a_case(user_names=[EVIL] * 3, item_names=[EVIL] * 10)
    case = replace(case, segments=[replace(one, name=EVIL, labels=(EVIL,) * len(one.labels)) for one in case.segments])
    return write_report(tmp_path / "new" / "report", EVIL, {EVIL: GOOD, "poor": POOR}, case, 200, 0, EVIL)


def test_the_page_asks_the_network_for_nothing(written: Path) -> None:
    text = written.read_text()
    assert not re.findall(r"https?:|//|url\(|@import", text)
    page = Page(text)
    assert not page.attributes & {"src", "href", "srcset", "onload", "onclick"}
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed"}


def test_words_of_the_data_stay_words(written: Path) -> None:
    """Title, note, model, segment, user and item, in tables and in charts."""
    page = Page(written.read_text())
    assert "script" not in page.tags
    assert sum(EVIL in words for words in page.words) > 15
    assert page.words.count(EVIL) >= 2  # the title, twice


def test_every_section_is_there(tmp_path: Path) -> None:
    words = " ".join(Page(write_report(tmp_path, "A title", SHOWN, a_case(), 200, 0, "A note.").read_text()).words)
    titles = (
        "A title",
        "A note.",
        "3 users took 5 items",
        "NDCG@2",
        "Hit rate@2",
        "Items taken before: NDCG@2",
        "Could be shown: Recall@2",
    )
    for expected in (*titles, "sellable when asked (3)", "Where the hits stand", "0% to 1% most popular", "Worst served users", "cat"):
        assert expected in words


def test_the_figures_lie_beside_the_page(tmp_path: Path) -> None:
    page = write_report(tmp_path, "A title", SHOWN, a_case(), 200, 0)
    told = json.loads((page.parent / "figures.json").read_text(), parse_constant=pytest.fail)
    analysis = analyse(SHOWN, a_case(), 200, 0)
    assert told["title"] == "A title"
    assert [line["model"] for line in told["lines"]] == analysis.models
    found = analysis.lines[0].scores["ndcg"]
    assert told["lines"][0]["scores"]["ndcg"] == {"mean": found.mean, "low": found.low, "high": found.high}
    assert told["lines"][0]["lists"]["coverage"] == {"mean": 0.5, "low": None, "high": None}
    assert told["missed_users"][0]["user"] == "cat"


def test_writing_it_again_replaces_it(tmp_path: Path) -> None:
    first = write_report(tmp_path, "Once", SHOWN, a_case(), 200, 0)
    assert write_report(tmp_path, "Again", SHOWN, a_case(), 200, 0) == first
    assert "Once" not in first.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "index.html"]


def svg(text: str) -> ET.Element:
    return ET.fromstring(text)  # an error where it is not well formed


def test_bars_are_as_long_as_their_figures() -> None:
    values = {"a": Interval(0.2, 0.1, 0.4), "b": Interval(0.1, NAN, NAN)}
    drawn = svg(bars([Group("one & all", values)], ["a", "b"]))
    first, second = (float(rect.get("width", "")) for rect in drawn.iter("rect"))
    assert first == pytest.approx(2 * second, abs=0.2)
    (whisker,) = [path.get("d", "") for path in drawn.iter("path") if path.get("class") == "whisker"]
    low, high = (float(end) for end in re.findall(r"^M([\d.]+) [\d.]+H([\d.]+)", whisker)[0])
    assert (low - LEFT, high - LEFT) == pytest.approx((first / 2, first * 2), abs=0.2)
    assert [title.text for title in drawn.iter("title")] == ["a: 0.2000 (0.1000 to 0.4000)", "b: 0.1000"]


def test_nothing_to_draw_is_no_error() -> None:
    assert not list(svg(bars([Group("none", {"a": Interval(NAN, NAN, NAN)})], ["a"])).iter("rect"))
    assert [rect.get("width") for rect in svg(bars([Group("zero", {"a": Interval(0, 0, 0)})], ["a"])).iter("rect")] == ["0.5"]


def test_lines_go_through_their_figures() -> None:
    drawn = svg(lines({"a": [0.4, 0.2, 0.0], "b": [0.0, 0.0, 0.1]}, "rank"))
    points = [line.get("points", "").split() for line in drawn.iter("polyline")]
    heights = [[float(point.split(",")[1]) for point in line] for line in points]
    assert heights[0][0] < heights[0][1] < heights[0][2] == heights[1][0]
    assert heights[0][2] - heights[0][1] == pytest.approx(heights[0][1] - heights[0][0])
    assert heights[1][0] - heights[1][2] == pytest.approx((heights[0][2] - heights[0][0]) / 4, abs=0.1)


def test_a_single_rank_has_its_point() -> None:
    assert len(list(svg(lines({"a": [0.4]}, "rank")).iter("circle"))) == 1
