"""The sparse form against the dense one, and against regressions on the strongest items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base import Recommender
from models.data import Float, TrainingData
from models.linear.closed_form import ClosedForm
from models.linear.ease import EASE
from models.linear.local_regressions import Listed, keep, ranked, solve_each
from models.linear.sparse_inverse import SparseClosedForm, SparseEASE, by_history
from outfitter.errors import ModelError
from tests.models.linear.test_closed_form import MIX, REGULARIZATION, data
from tests.models.regression import rows_of
from tests.models.worlds import blocks, histories

__all__ = ["data"]


def dense_weights(model: SparseClosedForm | SparseEASE) -> Float:
    """float32[n_items, n_items]: the weights as the dense form has them."""
    n_items = len(model.item_ids)
    out = np.zeros((n_items, n_items), dtype=np.float32)
    rows = np.repeat(np.arange(n_items), np.diff(model.arrays["starts"]))
    out[rows, model.arrays["items"]] = model.arrays["weights"]
    return out


@pytest.mark.parametrize("neighbours", [23, 1000])
def test_with_all_neighbours_it_is_the_dense_form(neighbours: int, data: TrainingData) -> None:
    dense = ClosedForm(regularization=REGULARIZATION, **MIX).fit(data)
    model = SparseClosedForm(regularization=REGULARIZATION, neighbours=neighbours, **MIX).fit(data)
    np.testing.assert_allclose(dense_weights(model), dense.arrays["weights"], rtol=1e-3, atol=1e-5)
    asked = histories([[], [3, 1, 3], list(range(20))])
    for items in (slice(0, 24), slice(5, 6), slice(20, 24)):
        scores = model.score(model.encode(asked), items)
        np.testing.assert_allclose(scores, dense.score(dense.encode(asked), items), rtol=1e-3, atol=1e-5)


def test_each_item_is_told_from_its_strongest_alone(data: TrainingData) -> None:
    """The regression on the four strongest, with those entries of G that one of two items has among its own four strongest."""
    gram, target = rows_of(data, **MIX).equations()
    diagonal = np.diagonal(gram) + REGULARIZATION
    related, strong = (_chosen(matrix, diagonal, 4) for matrix in (gram, target))
    gram = np.where(related | related.T, gram, 0)
    expected = np.zeros_like(gram)
    for item in range(24):
        mine = np.flatnonzero(strong[:, item])
        local = gram[np.ix_(mine, mine)] + np.diag(diagonal[mine])
        assert np.linalg.eigvalsh(local).min() > REGULARIZATION
        expected[mine, item] = np.linalg.solve(local, target[mine, item])
    model = SparseClosedForm(regularization=REGULARIZATION, neighbours=4, **MIX).fit(data)
    np.testing.assert_allclose(dense_weights(model), expected, rtol=1e-3, atol=1e-5)


def _chosen(matrix: np.ndarray, diagonal: np.ndarray, kept: int) -> np.ndarray:
    """bool: the strongest entries of each column, never those of the diagonal."""
    strength = matrix**2 / diagonal[:, None]
    np.fill_diagonal(strength, -1)
    return strength >= np.sort(strength, axis=0)[-kept]


@pytest.mark.parametrize("rank", [1, 2, 17, 60, 61, 200])
def test_the_value_of_a_rank(rank: int) -> None:
    """60 positive numbers, many equal or nearly so, among zeros and -1, against sorting."""
    rng = np.random.default_rng(rank)
    positive = np.concatenate([rng.lognormal(sigma=9, size=20), 1 + rng.random(20) / 50, np.full(19, 3.0), [1e-41]])
    values = rng.permutation(np.concatenate([positive, np.zeros(40), [-1]])).astype(np.float32)
    assert ranked(values, rank) == (np.sort(values)[-rank] if rank <= 60 else 0)


def test_of_equal_entries_the_first_are_kept_and_never_an_items_own() -> None:
    values = np.array([[9, 3, -1, 1, 1, 2], [0, 9, 0, 0, 5, 0]], dtype=np.float32)
    diagonal = np.array([1, 9, 1, 1, 1, 1], dtype=np.float32)
    listed = Listed.empty(2, 3)
    keep(values, diagonal, 0, listed.items, listed.values)
    assert listed.items.tolist() == [[1, 2, 5], [0, 2, 4]]
    assert listed.values.tolist() == [[3, -1, 2], [0, 0, 5]]


def test_an_indefinite_system_does_no_harm() -> None:
    """Items 0 and 1 each relate to 2 as closely as can be and, as far as is known, not at all to each other."""
    related = Listed(np.array([[2, 3, 4], [2, 3, 4], [0, 1, 3], [0, 1, 2], [0, 1, 2]], np.int32), np.zeros((5, 3), np.float32))
    related.values[[0, 1, 2, 2], [0, 0, 0, 1]] = 9.9
    told = Listed(np.tile(np.arange(3, dtype=np.int32), (5, 1)), np.full((5, 3), 5, np.float32))
    assert np.linalg.eigvalsh([[10, 0, 9.9], [0, 10, 9.9], [9.9, 9.9, 10]]).min() < 0
    solve_each(related, np.full(5, 10, np.float32), told)
    assert np.abs(told.values).max() < 5


def test_weights_are_turned_into_rows_of_the_history() -> None:
    """Column 0 lists item 2, column 1 item 0 and column 2 item 0 too."""
    arrays = by_history(Listed(np.array([[2], [0], [0]], np.int32), np.array([[7], [8], [9]], np.float32)))
    assert {name: array.tolist() for name, array in arrays.items()} == {"starts": [0, 2, 2, 3], "items": [1, 2, 0], "weights": [8, 9, 7]}


def test_a_lonely_item_has_no_weights() -> None:
    data = replace(blocks(20, 2, 2, 0).data, item_ids=("only",), histories=histories([[0], [0, 0]]))
    model = SparseClosedForm().fit(data)
    assert not len(model.arrays["weights"])
    assert not model.score(model.encode(histories([[0]])), slice(0, 1)).any()


@pytest.mark.parametrize("make", [ClosedForm, SparseClosedForm, EASE])
def test_weights_whose_products_no_float32_holds_are_refused(make: type[Recommender], data: TrainingData) -> None:
    heavy = replace(data, histories=replace(data.histories, weights=np.full_like(data.histories.weights, 1e20)))
    with pytest.raises(ModelError, match="do not fit into float32"):
        make().fit(heavy)


def test_what_is_no_number_leaves_no_row_half_filled() -> None:
    values, items = np.array([[0, 1, np.nan, 2]], np.float32), np.empty((1, 3), np.int32)
    assert not keep(values, np.ones(4, np.float32), 0, items, np.empty((1, 3), np.float32))
    assert keep(np.array([[0, 1, 3, 2]], np.float32), np.ones(4, np.float32), 0, items, np.empty((1, 3), np.float32))
    assert items.tolist() == [[1, 2, 3]]


def test_with_all_neighbours_ease_is_what_its_dense_form_is(data: TrainingData) -> None:
    dense = EASE(REGULARIZATION).fit(data)
    sparse_form = SparseEASE(REGULARIZATION, neighbours=len(data.item_ids) - 1).fit(data)
    np.testing.assert_allclose(dense_weights(sparse_form), dense.arrays["weights"], rtol=1e-3, atol=1e-5)
