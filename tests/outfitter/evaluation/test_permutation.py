"""Sign flips against every flip there is, against scipy, and at the rate of errors that a test promises."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from outfitter.evaluation import permutation
from outfitter.evaluation.permutation import p_better


def test_few_differences_against_every_flip() -> None:
    differences = np.array([0.5, 0.0, 0.2, -0.1, 0.4, 0.3])
    flipped = [np.dot(signs, differences) for signs in product([-1, 1], repeat=6)]
    exact = np.mean(np.array(flipped) >= differences.sum() - 1e-9)
    assert p_better(differences, 20_000, 0) == pytest.approx(exact, abs=0.01)


def test_against_scipy() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random(200), rng.random(200) - 0.02
    theirs = permutation_test((a, b), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", alternative="greater", rng=1)
    assert p_better(a - b, 10_000, 0) == pytest.approx(theirs.pvalue, abs=0.02)


def test_a_shift_is_seen_and_its_opposite_is_not() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, 500)
    assert p_better(differences, 999, 0) == 1 / 1000
    assert p_better(-differences, 999, 0) > 0.99


@pytest.mark.parametrize("differences", [np.zeros(5), np.empty(0)])
def test_without_any_difference_nothing_is_better(differences: np.ndarray) -> None:
    assert p_better(differences, 999, 0) == 1


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(1).normal(0.05, 1, 300)
    whole = p_better(differences, 1000, 7)
    monkeypatch.setattr(permutation, "BLOCK", 4096)
    assert p_better(differences, 1000, 7) == whole


def test_equal_models_are_told_apart_as_seldom_as_promised() -> None:
    rng = np.random.default_rng(5)
    found = [p_better(rng.choice([-0.6, -0.2, 0, 0, 0, 0, 0.2, 0.6], 100), 199, seed) <= 0.05 for seed in range(2000)]
    assert np.mean(found) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)
