"""The closed-form model against its rows written out one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.data import TrainingData
from models.linear import dense
from models.linear.closed_form import ClosedForm, solve
from models.linear.dense import invert, transpose
from models.linear.ease import EASE
from outfitter.errors import ModelError
from tests.models.regression import one_by_one, rows_of
from tests.models.worlds import blocks, histories

MIX = {"closeness": 2.5, "attributes": 0.7, "half_life": 1.3}
REGULARIZATION = 4.0


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """A world with repeated items, events of several weights, and attributes: one common to all, one of a single item."""
    rng = np.random.default_rng(5)
    base = blocks(60, 24, 2, 5).data
    sequences = [rng.choice(24, size=rng.integers(1, 9)).tolist() for _ in range(60)]
    events = histories(sequences)
    events = replace(events, weights=rng.choice([0.1, 0.5, 1.0], size=len(events.items)).astype(np.float32))
    having = (rng.random((24, 6)) < 0.3).astype(np.float32)
    having[:, 0] = 1
    having[:, 1] = np.eye(24, dtype=np.float32)[3]
    return replace(base, histories=events, attributes=sparse.csr_matrix(having))


def test_weights_solve_the_regression_of_all_rows(data: TrainingData) -> None:
    expected = one_by_one(*rows_of(data, **MIX).equations(), REGULARIZATION)
    weights = ClosedForm(regularization=REGULARIZATION, **MIX).fit(data).arrays["weights"]
    np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-5)
    assert not np.diagonal(weights).any()


def test_without_sequences_and_attributes_it_is_ease(data: TrainingData) -> None:
    ease = EASE(REGULARIZATION).fit(data).arrays["weights"]
    for plain, known in ((ClosedForm(0, 0, REGULARIZATION), data), (ClosedForm(0, 9, REGULARIZATION), replace(data, attributes=None))):
        np.testing.assert_allclose(plain.fit(known).arrays["weights"], ease, rtol=1e-3, atol=1e-5)


def test_it_follows_the_order_of_a_sequence() -> None:
    """Everybody takes 0, 1, 2, 3 in this order: after 1 comes 2, which EASE cannot know."""
    data = replace(blocks(40, 4, 2, 1).data, histories=histories([[0, 1, 2, 3]] * 40))
    follower, blind = ClosedForm(regularization=5.0).fit(data), EASE(5.0).fit(data)
    asked = histories([[1]])
    assert follower.recommend(asked, 1).items[0, 0] == 2
    scores = blind.score(blind.encode(asked), slice(0, 4))[0]
    np.testing.assert_allclose(scores[[0, 2, 3]], scores[0], rtol=1e-3)


def test_an_item_that_nobody_took_is_found_by_its_attributes() -> None:
    """Items 0 and 9 share the only attribute; nobody has met item 9."""
    base = blocks(60, 9, 3, 2).data
    having = sparse.csr_matrix((np.ones(2, np.float32), ([0, 9], [0, 0])), shape=(10, 1))
    data = replace(base, item_ids=(*base.item_ids, "new"), attributes=having)
    weights = ClosedForm(attributes=5.0).fit(data).arrays["weights"][:, 9]
    assert weights[0] > 20 * np.abs(weights[1:]).max()
    assert not ClosedForm(attributes=0).fit(data).arrays["weights"][:, 9].any()


def test_an_attribute_of_too_many_items_is_left_out(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data.attributes is not None
    counts = data.attributes.getnnz(axis=0)
    common = int(np.sort(counts)[-3])
    fewer = ClosedForm(**MIX).fit(replace(data, attributes=data.attributes[:, counts <= common])).arrays["weights"]
    monkeypatch.setattr("models.linear.normal_equations.COMMON", common)
    np.testing.assert_array_equal(ClosedForm(**MIX).fit(data).arrays["weights"], fewer)


def test_a_catalogue_that_does_not_fit_is_refused(data: TrainingData) -> None:
    with pytest.raises(ModelError, match=r"24 items and memory_gib allows 4e-06.*closed_form_sparse"):
        ClosedForm(memory_gib=4e-6).fit(data)


@pytest.mark.parametrize("size", [1, 4, 5, 11])
def test_tiles_do_not_show(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any size against any place of the tiles' borders."""
    monkeypatch.setattr(dense, "TILE", 4)
    monkeypatch.setattr("models.linear.closed_form.TILE", 4)
    rng = np.random.default_rng(size)
    rows = rng.normal(size=(3 * size, size)).astype(np.float32)
    gram = rows.T @ rows + np.eye(size, dtype=np.float32)
    target = rng.normal(size=(size, size)).astype(np.float32)
    inverse = invert(place := gram.copy())
    assert np.shares_memory(inverse, place)
    np.testing.assert_allclose(inverse @ gram, np.eye(size), atol=1e-4)
    expected = one_by_one(gram.astype(np.float64), target.astype(np.float64).T, 0.0)
    turned = target.copy()
    transpose(turned)
    np.testing.assert_array_equal(turned, target.T)
    np.testing.assert_allclose(solve(gram, target), expected, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_inverted_is_said_so() -> None:
    with pytest.raises(ModelError, match="raise regularization"):
        invert(-np.eye(3, dtype=np.float32))
