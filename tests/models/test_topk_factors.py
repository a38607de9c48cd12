"""Exact retrieval by item vectors against a brute-force sort, on the CPU and through the code that a GPU runs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from models import parallel, topk
from models.retrieval import gpu, question
from models.retrieval.item_vectors import ItemVectors
from models.retrieval.question import Retrieval
from models.topk import TopK, top_k_factors
from outfitter.errors import ModelError
from tests.models.test_topk import brute
from tests.models.worlds import histories


def expected(queries: np.ndarray, vectors: np.ndarray, k: int, available: np.ndarray | None, seen: list[list[int]]) -> TopK:
    """Everything scored in float64, rounded once, sorted."""
    scores = (queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)
    return brute(scores, k, available, seen)


def same(found: TopK, wanted: TopK) -> None:
    np.testing.assert_array_equal(found.items, wanted.items)
    np.testing.assert_array_equal(found.scores, wanted.scores)


def drawn(data: st.DataObject) -> tuple[np.ndarray, np.ndarray, int, np.ndarray | None, list[list[int]]]:
    """Whole numbers, so that float64 is exact and ties are the rule; lengths that differ, so that there is something to prune."""
    n_users, n_items, dims = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 80))
    k = data.draw(st.one_of(st.integers(1, 20), st.just(n_items), st.just(n_items + 3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    most = data.draw(st.sampled_from([1, 3, 100]))
    vectors = rng.integers(-most, most + 1, size=(n_items, dims)).astype(np.float32)
    vectors *= rng.integers(0, 4, size=(n_items, 1)).astype(np.float32)
    queries = rng.integers(-most, most + 1, size=(n_users, dims)).astype(np.float32) * np.float32(data.draw(st.sampled_from([0, 1, 0.25])))
    available = rng.random(n_items) < data.draw(st.sampled_from([0.02, 0.6])) if data.draw(st.booleans()) else None
    seen = [rng.integers(0, n_items, size=rng.integers(0, 30)).tolist() for _ in range(n_users)]
    return queries, vectors, k, available, seen


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_equals_a_full_sort(data: st.DataObject) -> None:
    queries, vectors, k, available, seen = drawn(data)
    wanted = expected(queries, vectors, k, available, seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "FEW", data.draw(st.sampled_from([1, 64])))
        patch.setattr(question, "SLICE", data.draw(st.sampled_from([2, 4096])))
        same(top_k_factors(queries, vectors, k, available, histories(seen)), wanted)
        same(top_k_factors(queries, vectors, k, available, histories(seen), prune=False), wanted)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_gpu_gives_the_same(data: st.DataObject) -> None:
    """Run on torch's CPU device; without spare candidates nearly every list with a tie at its end is left to the CPU."""
    queries, vectors, k, available, seen = drawn(data)
    wanted = expected(queries, vectors, k, available, seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "gpu", lambda: torch.device("cpu"))
        patch.setattr(topk, "MANY", 1)
        patch.setattr(topk, "FEW", 1)
        patch.setattr(gpu, "SPARE", data.draw(st.sampled_from([0, 20])))
        patch.setattr(gpu, "CELLS", data.draw(st.sampled_from([1, 5000])))
        same(top_k_factors(queries, vectors, k, available, histories(seen)), wanted)


def test_a_gpu_settles_most_lists_itself() -> None:
    """Every score is below 0, and more items are hidden than are offered."""
    rng = np.random.default_rng(0)
    vectors, queries = (sign * rng.exponential(size=(n, 16)).astype(np.float32) for n, sign in ((2000, 1), (50, -1)))
    seen = histories(top_k_factors(queries, vectors, 40).items.tolist())
    asked = Retrieval.of(queries, vectors, 10, None, seen)
    assert len(gpu.offer_products(torch.device("cpu"), asked)) == 0
    same(TopK(asked.found, asked.scores), top_k_factors(queries, vectors, 10, None, seen))


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-19, 1.0, 1e18])
@pytest.mark.parametrize("near", [0.0, 1e-6, 0.3])
def test_rounding_hides_nothing(scale: float, near: float) -> None:
    """Items within a few roundings of each other, at scores below what float32 can hold, at 1 and near its end."""
    rng = np.random.default_rng(5)
    base = rng.normal(size=48)
    vectors = (scale * (base + near * rng.normal(size=(2500, 48)))).astype(np.float32)
    queries = (scale * (base + 0.3 * rng.normal(size=(7, 48)))).astype(np.float32)
    wanted = expected(queries, vectors, 15, None, [[]] * 7)
    same(top_k_factors(queries, vectors, 15), wanted)
    same(top_k_factors(queries, vectors, 15, prune=False), wanted)


