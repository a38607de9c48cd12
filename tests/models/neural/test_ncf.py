"""Neural collaborative filtering: lists are those of the network that was trained, and odd data does no harm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from models.data import TrainingData
from models.metrics import Truth, hit_rate
from models.neural import ncf
from models.neural.ncf import LAYERS, NCF
from models.neural.neumf import NeuMF
from models.neural.pooling import pooled
from outfitter.errors import NotEnoughData
from tests.models.worlds import UNTIL, World, histories


def quick(**params: object) -> NCF:
    return NCF(**{"dim": 8, "epochs": 3, "batch_size": 64, "learning_rate": 0.01, **params})  # type: ignore[arg-type]


def small(sequences: list[list[int]], n_items: int) -> TrainingData:
    return TrainingData(tuple(str(item) for item in range(n_items)), histories(sequences), UNTIL)


@pytest.mark.parametrize("pairs", [1 << 14, 200])
def test_scores_are_those_of_the_network(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pairs pass at once; ``score`` never sees the network, only ``arrays``."""
    monkeypatch.setattr(ncf, "PAIRS", pairs)
    rng = np.random.default_rng(0)
    network = NeuMF(30, 8, LAYERS, 0.2)
    network.initialise(torch.Generator().manual_seed(1))
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.from_numpy(rng.normal(size=parameter.shape)).float()
    network.eval()
    model = quick()
    model._keep(network)
    some = histories([rng.integers(0, 30, size=size).tolist() for size in rng.integers(0, 6, size=100)])
    users = torch.from_numpy(pooled(some, network.item.detach().numpy(), model.half_life))
    with torch.no_grad():
        expected = network(users, torch.arange(3, 28).expand(100, -1))
    np.testing.assert_allclose(model.score(model.encode(some), slice(3, 28)), expected, rtol=1e-4, atol=1e-5)
    assert model.score(model.encode(some.rows(0, 0)), slice(0, 30)).shape == (0, 30)


def test_the_perceptron_matters() -> None:
    """Two users with the same product with an item and another input to the perceptron get other scores."""
    network = NeuMF(2, 2, LAYERS, 0.0)
    network.initialise(torch.Generator().manual_seed(0))
    network.item.data = torch.eye(2)
    users = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    first, second = network(users, torch.zeros(2, 1, dtype=torch.int64))
    assert abs((first - second).item()) > 1e-3
    network.weights[-1].data.zero_()
    first, second = network(users, torch.zeros(2, 1, dtype=torch.int64))
    assert first == second == 0


def test_both_losses_and_either_sampling_find_the_blocks(world: World) -> None:
    truth = Truth(np.arange(len(world.held_out) + 1), world.held_out)
    for params in ({"loss": "bce"}, {"power": 1.0}):
        model = quick(dim=16, epochs=8, batch_size=128, **params).fit(world.data)
        assert hit_rate(model.recommend(world.data.histories, 4).items, truth).mean() > 0.97


def test_a_short_half_life_makes_the_newest_event_count_most(world: World) -> None:
    """Items 0 and 4 are of one block, 1 and 5 of another: who went from the one to the other is shown the other."""
    asked = histories([[0, 4, 1], [1, 5, 0]])
    newest, all_alike = (
        quick(dim=16, epochs=8, batch_size=128, half_life=half_life).fit(world.data).recommend(asked, 4).items % 4
        for half_life in (0.5, 50)
    )
    assert newest.tolist() == [[1] * 4, [0] * 4]
    assert all_alike.tolist() == [[0] * 4, [1] * 4]


def test_training_stops_when_the_held_out_events_are_foretold_no_better(world: World) -> None:
    model = quick(epochs=60, learning_rate=0.05, validation=0.5, patience=2).fit(world.data)
    losses = model.arrays["validation_loss"]
    assert len(losses) < 60
    assert losses.argmin() == len(losses) - 1 - model.patience
    without = quick(validation=0.0).fit(world.data)
    assert (len(without.arrays["training_loss"]), len(without.arrays["validation_loss"])) == (3, 0)


def test_what_was_only_looked_at_is_history_and_no_target() -> None:
    """Everybody looks at item 1 and takes item 0: only item 0 may be foretold, also for a user who has looked."""
    data = small([[1, 0]] * 40, 4)
    looked = replace(data.histories, taken=np.array([False, True] * 40))
    model = quick(epochs=20, validation=0.0).fit(replace(data, histories=looked))
    scores = model.score(model.encode(histories([[1]])), slice(0, 4))
    assert scores[0].argmax() == 0
    with pytest.raises(NotEnoughData, match="nobody took"):
        quick().fit(replace(data, histories=replace(looked, taken=np.zeros(80, dtype=bool))))


def test_one_user_and_one_item_are_enough(tmp_path: Path) -> None:
    """Nothing can be sampled that they never met, so there is nothing to learn; it must not end in numbers that are none."""
    model = quick().fit(small([[0]], 1))
    assert model.recommend(histories([[0], []]), 1, exclude_seen=False).items.tolist() == [[0], [0]]
    again = models.load(model.save(tmp_path / "model"))
    assert np.isfinite(again.score(again.encode(histories([[0]])), slice(0, 1))).all()


def test_an_untouched_item_stays_behind(world: World) -> None:
    wider = TrainingData((*world.data.item_ids, "untouched"), world.data.histories, UNTIL)
    best = quick(dim=16, epochs=8, batch_size=128).fit(wider).recommend(world.data.histories, 4)
    assert (best.items != 48).all()
