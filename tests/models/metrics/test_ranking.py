"""Ranking metrics against arithmetic done by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from models.metrics import RANKING, Truth, average_precision, hit_rate, hits, measure, mrr, ndcg, precision, recall
from outfitter.errors import ModelError

# user 0 took 3 and 7, listed at ranks 1 and 3; user 1 took 5 alone, not listed; user 2 took 0..5, more than fit into the list;
# user 3 took 9, listed last, after which the list is padded
ITEMS = np.array([[3, 1, 7, 4], [1, 2, 3, 4], [6, 0, 2, 8], [2, 4, 9, -1]], dtype=np.int32)
TRUTH = Truth(np.array([0, 2, 3, 9, 10]), np.array([7, 3, 5, 5, 4, 3, 2, 1, 0, 9], dtype=np.int32))


def test_hits() -> None:
    assert hits(ITEMS, TRUTH).astype(int).tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0]]


def test_precision_divides_by_k() -> None:
    np.testing.assert_allclose(precision(ITEMS, TRUTH), [2 / 4, 0, 2 / 4, 1 / 4])


def test_recall_divides_by_what_was_taken() -> None:
    np.testing.assert_allclose(recall(ITEMS, TRUTH), [2 / 2, 0, 2 / 6, 1 / 1])


def test_hit_rate() -> None:
    assert hit_rate(ITEMS, TRUTH).tolist() == [1, 0, 1, 1]


def test_mrr() -> None:
    np.testing.assert_allclose(mrr(ITEMS, TRUTH), [1, 0, 1 / 2, 1 / 3])


def test_ndcg() -> None:
    d1, d2, d3, d4 = 1 / log2(2), 1 / log2(3), 1 / log2(4), 1 / log2(5)
    # the best list has min(taken, 4) hits at its head: 2 for user 0, 4 for user 2, 1 for user 3
    expected = [(d1 + d3) / (d1 + d2), 0, (d2 + d3) / (d1 + d2 + d3 + d4), d3 / d1]
    np.testing.assert_allclose(ndcg(ITEMS, TRUTH), expected)


def test_average_precision_divides_by_the_smaller_of_taken_and_k() -> None:
    # user 0: (1/1 + 2/3) / min(2, 4); user 2: (1/2 + 2/3) / min(6, 4); user 3: (1/3) / min(1, 4)
    np.testing.assert_allclose(average_precision(ITEMS, TRUTH), [(1 + 2 / 3) / 2, 0, (1 / 2 + 2 / 3) / 4, 1 / 3])


def test_a_perfect_list_scores_one_everywhere() -> None:
    truth = Truth(np.array([0, 2]), np.array([1, 0], dtype=np.int32))
    items = np.array([[0, 1]], dtype=np.int32)
    for metric in (precision, recall, hit_rate, mrr, ndcg, average_precision):
        np.testing.assert_allclose(metric(items, truth), [1.0])


def test_padding_is_never_a_hit_of_the_neighbouring_user() -> None:
    """User 1's padding and user 0's last item would share a number if users and items were packed carelessly."""
    truth = Truth(np.array([0, 1, 2]), np.array([9, 4], dtype=np.int32))
    assert not hits(np.array([[-1, -1], [-1, -1]], dtype=np.int32), truth).any()


def test_graded_relevance_gains_two_to_the_power_of_it_less_one() -> None:
    """Took 3 (worth 3), 7 (worth 1) and 5 (worth 2); shown 7, 9, 3: gains 1, 0, 7, where 7, 3, 1 was to be had."""
    truth = Truth(np.array([0, 3]), np.array([3, 7, 5], dtype=np.int32), np.array([3, 1, 2], dtype=np.float32))
    items = np.array([[7, 9, 3]], dtype=np.int32)
    got, best = 1 / log2(2) + 7 / log2(4), 7 / log2(2) + 3 / log2(3) + 1 / log2(4)
    np.testing.assert_allclose(ndcg(items, truth), [got / best])
    np.testing.assert_allclose(ndcg(items[:, :2], truth), [1 / (7 + 3 / log2(3))])  # of two places the best list fills both
    binary = Truth(truth.indptr, truth.items)
    for metric in (precision, recall, hit_rate, mrr, average_precision):
        assert metric(items, truth).tolist() == metric(items, binary).tolist()


def test_the_best_graded_list_scores_one_and_its_reverse_less() -> None:
    truth = Truth(np.array([0, 3]), np.array([3, 7, 5], dtype=np.int32), np.array([3, 1, 2], dtype=np.float32))
    best = np.array([[3, 5, 7]], dtype=np.int32)
    assert ndcg(best, truth)[0] == pytest.approx(1)
    assert ndcg(best[:, ::-1], truth)[0] < 1


@pytest.mark.parametrize("worthless", [0.0, -1.0, np.nan, np.inf])
def test_a_relevance_must_be_above_zero(worthless: float) -> None:
    with pytest.raises(ModelError, match="relevance is not a number above 0"):
        Truth(np.array([0, 1]), np.array([3], dtype=np.int32), np.array([worthless], dtype=np.float32))


def test_every_metric_at_every_k_is_that_of_the_lists_cut_there() -> None:
    found = measure(ITEMS, TRUTH, (1, 3, 4))
    assert list(found) == [f"{name}@{k}" for k in (1, 3, 4) for name in RANKING]
    assert found["hit_rate@1"].tolist() == [1, 0, 0, 0]
    assert found["precision@1"].tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(found["recall@3"], [1, 0, 2 / 6, 1])
    np.testing.assert_allclose(found["map@3"], [(1 + 2 / 3) / 2, 0, (1 / 2 + 2 / 3) / 3, 1 / 3])
    np.testing.assert_allclose(found["ndcg@4"], ndcg(ITEMS, TRUTH))


@pytest.mark.parametrize("k", [0, 5])
def test_lists_are_not_measured_beyond_their_length(k: int) -> None:
    with pytest.raises(ModelError, match=f"lists of 4 cannot be measured at {k}"):
        measure(ITEMS, TRUTH, (k,))


def test_a_list_that_repeats_a_hit_is_refused() -> None:
    """Else a model could score above 1 by naming the one thing it is sure of twelve times."""
    with pytest.raises(ModelError, match="names an item twice"):
        ndcg(np.array([[3, 3, 1, 2]], dtype=np.int32), Truth(np.array([0, 1]), np.array([3], dtype=np.int32)))


def test_no_users_no_figures() -> None:
    assert ndcg(np.empty((0, 4), dtype=np.int32), Truth(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int32))).shape == (0,)


def test_a_user_without_truth_is_refused() -> None:
    with pytest.raises(ModelError, match="1 users have no truth"):
        ndcg(ITEMS[:2], Truth(np.array([0, 1, 1]), np.array([3], dtype=np.int32)))


def test_lists_and_truth_must_be_of_the_same_users() -> None:
    with pytest.raises(ModelError, match="cannot be compared"):
        recall(ITEMS[:2], TRUTH)