def test_a_short_vector_that_points_the_right_way_is_found() -> None:
    """The bound is met: the best item is the shortest, and just better than thousands of long ones."""
    vectors = np.zeros((4097, 3), dtype=np.float32)
    vectors[:4096] = [0.999, 10, 0]
    vectors[4096] = [1, 0, 0]
    assert top_k_factors(np.array([[2, 0, 0]], dtype=np.float32), vectors, 1).items.tolist() == [[4096]]


def test_a_list_is_the_same_alone_and_among_others() -> None:
    rng = np.random.default_rng(3)
    items = ItemVectors.of((rng.normal(size=(5000, 33)) * rng.exponential(size=(5000, 1))).astype(np.float32))
    queries = rng.normal(size=(700, 33)).astype(np.float32)
    whole = top_k_factors(queries, items, 9)
    for user in range(0, 700, 50):
        alone = top_k_factors(queries[user : user + 1], items, 9)
        np.testing.assert_array_equal(alone.items[0], whole.items[user])
        np.testing.assert_array_equal(alone.scores[0], whole.scores[user])


def test_pruning_leaves_most_products_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by giving the vectors that are too short a value that would be noticed."""
    rng = np.random.default_rng(1)
    lengths = np.where(np.arange(8192) < 1024, 10.0, 0.01)[:, None]
    items = ItemVectors.of((lengths * rng.normal(size=(8192, 8))).astype(np.float32))
    queries = rng.normal(size=(100, 8)).astype(np.float32)
    wanted = top_k_factors(queries, items, 5)
    items.vectors[2048:] = 1e6
    same(top_k_factors(queries, items, 5), wanted)
    assert (top_k_factors(queries, items, 5, prune=False).scores > wanted.scores).any()


def test_fewer_than_k_admissible_are_padded() -> None:
    found = top_k_factors(np.ones((1, 2), np.float32), np.eye(3, 2, dtype=np.float32), 3, np.array([True, True, False]), histories([[0]]))
    assert found.items.tolist() == [[1, -1, -1]]
    assert found.scores.tolist() == [[1, -np.inf, -np.inf]]


def test_nobody_and_nothing() -> None:
    assert top_k_factors(np.empty((0, 4), np.float32), np.ones((5, 4), np.float32), 3).items.shape == (0, 3)
    assert (top_k_factors(np.ones((2, 4), np.float32), np.empty((0, 4), np.float32), 3).items == -1).all()
    none = np.zeros(5, dtype=bool)
    assert (top_k_factors(np.ones((100, 4), np.float32), np.ones((5, 4), np.float32), 3, none).items == -1).all()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"k": 0}, "0 items"),
        ({"queries": np.ones((2, 3), np.float32)}, r"queries have shape \(2, 3\)"),
        ({"queries": np.full((2, 4), np.nan, np.float32)}, "query 0 holds"),
        ({"queries": np.full((2, 4), 1e30, np.float32), "vectors": np.full((5, 4), 1e30, np.float32)}, "too large for float32"),
        ({"vectors": np.ones(5, np.float32)}, "no matrix"),
        ({"vectors": np.array([[1, 1, 1, 1], [1, 1, np.inf, 1]], np.float32)}, "item vector 1 holds"),
        ({"available": np.ones(3, dtype=bool)}, "availability has shape"),
        ({"seen": histories([[0]])}, "histories of 1 users"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], problem: str) -> None:
    whole = {"queries": np.ones((2, 4), np.float32), "vectors": np.ones((5, 4), np.float32), "k": 2, **arguments}
    with pytest.raises(ModelError, match=problem):
        top_k_factors(**whole)  # type: ignore[arg-type]


def test_overlapping_calls_leave_the_blas_as_it_was() -> None:
    def blas() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    parallel._controller.cache_clear()  # other tests have loaded libraries that bring a BLAS of their own
    top_k_factors(np.ones((200, 4), np.float32), np.ones((50, 4), np.float32), 3)
    before = blas()
    with parallel.one_blas_thread():
        with parallel.one_blas_thread(), ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda _: top_k_factors(np.ones((200, 4), np.float32), np.ones((50, 4), np.float32), 3), range(8)))
        assert set(blas()) == {1}
    assert blas() == before


def test_an_error_in_any_slice_is_raised() -> None:
    def work(some: slice) -> None:
        if some.start == 4:
            raise ModelError("the third slice failed")

    with pytest.raises(ModelError, match="third slice"):
        parallel.in_slices(work, 10, 2)
