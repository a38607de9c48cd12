"""Segments: everyone is in exactly one, borders lie where they are said to, and what was taken is measured within them."""

from __future__ import annotations

from math import log2

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import RANKING, Truth, ndcg, recall
from outfitter.errors import ModelError
from outfitter.evaluation.segments import (
    Segmentation,
    by_activity,
    by_age,
    by_category,
    by_history,
    by_price,
    by_reach,
    measure_segments,
)

# user 0 took 1 2 3 and is shown 1 9 3; user 1 took 4 and is shown 5 6 4; user 2 took 1 and 9 and is shown 9
TRUTH = Truth(np.array([0, 3, 4, 6]), np.array([1, 2, 3, 4, 1, 9], dtype=np.int32))
ITEMS = np.array([[1, 9, 3], [5, 6, 4], [9, -1, -1]], dtype=np.int32)


def placed(segmentation: Segmentation) -> list[str]:
    return [segmentation.labels[code] if code >= 0 else "" for code in segmentation.codes]


def test_users_are_measured_in_their_own_segment() -> None:
    users = Segmentation("kind", "users", ("a", "b", "c"), np.array([1, 0, 1], dtype=np.int32))
    np.testing.assert_allclose(
        measure_segments(users, recall, ITEMS, TRUTH), [[np.nan, 2 / 3, np.nan], [1, np.nan, np.nan], [np.nan, 1 / 2, np.nan]]
    )


def test_whoever_is_in_no_segment_counts_in_none() -> None:
    users = Segmentation("kind", "users", ("a",), np.array([-1, 0, -1], dtype=np.int32))
    np.testing.assert_allclose(measure_segments(users, recall, ITEMS, TRUTH), [[np.nan], [1], [np.nan]])


def test_what_was_taken_is_measured_on_the_part_in_the_segment() -> None:
    """By odd and even items: user 0 took 1 and 3 of the odd ones and found both, 2 of the even ones and did not."""
    taken = Segmentation("parity", "taken", ("even", "odd"), (TRUTH.items % 2).astype(np.int32))
    np.testing.assert_allclose(measure_segments(taken, recall, ITEMS, TRUTH), [[0, 1], [1, np.nan], [np.nan, 1 / 2]])
    best = 1 + 1 / log2(3)  # user 0's odd ones stand at ranks 1 and 3 where 1 and 2 were to be had
    np.testing.assert_allclose(measure_segments(taken, ndcg, ITEMS, TRUTH), [[0, 1.5 / best], [0.5, np.nan], [np.nan, 1 / best]])


def test_relevance_goes_with_what_is_kept() -> None:
    graded = Truth(TRUTH.indptr, TRUTH.items, np.array([1, 1, 3, 1, 1, 1], dtype=np.float32))
    odd = Segmentation("parity", "taken", ("odd",), np.where(TRUTH.items % 2, 0, -1).astype(np.int32))
    assert measure_segments(odd, ndcg, ITEMS, graded)[0, 0] == pytest.approx((1 + 7 / 2) / (7 + 1 / log2(3)))


@pytest.mark.parametrize("over", ["users", "taken"])
def test_segments_of_others_are_refused(over: str) -> None:
    with pytest.raises(ModelError, match="segments by kind are of 5"):
        measure_segments(Segmentation("kind", over, ("a",), np.zeros(5, np.int32)), recall, ITEMS, TRUTH)  # type: ignore[arg-type]


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(RANKING)))
def test_a_single_segment_is_the_whole(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, 5)
    items = np.concatenate([rng.permutation(8)[:count] for count in counts]).astype(np.int32)
    truth = Truth(np.concatenate([[0], np.cumsum(counts)]), items)
    shown = np.stack([rng.permutation(8)[:4] for _ in range(5)]).astype(np.int32)
    whole = RANKING[name](shown, truth)
    for over, size in (("users", 5), ("taken", len(items))):
        one = Segmentation("all", over, ("all",), np.zeros(size, np.int32))  # type: ignore[arg-type]
        np.testing.assert_allclose(measure_segments(one, RANKING[name], shown, truth)[:, 0], whole)


