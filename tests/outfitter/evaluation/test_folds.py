"""Folds against splits done by hand: nothing that is asked for is known, and nothing else is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.data import Histories
from models.metrics import Truth
from outfitter.errors import NotEnoughData, SettingsError
from outfitter.evaluation.datasets import Dataset
from outfitter.evaluation.folds import CHECKS, ByTime, Fold, LeaveLastOut, Split, first_takings
from tests.outfitter.evaluation.tiny import dataset, random_walks, walks, with_other_tests
from tests.outfitter.lake.frames import at, listed


def names(data: Dataset, positions: np.ndarray) -> list[str]:
    return [data.item_ids[position] for position in positions]


def told(data: Dataset, users: np.ndarray, rows: Histories | Truth) -> dict[str, list[str]]:
    """User to items, in order."""
    return {
        data.user_ids[int(user)]: names(data, rows.items[start:stop])
        for user, start, stop in zip(users, rows.indptr, rows.indptr[1:], strict=False)
    }


def learnt(data: Dataset, fold: Fold) -> list[list[str]]:
    rows = fold.training.histories
    return [names(data, rows.items[start:stop]) for start, stop in zip(rows.indptr, rows.indptr[1:], strict=False)]


def only(split: Split, data: Dataset, validation: bool = False) -> Fold:
    (fold,) = split.validations(data) if validation else split.tests(data)
    return fold


def test_the_last_item_is_the_test_and_the_one_before_it_the_validation() -> None:
    data = walks("abcd", "bcda", "ab")
    test, validation = only(LeaveLastOut(), data), only(LeaveLastOut(), data, validation=True)
    assert told(data, test.users, test.truth) == {"u0": ["d"], "u1": ["a"]}
    assert told(data, test.users, test.asked) == {"u0": ["a", "b", "c"], "u1": ["b", "c", "d"]}
    assert learnt(data, test) == [["a", "b", "c"], ["b", "c", "d"], ["a", "b"]], "who took two is learnt from and not asked"
    assert told(data, validation.users, validation.truth) == {"u0": ["c"], "u1": ["d"]}
    assert told(data, validation.users, validation.asked) == {"u0": ["a", "b"], "u1": ["b", "c"]}
    assert learnt(data, validation) == [["a", "b"], ["b", "c"], ["a", "b"]]
    assert test.available.all()
    assert test.known.all()


def test_positions_are_aged_from_each_users_next_step() -> None:
    fold = only(LeaveLastOut(), walks("abcd", "bcdaeb", "ab"))
    assert fold.asked.ages.tolist() == [3, 2, 1, 4, 3, 2, 1], "the second b is no first taking, so e is asked for"
    assert fold.training.histories.ages.tolist() == [3, 2, 1, 4, 3, 2, 1, 2, 1]


def test_times_are_aged_from_the_moment_of_asking_and_in_training_from_the_newest_event() -> None:
    data = dataset(("a", "x", -9), ("a", "y", -7), ("a", "z", -3), ("b", "x", -1))
    fold = only(LeaveLastOut(), data)
    assert fold.asked.ages.tolist() == [6, 4]
    assert fold.training.histories.ages.tolist() == [8, 6, 0]
    assert fold.training.until == at(-1)


def test_only_a_first_taking_is_asked_for_and_what_came_after_it_is_not_known() -> None:
    data = dataset(("a", "x", -9), ("a", "y", -8), ("a", "z", -7), ("a", "x", -6), ("a", "w", -5, "view"), ("a", "y", -4))
    fold = only(LeaveLastOut(), data)
    assert told(data, fold.users, fold.truth) == {"a": ["z"]}
    assert learnt(data, fold) == [["x", "y"]]
    again = only(LeaveLastOut(repeats=True), data)
    assert told(data, again.users, again.truth) == {"a": ["y"]}
    assert learnt(data, again) == [["x", "y", "z", "x", "w"]]
    assert again.training.histories.taken is not None
    assert again.training.histories.taken.tolist() == [True, True, True, True, False]


def test_nobody_with_three_items_is_not_enough() -> None:
    with pytest.raises(NotEnoughData, match="nobody took 3 different items"):
        list(LeaveLastOut().tests(walks("aba", "ab")))


def test_a_window_asks_for_what_is_new_in_it_and_knows_what_was_before() -> None:
    data = dataset(
        *(("ann", "x", -40), ("ann", "y", -9), ("ann", "x", -2), ("ann", "z", -1), ("ann", "y", 0, "view")),
        *(("bob", "z", -3), ("bob", "z", -2), ("bob", "x", 0)),
        *(("cat", "y", -10), ("cat", "x", -10.5)),
        *(("dan", "w", -10, "view"), ("dan", "x", -9.9)),
    )
    fold = only(ByTime(10), data)
    assert fold.name == "2024-02-20"
    assert fold.training.until == at(-10)
    assert told(data, fold.users, fold.truth) == {"ann": ["y", "z"], "bob": ["x", "z"], "dan": ["x"]}
    assert told(data, fold.users, fold.asked) == {"ann": ["x"], "bob": [], "dan": ["w"]}
    assert fold.known.tolist() == [True, False, True]
    assert learnt(data, fold) == [["x"], ["x", "y"], ["w"]], "an event at the very moment of asking is known"
    assert fold.asked.ages.tolist() == [30, 0]
    assert dict(zip(data.item_ids, fold.available.tolist(), strict=True)) == {"x": True, "y": True, "z": False, "w": True}
    repeats = only(ByTime(10, repeats=True), data)
    assert told(data, repeats.users, repeats.truth)["ann"] == ["x", "y", "z"]


def test_windows_follow_one_another_and_validations_end_where_the_tests_begin() -> None:
    data = dataset(*((user, f"i{day}", -day) for user in "ab" for day in range(0, 60, 2)))
    tests, validations = list(ByTime(7, windows=4).tests(data)), list(ByTime(7, windows=4).validations(data))
    assert [fold.training.until for fold in tests] == [at(-28), at(-21), at(-14), at(-7)]
    assert [fold.training.until for fold in validations] == [at(-28 - 7 * back) for back in (3, 2, 1)]
    assert len(validations) == CHECKS
    asked = [set(names(data, fold.truth.items)) for fold in (*validations, *tests)]
    assert all(not one & other for place, one in enumerate(asked) for other in asked[:place])
    assert set().union(*asked) == {f"i{day}" for day in range(0, 49, 2)}
    assert {ByTime(7).name, ByTime(7, windows=2).name, LeaveLastOut().name} == {"global-time", "rolling", "leave-last-out"}


def test_a_catalogue_says_when_an_item_was_known() -> None:
    catalogue = listed("x", "new", valid_from=at(-5)).vstack(listed("old"))
    data = dataset(("a", "x", -20), ("a", "y", -19), ("a", "new", 0), catalogue=catalogue)
    fold = only(ByTime(10), data)
    assert dict(zip(data.item_ids, fold.available.tolist(), strict=True)) == {"x": True, "new": False, "old": True, "y": True}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "x", -3), ("a", "x", 0)], "nobody took anything new in the window from 2024-02-28 to 2024-03-01"),
        ([("a", "x", -1), ("a", "y", 0)], "nobody had done anything before the window"),
    ],
)
def test_an_empty_window_is_told(rows: list[tuple[Any, ...]], message: str) -> None:
    with pytest.raises(NotEnoughData, match=message):
        list(ByTime(2).tests(dataset(*rows)))


def test_positions_are_not_parted_by_time() -> None:
    for split in (ByTime(2), ByTime(2, windows=3)):
        for folds in (split.tests, split.validations):
            with pytest.raises(SettingsError, match=r"has no times, only an order\. Choose --split leave-last-out"):
                list(folds(walks("abc")))


def test_first_takings_are_the_first_of_each_user_and_item() -> None:
    data = dataset(("a", "x", -3, "view"), ("a", "x", -2), ("a", "x", -1), ("b", "x", 0), ("b", "y", 0))
    assert first_takings(data).tolist() == [False, True, False, True, True]


RATED = dataset(
    *(("a", "x", -9, "rating", 1, 1, 4.0), ("a", "y", -8), ("a", "z", -1, "rating", 1, 1, 2.0)),
    *(("b", "x", -1, "rating", 1, 1, 5.0), ("b", "y", -0.5), ("b", "z", 0, "rating", 1, 1, 3.0)),
)


@pytest.mark.parametrize(
    ("split", "users", "items", "values", "known"),
    [
        (ByTime(2), ["a", "b"], [["z"], ["x", "z"]], [2, 5, 3], [["x", "y"], []]),
        (LeaveLastOut(), ["a", "b"], [["z"], ["z"]], [2, 3], [["x", "y"], ["x", "y"]]),
    ],
)
def test_the_ratings_to_be_foretold(
    split: Split, users: list[str], items: list[list[str]], values: list[float], known: list[list[str]]
) -> None:
    data, rated = RATED, only(split, RATED).rated
    assert rated is not None
    assert [data.user_ids[int(user)] for user in rated.users] == users
    assert [names(data, rated.items[start:stop]) for start, stop in zip(rated.indptr, rated.indptr[1:], strict=False)] == items
    assert rated.values.tolist() == values
    assert list(told(data, rated.users, rated.asked).values()) == known
    assert rated.asked.values is not None
    assert np.nan_to_num(rated.asked.values, nan=-1).tolist()[:2] == [4, -1]


def test_without_ratings_there_are_none() -> None:
    assert only(LeaveLastOut(), walks("abc")).rated is None


@pytest.mark.parametrize("split", [LeaveLastOut(), ByTime(10), ByTime(5, windows=2)])
def test_validation_folds_stay_as_they_are_when_the_test_items_change(split: Split) -> None:
    data = random_walks()
    changed = with_other_tests(data, split)
    assert any(
        not np.array_equal(one.truth.items, other.truth.items) for one, other in zip(split.tests(data), split.tests(changed), strict=True)
    )
    for before, after in zip(split.validations(data), split.validations(changed), strict=True):
        for get in VIEWS:
            assert np.array_equal(get(before), get(after))


VIEWS: list[Callable[[Fold], Any]] = [
    lambda fold: fold.training.histories.items,
    lambda fold: fold.training.histories.ages,
    lambda fold: fold.training.histories.weights,
    lambda fold: fold.training.histories.indptr,
    lambda fold: fold.training.until,
    lambda fold: fold.asked.items,
    lambda fold: fold.asked.indptr,
    lambda fold: fold.truth.items,
    lambda fold: fold.truth.indptr,
    lambda fold: fold.users,
    lambda fold: fold.available,
]
