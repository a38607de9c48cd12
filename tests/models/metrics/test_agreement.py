"""Two lists side by side, against figures worked out by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from models.metrics import agreement, kendall, overlap

ONE = np.array([[1, 2, 3, 4], [1, 2, 3, -1], [5, 6, -1, -1], [-1, -1, -1, -1]], dtype=np.int32)
OTHER = np.array([[4, 3, 2, 1], [1, 9, 2, 8], [5, 7, 8, 9], [1, 2, 3, 4]], dtype=np.int32)


def test_what_is_shared_counts_by_what_is_listed() -> None:
    np.testing.assert_array_equal(overlap(ONE, OTHER), [1, 2 / 3, 1 / 2, np.nan])


def test_order_counts_only_what_is_shared() -> None:
    np.testing.assert_array_equal(kendall(ONE, OTHER), [-1, 1, np.nan, np.nan])


def test_nobody_has_no_figures() -> None:
    assert len(overlap(ONE[:0], OTHER[:0])) == len(kendall(ONE[:0], OTHER[:0])) == 0


@pytest.mark.parametrize("width", [3, 12, 40])
def test_agrees_with_scipy(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "MATCHED", 3 * width * 7)  # several blocks, the last of them short
    rng = np.random.default_rng(1)
    one = np.array([rng.permutation(60)[:width] for _ in range(10)], dtype=np.int32)
    other = np.array([rng.permutation(60)[:7] for _ in range(10)], dtype=np.int32)
    for mine, yours, found in zip(one.tolist(), other.tolist(), kendall(one, other).tolist(), strict=True):
        both = [item for item in mine if item in yours]
        places = [[row.index(item) for item in both] for row in (mine, yours)]
        np.testing.assert_allclose(found, kendalltau(*places).statistic if len(both) > 1 else np.nan)
