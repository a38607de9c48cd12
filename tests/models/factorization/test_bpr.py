"""BPR's users: the steps of training, made again with the items held still."""

from __future__ import annotations

from math import exp

import numpy as np

from models.data import TrainingData
from models.factorization.bpr import BPR
from models.factorization.solvers import rank_in
from tests.models.worlds import World, histories


def test_folding_in_makes_the_steps_of_the_paper() -> None:
    """Against the update of Rendle et al. (2009), figure 4, written out in plain Python."""
    rng = np.random.default_rng(2)
    factors = rng.normal(size=(9, 4)).astype(np.float32)
    negatives = np.array([5, 1, 8, 0, 3], dtype=np.int32)
    weights = np.array([1.0, 0.5, 0.25], dtype=np.float32)
    found = np.full((1, 4), 9, dtype=np.float32)
    rank_in(np.array([0, 3]), np.array([1, 2, 4], dtype=np.int32), weights, factors, negatives, 4, 0.1, 0.02, found)

    user, step = np.array([0.0, 0.0, 0.0, 1.0]), 0
    for _ in range(4):
        for item, weight in zip([1, 2, 4], weights, strict=True):
            negative = negatives[step % 5]
            step += 1
            if negative in (1, 2, 4):
                continue
            difference = (factors[item] - factors[negative]).astype(np.float64)
            user[:3] += 0.1 * (weight / (1 + exp(user @ difference)) * difference[:3] - 0.02 * user[:3])
    np.testing.assert_allclose(found[0], user, rtol=1e-4, atol=1e-6)


def test_folded_users_rank_their_own_history_first(world: World) -> None:
    model = BPR(factors=8, iterations=100, learning_rate=0.1, half_life=1e9).fit(world.data)
    best = model.recommend(world.data.histories, 8, exclude_seen=False)
    same_block = world.block_of_item[best.items] == world.block_of_item[world.held_out][:, None]
    assert same_block.mean() > 0.97


def test_the_newest_events_count_most(world: World) -> None:
    model = BPR(factors=8, iterations=100, learning_rate=0.1, half_life=1.0).fit(world.data)
    first, second = model.encode(histories([[0, 4, 1, 5], [1, 5, 0, 4]]))
    vectors = model.arrays["item_factors"]
    assert (vectors[[0, 4]] @ second > vectors[[0, 4]] @ first).all()


def test_an_untouched_item_does_not_float_up(world: World) -> None:
    data = TrainingData((*world.data.item_ids, "untouched"), world.data.histories, world.data.until)
    model = BPR(factors=8, iterations=50, learning_rate=0.1).fit(data)
    assert not (model.recommend(data.histories, 4).items == world.data.n_items).any()
    assert model.arrays["item_factors"][-1, -1] == model.arrays["item_factors"][:-1, -1].min()
