"""The error analysis of an exam: its users and items are shared out as the lake knows them, and nobody's id leaves it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.popularity import Popularity
from outfitter.evaluation.error_analysis import exam_case, write_error_analysis
from outfitter.evaluation.exam import Exam, sit
from outfitter.evaluation.inputs import catalogue
from outfitter.evaluation.report import Case
from outfitter.evaluation.segments import Segmentation
from outfitter.lake.snapshot import Snapshot
from outfitter.settings import Settings
from tests.outfitter.evaluation.conftest import CATALOGUE, EVENTS
from tests.outfitter.evaluation.test_exam import exam_at, popularity
from tests.outfitter.lake.frames import arrival, at, bought, filled, listed

# asked seven days ago: Ann takes a shoe, Bob a coat, Cat a glove; before that hats were sold, and a coat ninety days ago
PAIRS = {"ann": "shoe", "bob": "coat", "cat": "glove"}


@pytest.fixture
def wide(settings: Settings) -> Settings:
    """Everything that was ever sold may be recommended."""
    return settings.model_copy(update={"sellable_days": 365})


@pytest.fixture
def exam(snapshot: Snapshot, wide: Settings) -> Exam:
    return exam_at(snapshot, wide, -7)


@pytest.fixture
def case(exam: Exam) -> Case:
    return exam_case(exam, catalogue(exam.snapshot, exam.asked))


@pytest.fixture
def segment(case: Case, exam: Exam, keys: dict[str, int]) -> Callable[[str], dict[str, str]]:
    """By the name of a segmentation: who, or what was taken by whom, and the segment."""
    owners = {keys[name]: name for name in PAIRS}

    def of(name: str) -> dict[str, str]:
        (one,) = [found for found in case.segments if found.name == name]
        who = [owners[key] for key in exam.users.tolist()]  # each of them took one thing, so users and pairs are in one order
        return dict(zip(who, [one.labels[code] for code in one.codes], strict=True))

    return of


def test_users_by_what_was_known_of_them(segment: Callable[[str], dict[str, str]]) -> None:
    """Ann had taken a coat and two hats, Bob a hat; nobody had heard of Cat."""
    assert segment("Items taken before") == {"ann": "1 to 4", "bob": "1 to 4", "cat": "none"}
    assert segment("Known users") == {"ann": "some history", "bob": "some history", "cat": "no history"}


def test_what_was_taken_by_whether_it_could_be_shown(segment: Callable[[str], dict[str, str]]) -> None:
    """The coat was sold ninety days ago; the shoe was only ever sent back, the glove had not been heard of."""
    no = "not sellable when asked"
    assert segment("Could be shown") == {"ann": no, "bob": "sellable when asked", "cat": no}


def test_what_was_taken_by_age_and_category(segment: Callable[[str], dict[str, str]]) -> None:
    new = "new in the window"
    assert segment("Age of the item") == {"ann": new, "bob": "over 30 days", "cat": new}
    assert segment("Category") == {"ann": "warm", "bob": "warm", "cat": "no category"}


def test_without_a_list_price_it_is_what_was_paid(segment: Callable[[str], dict[str, str]]) -> None:
    """Everything was paid with 10, the glove only in the window: what it costs is told all the same."""
    assert set(segment("Price").values()) == {"cheapest third (to 10)"}


def test_popularity_counts_users_who_took_it_before(case: Case, exam: Exam) -> None:
    """Ann's two hats are one taker, and Bob is the other; a view, a cart and what was sent back are no takings."""
    items = catalogue(exam.snapshot, exam.asked)
    assert dict(zip(items.ids, case.takers.tolist(), strict=True)) == {"coat": 1, "hat": 2, "shoe": 0, "belt": 0, "scarf": 1}
    assert case.n_known == 3
    assert dict(zip(items.ids, case.available.tolist(), strict=True)) == {
        "coat": True,
        "hat": True,
        "shoe": False,
        "belt": False,
        "scarf": False,  # never catalogued
    }


def test_an_item_is_as_old_as_the_catalogues_first_word_of_it(tmp_path: Path, wide: Settings) -> None:
    """The belt is listed ten days before the question and never sold, the shoe two days before."""
    items = [
        arrival("c", "items.csv", items=CATALOGUE),
        arrival("d", "belts.csv", items=listed("belt", valid_from=at(-17), title="A belt", price=7.0)),
    ]
    events = EVENTS.with_columns(item_id=EVENTS["item_id"].replace("glove", "belt"))
    snapshot = filled(tmp_path, arrival("e", "events.csv", interactions=events), *items)
    exam = exam_at(snapshot, wide, -7)
    found = exam_case(exam, catalogue(snapshot, exam.asked))
    (age,) = [one for one in found.segments if one.name == "Age of the item"]
    assert _labels(age).count("8 to 30 days") == 1
    assert "belt A belt" in found.item_names


def test_a_first_sale_does_not_make_an_item_young_that_was_listed_long_before(tmp_path: Path, wide: Settings) -> None:
    events = bought(("ann", "coat", -12), ("bob", "coat", 0))
    catalogued = arrival("c", "items.csv", items=listed("coat", valid_from=at(-100)))
    snapshot = filled(tmp_path, arrival("e", "events.csv", interactions=events), catalogued)
    exam = exam_at(snapshot, wide, -7)
    (age,) = [one for one in exam_case(exam, catalogue(snapshot, exam.asked)).segments if one.name == "Age of the item"]
    assert _labels(age) == ["over 30 days"]


def _labels(segmentation: Segmentation) -> list[str]:
    return [segmentation.labels[code] for code in segmentation.codes]


def test_the_page_tells_what_the_exam_did(exam: Exam, snapshot: Snapshot, wide: Settings, tmp_path: Path) -> None:
    model: Popularity = popularity(snapshot, wide, -7)
    result = sit(exam, model)
    page = write_error_analysis(tmp_path, exam, {"popularity": result})
    told = json.loads((page.parent / "figures.json").read_text())
    assert (told["users"], told["taken"], told["k"]) == (3, 3, wide.list_length)
    scores = told["lines"][0]["scores"]
    assert {name: found["mean"] for name, found in scores.items()} == pytest.approx({name: result.mean(name) for name in result.per_user})
    assert told["lines"][0]["lists"]["coverage"]["mean"] == pytest.approx(result.coverage)
    assert "coat" in page.read_text()
    assert snapshot.id in page.read_text()


def test_lists_are_kept_as_keys_of_items(exam: Exam, snapshot: Snapshot, wide: Settings, keys: dict[str, int]) -> None:
    result = sit(exam, popularity(snapshot, wide, -7))
    rows = dict(zip(exam.users.tolist(), result.shown.tolist(), strict=True))
    assert rows[keys["bob"]] == [keys["coat"], -1, -1]
    assert sorted(rows[keys["cat"]]) == sorted([keys["hat"], keys["coat"], -1])
    assert np.issubdtype(result.shown.dtype, np.int32)


def test_the_ids_of_people_stay_in_the_lake(exam: Exam, snapshot: Snapshot, wide: Settings, tmp_path: Path) -> None:
    page = write_error_analysis(tmp_path, exam, {"popularity": sit(exam, popularity(snapshot, wide, -7))})
    for text in (page.read_text(), (page.parent / "figures.json").read_text()):
        assert "user " in text
        assert not re.findall(rf"\b({'|'.join(PAIRS)})\b", text)
