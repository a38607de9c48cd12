"""The retrieval kernel against a brute-force sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import topk
from models.topk import TopK, tiles, top_k
from outfitter.errors import ModelError
from tests.models.worlds import histories


def brute(scores: np.ndarray, k: int, available: np.ndarray | None, seen: list[list[int]]) -> TopK:
    """Everything sorted by falling score, then by position."""
    masked = scores.copy()
    if available is not None:
        masked[:, ~available] = -np.inf
    for user, items in enumerate(seen):
        masked[user, items] = -np.inf
    best = TopK.empty(len(scores), k)
    for user, row in enumerate(masked):
        order = np.argsort(-row, kind="stable")[:k]
        order = order[np.isfinite(row[order])]
        best.items[user, : len(order)] = order
        best.scores[user, : len(order)] = row[order]
    return best


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_equals_a_full_sort(data: st.DataObject) -> None:
    """Few distinct scores make ties the rule, and a small tile makes every list cross tiles."""
    n_users, n_items = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 300))
    k = data.draw(st.integers(1, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(-3, data.draw(st.integers(-2, 500)), size=(n_users, n_items)).astype(np.float32)
    available = rng.random(n_items) < 0.6 if data.draw(st.booleans()) else None
    seen = [rng.integers(0, n_items, size=rng.integers(0, 8)).tolist() for _ in range(n_users)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topk, "MIN_TILE", 7)
        patch.setattr(topk, "TILE_CELLS", data.draw(st.sampled_from([1, 100, 10_000])))
        found = top_k(lambda items: scores[:, items], n_users, n_items, k, available, histories(seen))
    expected = brute(scores, k, available, seen)
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_tiles_cover_every_item_once() -> None:
    covered = [item for tile in tiles(1024, 5000) for item in range(tile.start, tile.stop)]
    assert covered == list(range(5000))
    assert len(tiles(1024, 5000)) > 1


def test_the_whole_matrix_is_never_asked_for() -> None:
    asked: list[int] = []

    def score(items: slice) -> np.ndarray:
        asked.append(items.stop - items.start)
        return np.zeros((1024, items.stop - items.start), dtype=np.float32)

    top_k(score, 1024, 20_000, 3)
    assert sum(asked) == 20_000
    assert max(asked) * 1024 <= topk.TILE_CELLS


def test_runs_without_an_available_item_are_not_scored() -> None:
    available = np.zeros(10_000, dtype=bool)
    available[9_999] = True
    asked: list[slice] = []

    def score(items: slice) -> np.ndarray:
        asked.append(items)
        return np.ones((1024, items.stop - items.start), dtype=np.float32)

    found = top_k(score, 1024, 10_000, 1, available)
    assert len(asked) == 1
    assert (found.items == 9_999).all()


@pytest.mark.parametrize("place", [0, 63, 64, 299])
def test_a_score_that_is_no_number_is_refused(place: int) -> None:
    scores = np.full((2, 300), 5, dtype=np.float32)
    scores[1, place] = np.nan
    with pytest.raises(ModelError, match="not a number"):
        top_k(lambda items: scores[:, items], 2, 300, 3)


def test_minus_infinity_means_never() -> None:
    scores = np.array([[-np.inf, 1, -np.inf]], dtype=np.float32)
    assert top_k(lambda items: scores[:, items], 1, 3, 2).items.tolist() == [[1, -1]]


def test_a_transposed_block_of_float64_is_taken_too() -> None:
    scores = np.arange(12, dtype=np.float64).reshape(4, 3).T
    assert top_k(lambda items: scores[:, items], 3, 4, 1).items.ravel().tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"k": 0}, "0 items"),
        ({"available": np.ones(3, dtype=bool)}, "availability has shape"),
        ({"seen": histories([[0]])}, "histories of 1 users"),
        ({"score": lambda items: np.zeros((1, 1), dtype=np.float32)}, "scores have shape"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, object], problem: str) -> None:
    whole = {"score": lambda items: np.zeros((2, 4), dtype=np.float32), "n_users": 2, "n_items": 4, "k": 1, **arguments}
    with pytest.raises(ModelError, match=problem):
        top_k(**whole)  # type: ignore[arg-type]


def test_concatenation_keeps_order_and_an_empty_one_its_width() -> None:
    first, second = TopK.empty(1, 2), TopK(np.array([[1, 2]], dtype=np.int32), np.array([[3, 2]], dtype=np.float32))
    assert TopK.concatenate([first, second], 2).items.tolist() == [[-1, -1], [1, 2]]
    assert TopK.concatenate([], 2).items.shape == (0, 2)
