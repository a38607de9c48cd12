"""Approximate retrieval: what it must keep of the exact one, and how much of it it finds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from models.retrieval import ann
from models.retrieval.ann import AnnIndex, Kind
from models.retrieval.item_vectors import ItemVectors
from models.topk import top_k_factors
from outfitter.errors import ModelError
from tests.models.worlds import histories

N, DIM, K = 3000, 24, 10


def clusters(n: int, seed: int) -> np.ndarray:
    """Vectors around 40 centres, of lengths that differ: what the factors of a fashion shop look like."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(40, DIM))
    return ((centres[rng.integers(40, size=n)] + 0.4 * rng.normal(size=(n, DIM))) * rng.lognormal(sigma=0.5, size=(n, 1))).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def items() -> ItemVectors:
    return ItemVectors.of(clusters(N, 0))


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return clusters(150, 1)


@pytest.fixture(scope="module", params=["hnsw", "ivf"])
def index(request: pytest.FixtureRequest, items: ItemVectors) -> AnnIndex:
    return AnnIndex.build(items, request.param, effort=24)


def test_finds_nearly_all_of_the_exact_lists(index: AnnIndex, queries: np.ndarray) -> None:
    found, exact = index.search(queries, K).items, top_k_factors(queries, index.items, K).items
    overlap = np.mean([len(set(one) & set(other)) / K for one, other in zip(found.tolist(), exact.tolist(), strict=True)])
    assert overlap > 0.97
    assert index.recall(queries, K).mean() == pytest.approx(overlap)


def test_more_effort_finds_more(items: ItemVectors, queries: np.ndarray) -> None:
    little, much = (AnnIndex.build(items, "ivf", effort).recall(queries, K).mean() for effort in (1, 1000))
    assert little < 0.97
    assert much == 1.0


def test_scores_are_those_of_the_exact_search(index: AnnIndex, queries: np.ndarray) -> None:
    found = index.search(queries, K)
    whole = (queries.astype(np.float64) @ clusters(N, 0).astype(np.float64).T).astype(np.float32)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(whole, found.items.astype(np.int64), axis=1))
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_never_gives_what_is_seen_or_unavailable(index: AnnIndex, queries: np.ndarray) -> None:
    """Everybody has seen their exact 30 best, so that what is over-fetched is what is needed."""
    available = np.random.default_rng(2).random(N) < 0.3
    seen = top_k_factors(queries, index.items, 30, available).items
    found = index.search(queries, K, available, histories(seen.tolist())).items
    assert available[found].all()
    assert not any(np.isin(one, other).any() for one, other in zip(found, seen, strict=True))
    assert index.recall(queries, K, available, histories(seen.tolist())).mean() > 0.9


def test_who_comes_out_short_is_searched_for_exactly(index: AnnIndex, queries: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann, "LONGEST", 0)
    seen = histories(top_k_factors(queries, index.items, 40).items.tolist())
    found, exact = index.search(queries, K, None, seen), top_k_factors(queries, index.items, K, None, seen)
    np.testing.assert_array_equal(found.items, exact.items)
    np.testing.assert_array_equal(found.scores, exact.scores)


def test_more_than_there_are_is_padded(queries: np.ndarray) -> None:
    few = AnnIndex.build(clusters(5, 3), "hnsw")
    found = few.search(queries[:2], 8).items
    assert (np.sort(found[:, :5], axis=1) == np.arange(5)).all()
    assert (found[:, 5:] == -1).all()
    assert (few.recall(queries[:2], 8) == 1).all()
    assert (few.recall(queries[:2], 8, np.zeros(5, dtype=bool)) == 1).all()


def test_nobody_asks(index: AnnIndex) -> None:
    assert index.search(np.empty((0, DIM), np.float32), K).items.shape == (0, K)


def test_same_vectors_same_index(index: AnnIndex, items: ItemVectors) -> None:
    np.testing.assert_array_equal(AnnIndex.build(items, index.kind, index.effort).to_array(), index.to_array())


def test_round_trip(index: AnnIndex, items: ItemVectors, queries: np.ndarray) -> None:
    again = AnnIndex.from_array(items, index.to_array(), index.effort)
    assert again.kind == index.kind
    np.testing.assert_array_equal(again.search(queries, K).items, index.search(queries, K).items)


def test_an_index_of_other_vectors_is_refused(index: AnnIndex) -> None:
    for other in (clusters(N, 7), clusters(N - 1, 0), clusters(N, 0)[:, 1:]):
        with pytest.raises(ModelError, match="not of these item vectors"):
            AnnIndex.from_array(other, index.to_array())


@pytest.mark.parametrize("damaged", [lambda array: array[:40], lambda array: array[:0], lambda array: array[::-1].copy()])
def test_a_damaged_index_is_refused(damaged: object, index: AnnIndex, items: ItemVectors) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        AnnIndex.from_array(items, damaged(index.to_array()))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kind", "effort", "vectors", "problem"),
    [
        ("flat", 8, np.ones((4, 2), np.float32), "kind must be one of"),
        ("ivf", 0, np.ones((4, 2), np.float32), "effort must be positive"),
        ("ivf", 8, np.empty((0, 2), np.float32), "no items"),
        ("hnsw", 8, np.full((4, 2), np.nan, np.float32), "item vector 0"),
    ],
)
def test_what_cannot_be_built_is_refused(kind: Kind, effort: int, vectors: np.ndarray, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        AnnIndex.build(vectors, kind, effort)


@pytest.mark.parametrize("first", ["faiss, torch", "torch, faiss"])
def test_lives_with_torch_in_one_process(first: str) -> None:
    """Both bring an OpenMP of their own; which is loaded first must not matter."""
    code = f"""
import {first}
import numpy as np
from models.retrieval.ann import AnnIndex
index = AnnIndex.build(np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32), "ivf", 4)
for _ in range(3):
    index.search(np.ones((200, 8), np.float32), 5)
    (torch.ones(300, 300) @ torch.ones(300, 300)).sum()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