def test_recall_of_all_is_that_of_the_segments_weighted_by_what_was_taken() -> None:
    taken = Segmentation("parity", "taken", ("even", "odd"), (TRUTH.items % 2).astype(np.int32))
    in_each = np.array([[1, 2], [1, 0], [0, 2]])
    found = np.nan_to_num(measure_segments(taken, recall, ITEMS, TRUTH)) * in_each
    np.testing.assert_allclose(found.sum(axis=1) / in_each.sum(axis=1), recall(ITEMS, TRUTH))


def test_bands_of_activity() -> None:
    counts = np.array([0, 1, 4, 5, 19, 20, 300])
    found = by_activity(counts)
    assert placed(found) == ["none", "1 to 4", "1 to 4", "5 to 19", "5 to 19", "20 or more", "20 or more"]
    assert found.over == "users"
    assert found.labels == ("none", "1 to 4", "5 to 19", "20 or more")


def test_bands_can_be_drawn_elsewhere() -> None:
    assert placed(by_activity(np.array([0, 1, 2, 3, 4]), starts=(2, 3))) == ["0 to 1", "0 to 1", "2", "3 or more", "3 or more"]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.sets(st.integers(1, 50), max_size=5))
def test_nobody_is_lost_between_bands(counts: list[int], inner: set[int]) -> None:
    found = by_activity(np.array(counts), (1, *sorted(inner - {1})))
    assert ((found.codes >= 0) & (found.codes < len(found.labels))).all()
    assert all((code == 0) == (count == 0) for code, count in zip(found.codes, counts, strict=True))
    assert (np.diff(found.codes[np.argsort(counts)]) >= 0).all()


def test_new_users_and_known_ones() -> None:
    assert placed(by_history(np.array([False, True]))) == ["no history", "some history"]


def test_ages_in_days() -> None:
    days = np.array([0, 7.9, 8, 30.9, 31, 4000, np.nan])
    week, month, old = "0 to 7 days", "8 to 30 days", "over 30 days"
    assert placed(by_age(days)) == [week, week, month, month, old, old, "new in the window"]
    assert by_age(days).over == "taken"


def test_the_categories_that_are_taken_most() -> None:
    categories = pl.Series(["hat", "coat", None, "coat", "shoe", "hat", "belt", "coat"])
    found = by_category(categories, most=2)
    assert found.labels == ("coat", "hat", "other categories", "no category")
    others = "other categories"
    assert placed(found) == ["hat", "coat", "no category", "coat", others, "hat", others, "coat"]


def test_equally_frequent_categories_stand_in_order_of_name() -> None:
    assert by_category(pl.Series(["b", "a", "c"]), most=2).labels[:2] == ("a", "b")


def test_where_nothing_has_a_category() -> None:
    assert placed(by_category(pl.Series([None, None]))) == ["no category"] * 2


def test_thirds_of_the_catalogue_by_price() -> None:
    """Of prices 1 to 7 the thirds end at 3 and 5; a third's end belongs to it."""
    found = by_price(np.array([1, 3, 3.01, 5, 5.01, 99, np.nan]), np.array([1, 2, 3, 4, 5, 6, 7, np.nan]))
    assert [label.split(" ")[0] for label in placed(found)] == ["cheapest", "cheapest", "middle", "middle", "dearest", "dearest", "no"]
    assert found.labels[0] == "cheapest third (to 3)"


def test_a_catalogue_without_prices() -> None:
    assert placed(by_price(np.array([np.nan, 4.0]), np.array([np.nan]))) == ["no price", "no price"]


def test_what_could_not_be_shown() -> None:
    assert placed(by_reach(np.array([True, False]))) == ["sellable when asked", "not sellable when asked"]
