"""Histories as models read them."""

from __future__ import annotations

import numpy as np

from tests.models.worlds import histories


def test_latest_items_stand_on_the_right() -> None:
    assert histories([[1, 2, 3], [], [4]]).latest(2).tolist() == [[2, 3], [-1, -1], [-1, 4]]


def test_a_slice_of_users_reads_as_its_own() -> None:
    part = histories([[1, 2, 3], [], [4, 4]]).rows(1, 3)
    assert part.indptr.tolist() == [0, 0, 2]
    assert part.matrix(5).toarray().tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 2]]


def test_decay_counts_events_back_from_the_newest() -> None:
    np.testing.assert_allclose(histories([[1, 2, 3], [], [4, 5]]).decayed(2.0), [0.5, 2**-0.5, 1, 2**-0.5, 1], rtol=1e-6)
