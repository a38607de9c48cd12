"""Ranking metrics against the definitions written out user by user, and NDCG against scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from models.metrics import RANKING, Truth, ndcg

N_ITEMS = 12
Taken = dict[int, float]  # item to relevance


def brute_ndcg(shown: list[int], taken: Taken, k: int) -> float:
    gained = sum((2 ** taken[item] - 1) / log2(rank + 1) for rank, item in enumerate(shown, 1) if item in taken)
    ideal = sorted(taken.values(), reverse=True)[:k]
    return gained / sum((2**relevance - 1) / log2(rank + 1) for rank, relevance in enumerate(ideal, 1))


def brute_precision(shown: list[int], taken: Taken, k: int) -> float:
    return sum(item in taken for item in shown) / k


def brute_recall(shown: list[int], taken: Taken, k: int) -> float:
    return sum(item in taken for item in shown) / len(taken)


def brute_map(shown: list[int], taken: Taken, k: int) -> float:
    at_hits = [brute_precision(shown[:rank], taken, rank) for rank, item in enumerate(shown, 1) if item in taken]
    return sum(at_hits) / min(len(taken), k)


def brute_mrr(shown: list[int], taken: Taken, k: int) -> float:
    return next((1 / rank for rank, item in enumerate(shown, 1) if item in taken), 0.0)


def brute_hit_rate(shown: list[int], taken: Taken, k: int) -> float:
    return float(any(item in taken for item in shown))


BRUTE: dict[str, Callable[[list[int], Taken, int], float]] = {
    "ndcg": brute_ndcg,
    "recall": brute_recall,
    "precision": brute_precision,
    "map": brute_map,
    "mrr": brute_mrr,
    "hit_rate": brute_hit_rate,
}
taken = st.dictionaries(st.integers(0, N_ITEMS + 5), st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=1)
shown = st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=7)
users = st.lists(st.tuples(shown, taken), min_size=1, max_size=6)


def truth_of(all_taken: list[Taken]) -> Truth:
    ends = np.concatenate([[0], np.cumsum([len(one) for one in all_taken])])
    items = np.array([item for one in all_taken for item in one], dtype=np.int32)
    return Truth(ends, items, np.array([worth for one in all_taken for worth in one.values()], dtype=np.float32))


def test_there_is_a_definition_for_every_metric() -> None:
    assert set(BRUTE) == set(RANKING)


@pytest.mark.parametrize("name", RANKING)
@given(users, st.integers(1, 7))
def test_as_defined(name: str, people: list[tuple[list[int], Taken]], k: int) -> None:
    lists = [own[:k] for own, _ in people]
    padded = np.array([own + [-1] * (k - len(own)) for own in lists], dtype=np.int32)
    expected = [BRUTE[name](own, taken, k) for own, (_, taken) in zip(lists, people, strict=True)]
    np.testing.assert_allclose(RANKING[name](padded, truth_of([taken for _, taken in people])), expected, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, N_ITEMS))
def test_ndcg_as_scikit_learn_has_it(seed: int, k: int) -> None:
    """Its gain is the relevance itself, so it is handed 2^rel - 1; scores without ties make one ranking of all items."""
    rng = np.random.default_rng(seed)
    relevance = rng.integers(0, 4, (5, N_ITEMS))
    relevance[:, 0] += (relevance.sum(axis=1) == 0).astype(int)
    scores = rng.permuted(np.tile(np.arange(N_ITEMS), (5, 1)), axis=1)
    ranked = np.argsort(-scores, axis=1).astype(np.int32)[:, :k]
    truth = truth_of([{item: float(worth) for item, worth in enumerate(row) if worth} for row in relevance])
    assert ndcg(ranked, truth).mean() == pytest.approx(ndcg_score(2.0**relevance - 1, scores, k=k))
