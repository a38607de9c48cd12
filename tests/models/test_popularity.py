"""Popularity counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.attributes import rarities
from models.data import Float, Histories, TrainingData
from models.popularity import Popularity, RecentPopularity, SegmentPopularity
from tests.models.worlds import UNTIL, histories


def data(sequences: list[list[int]], attributes: list[list[int]] | None = None, n_items: int = 4) -> TrainingData:
    having = None if attributes is None else sparse.csr_matrix(np.array(attributes, dtype=np.float32))
    return TrainingData(tuple(f"item {item}" for item in range(n_items)), histories(sequences), UNTIL, attributes=having)


def scores(model: Popularity | RecentPopularity | SegmentPopularity, asked: Histories) -> Float:
    query = model.encode(asked)
    return np.hstack([model.score(query, slice(0, 1)), model.score(query, slice(1, 4))])


def test_counts_and_their_decay() -> None:
    """Ages are 2, 1 for the first user and 1 for the second; a half-life is a day."""
    known = data([[0, 1], [0]])
    asked = histories([[3]])
    np.testing.assert_allclose(scores(Popularity().fit(known), asked), [[2, 1, 0, 0]])
    np.testing.assert_allclose(scores(RecentPopularity(1.0).fit(known), asked), [[1.5, 1, 0, 0]])


def test_an_attribute_counts_by_its_rarity() -> None:
    """Of four items all have the first attribute, two the second, one the third and none the fourth."""
    known = data([[0]], [[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_allclose(rarities(known).toarray(), np.log([[1, 2, 1, 1], [1, 2, 4, 1], [1, 1, 1, 1], [1, 1, 1, 1]]), rtol=1e-6)


DRESSES_AND_SHOES = [[1, 0], [1, 0], [0, 1], [0, 1]]


def test_everyone_gets_what_their_segment_took() -> None:
    """Two dress people took 0, 1 and 1; a shoe person 2, 3 and once a dress; smoothing adds all 6 events, scaled to 3."""
    known = data([[0, 1], [1], [2, 3, 1]], DRESSES_AND_SHOES)
    model = SegmentPopularity(half_life=1e6, smoothing=3.0).fit(known)
    overall = np.array([1, 3, 1, 1]) / 2
    expected = overall + np.array([[1, 2, 0, 0], [0, 1, 1, 1]])
    np.testing.assert_allclose(scores(model, histories([[0], [3, 2, 0]])), expected, rtol=1e-4)


def test_a_rare_attribute_outweighs_a_common_one() -> None:
    """Item 0 has both; who took it belongs to the segment of the rare one, with who took 3 and not with who took 1."""
    known = data([[0], [1], [3]], [[1, 1], [1, 0], [1, 0], [0, 1]])
    model = SegmentPopularity(half_life=1e6, smoothing=0.0).fit(known)
    np.testing.assert_allclose(scores(model, histories([[0]])), [[1, 0, 0, 1]], rtol=1e-4)


@pytest.mark.parametrize("attributes", [None, [[1]] * 4, [[0, 0]] * 4])
def test_without_telling_attributes_there_is_one_segment(attributes: list[list[int]] | None) -> None:
    known = data([[0, 1], [1]], attributes)
    model = SegmentPopularity(half_life=1e6, smoothing=3.0).fit(known)
    np.testing.assert_allclose(scores(model, histories([[0], []])), np.array([[2, 4, 0, 0]] * 2), rtol=1e-4)


@pytest.mark.parametrize("model", [RecentPopularity(), SegmentPopularity()], ids=lambda model: model.name)
def test_a_shop_that_has_long_been_closed_keeps_its_order(model: RecentPopularity | SegmentPopularity) -> None:
    known = data([[0, 1], [1]], DRESSES_AND_SHOES)
    old = replace(known, histories=replace(known.histories, ages=known.histories.ages + np.float32(1e6)))
    asked = histories([[0]])
    np.testing.assert_array_equal(scores(type(model)().fit(old), asked), scores(model.fit(known), asked))
    assert scores(model, asked)[0, 1] > 0
