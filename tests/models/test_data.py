"""Histories as models read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from models.data import TrainingData
from models.linear.sparse_inverse import SparseClosedForm
from outfitter.errors import ModelError
from tests.models.worlds import UNTIL, histories


def test_latest_items_stand_on_the_right() -> None:
    assert histories([[1, 2, 3], [], [4]]).latest(2).tolist() == [[2, 3], [-1, -1], [-1, 4]]


def test_a_slice_of_users_reads_as_its_own() -> None:
    part = histories([[1, 2, 3], [], [4, 4]]).rows(1, 3)
    assert part.indptr.tolist() == [0, 0, 2]
    assert part.matrix(5).toarray().tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 2]]


def test_decay_counts_events_back_from_the_newest() -> None:
    np.testing.assert_allclose(histories([[1, 2, 3], [], [4, 5]]).decayed(2.0), [0.5, 2**-0.5, 1, 2**-0.5, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"taken": np.ones(2, np.bool_)}, "'taken': 2"),
        ({"events": np.zeros(4, np.int8)}, "'events': 4"),
        ({"values": np.zeros(1, np.float32)}, "'values': 1"),
        ({"weights": np.array([1, np.nan, 1], np.float32)}, "event 1, of user 1, has a weight"),
    ],
)
def test_histories_that_are_none_are_refused(change: dict[str, Any], problem: str) -> None:
    known = replace(histories([[0], [1, 2]]), **change)
    with pytest.raises(ModelError, match=problem):
        TrainingData(("a", "b", "c"), known, UNTIL).check()


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [(np.ones((2, 1)), "attributes of 2 items, and 3 items"), ([[1], [np.nan], [0]], "the item 'b' has an attribute that is no number")],
)
def test_attributes_that_are_none_are_refused(attributes: Any, problem: str) -> None:
    data = TrainingData(("a", "b", "c"), histories([[0], [1, 2]]), UNTIL, attributes=sparse.csr_matrix(attributes, dtype=np.float32))
    with pytest.raises(ModelError, match=problem):
        SparseClosedForm().fit(data)


def test_an_item_is_there_once() -> None:
    with pytest.raises(ModelError, match="the item 'a' is there twice"):
        TrainingData(("a", "b", "a"), histories([[0], [1, 2]]), UNTIL).check()
