"""Coverage, diversity, novelty and popularity bias against arithmetic done by hand and pair by pair."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.metrics import beyond, coverage, diversity, gini, novelty, popularity_percentile
from outfitter.errors import ModelError

ITEMS = np.array([[0, 1, 2], [3, 1, -1], [2, -1, -1], [-1, -1, -1]], dtype=np.int32)
TAKERS = np.array([8, 2, 1, 0])  # of 16 users
VECTORS = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 2], [0, 0, 0]], dtype=np.float32)
NONE = np.full((2, 3), -1, dtype=np.int32)


def test_coverage_counts_distinct_items_and_no_padding() -> None:
    assert coverage(ITEMS, 20) == 4 / 20
    assert coverage(NONE, 20) == 0


@pytest.mark.parametrize("vectors", [VECTORS, sparse.csr_matrix(VECTORS)])
def test_diversity_is_one_less_the_mean_similarity_of_pairs(vectors: np.ndarray) -> None:
    """User 0: cosines 1/sqrt 2 of items 0 and 1, 0 of the other two pairs. User 1: item 3 has no attributes, so it is like nothing."""
    np.testing.assert_allclose(diversity(ITEMS, vectors), [1 - 1 / sqrt(2) / 3, 1, np.nan, np.nan])


def test_a_list_of_one_kind_has_no_diversity() -> None:
    alike = np.tile(np.array([[0.3, 0.4]], dtype=np.float32), (4, 1))
    np.testing.assert_allclose(diversity(ITEMS[:2], alike), [0, 0], atol=1e-12)


def brute_diversity(shown: list[int], vectors: np.ndarray) -> float:
    unit = [vector / max(np.linalg.norm(vector), 1e-300) for vector in vectors.astype(float)]
    pairs = [unit[a] @ unit[b] for a, b in combinations(shown, 2)]
    return 1 - float(np.mean(pairs)) if pairs else np.nan


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 9), st.sampled_from([0.2, 0.8]))
def test_diversity_pair_by_pair(seed: int, dims: int, k: int, filled: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = np.where(rng.random((10, dims)) < filled, rng.normal(size=(10, dims)), 0).astype(np.float32)
    lists = [rng.permutation(10)[: rng.integers(0, k + 1)].tolist() for _ in range(8)]
    padded = np.array([own + [-1] * (k - len(own)) for own in lists], dtype=np.int32)
    np.testing.assert_allclose(diversity(padded, vectors), [brute_diversity(own, vectors) for own in lists], atol=1e-9)


def test_working_in_blocks_of_users_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = diversity(ITEMS, VECTORS)
    monkeypatch.setattr(beyond, "USER_BLOCK", 3)
    np.testing.assert_array_equal(diversity(ITEMS, VECTORS), whole)


def test_novelty_is_the_surprise_at_what_is_listed() -> None:
    """-log2 of 8/16, 2/16, 1/16 is 1, 3, 4; item 3, taken by nobody, counts as taken once."""
    np.testing.assert_allclose(novelty(ITEMS, TAKERS, 16), [(1 + 3 + 4) / 3, (4 + 3) / 2, 4, np.nan])


def test_popularity_percentile() -> None:
    """Of four items the least popular has half of itself under it: 1/8, then 3/8, 5/8 and 7/8. Equals share their places."""
    np.testing.assert_allclose(popularity_percentile(ITEMS, TAKERS), [(7 + 5 + 3) / 8 / 3, (1 + 5) / 8 / 2, 3 / 8, np.nan])
    np.testing.assert_allclose(popularity_percentile(ITEMS[:1], np.array([5, 5, 5, 5])), [0.5])


def test_lists_by_chance_lie_in_the_middle_of_popularity() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 500, (4000, 10)).astype(np.int32)
    assert popularity_percentile(drawn, rng.integers(0, 50, 500)).mean() == pytest.approx(0.5, abs=0.01)


def brute_gini(counts: np.ndarray) -> float:
    """Half the mean absolute difference over the mean."""
    return float(np.abs(counts[:, None] - counts[None, :]).mean() / (2 * counts.mean()))


def test_gini_of_equal_and_of_all_in_one_hand() -> None:
    assert gini(np.array([[0, 1], [2, 3]], dtype=np.int32), 4) == 0
    assert gini(np.array([[2, -1], [2, -1]], dtype=np.int32), 4) == 3 / 4  # (n - 1) / n
    # exposure 1, 2, 2, 1 in ITEMS: mean absolute difference 8/16, over twice the mean of 1.5
    assert gini(ITEMS, 4) == pytest.approx((8 / 16) / 3)


@given(st.lists(st.lists(st.integers(-1, 6), min_size=3, max_size=3), min_size=1, max_size=9))
def test_gini_is_half_the_relative_mean_difference(lists: list[list[int]]) -> None:
    items = np.array(lists, dtype=np.int32)
    if (items >= 0).any():
        assert gini(items, 7) == pytest.approx(brute_gini(np.bincount(items[items >= 0], minlength=7)))


def test_exposure_of_nothing_cannot_be_compared() -> None:
    with pytest.raises(ModelError, match="no list shows anything"):
        gini(NONE, 4)
