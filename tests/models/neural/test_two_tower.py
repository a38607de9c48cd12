"""The towers read the joined rows, the loss is the published one, and training is repeatable."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

import models
from models.data import Histories, ItemTable, TrainingData, TrainingRows
from models.fit import Schedule, train
from models.neural.two_tower import TwoTower
from models.training.batches import Rows, Scale, tensors
from models.training.losses import sampled_softmax
from outfitter.errors import ModelError, NotEnoughData
from tests.models.worlds import UNTIL, World, blocks, histories


def test_sampled_softmax_by_hand() -> None:
    """Three pairs, the first two of the same item: each is masked out of the other's negatives."""
    cosines = np.array([[0.9, 0.9, 0.1], [0.2, 0.2, 0.3], [0.4, 0.4, 0.8]])
    q, weights, temperature = np.array([0.5, 0.5, 0.25]), np.array([1.0, 0.5, 2.0]), 0.5
    logits = np.exp(cosines / temperature) / q
    losses = [
        -np.log(logits[0, 0] / (logits[0, 0] + logits[0, 2])),
        -np.log(logits[1, 1] / (logits[1, 1] + logits[1, 2])),
        -np.log(logits[2, 2] / logits[2].sum()),
    ]
    found = sampled_softmax(
        torch.tensor(cosines).float(),
        torch.eye(3),
        torch.tensor([4, 4, 9]),
        torch.tensor(q).log().float(),
        torch.tensor(weights).float(),
        temperature,
    )
    assert found.item() == pytest.approx(np.average(losses, weights=weights), rel=1e-5)


def test_the_loss_is_taken_in_full_precision_under_autocast() -> None:
    generator = torch.Generator().manual_seed(0)
    users, items = torch.randn(8, 16, generator=generator), torch.randn(8, 16, generator=generator)
    arguments = users, items, torch.arange(8), torch.zeros(8), torch.ones(8), 0.05
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = sampled_softmax(*arguments)
    assert torch.equal(mixed, sampled_softmax(*arguments))


def feature_world(n_users: int = 300, n_items: int = 40, seed: int = 0) -> TrainingData:
    """Taste is in the profile alone: a user with a positive profile takes items whose feature is positive."""
    rng = np.random.default_rng(seed)
    items = np.where(np.arange(n_items) % 2 == 0, 1.0, -1.0).astype(np.float32)[:, None]
    profile = np.where(np.arange(n_users) % 2 == 0, 30.0, 10.0).astype(np.float32)[:, None]
    taken = (2 * rng.integers(0, n_items // 2, size=n_users) + np.arange(n_users) % 2).astype(np.int32)
    latest = rng.integers(0, n_items, size=(n_users, 1)).astype(np.int32)
    rows = TrainingRows(profile, items[taken], taken, latest, np.ones(n_users, dtype=np.float32))
    table = ItemTable(items, np.zeros((n_items, 0), dtype=np.int32), (), ())
    ids = tuple(str(item) for item in range(n_items))
    return TrainingData(ids, histories([[int(item)] for item in taken]), UNTIL, rows, table)


def test_the_profile_decides_where_only_the_profile_knows() -> None:
    model = TwoTower(dim=16, epochs=15, batch_size=64, learning_rate=0.01).fit(feature_world())
    past = histories([[5], [5]])
    asked = Histories(past.indptr, past.items, past.weights, past.ages, np.array([[30.0], [10.0]], dtype=np.float32))
    best = model.recommend(asked, 10).items
    assert (best[0] % 2 == 0).mean() > 0.8
    assert (best[1] % 2 == 1).mean() > 0.8


def test_without_a_profile_the_average_one_is_assumed() -> None:
    data = feature_world()
    model = TwoTower(dim=8, epochs=2, batch_size=64).fit(data)
    assert data.rows is not None
    past = histories([[5]])
    average = data.rows.user_features.mean(axis=0, keepdims=True)
    given = model.encode(Histories(past.indptr, past.items, past.weights, past.ages, average))
    np.testing.assert_allclose(model.encode(past), given, atol=1e-5)


def test_a_profile_of_another_shape_is_refused() -> None:
    model = TwoTower(dim=8, epochs=1).fit(feature_world())
    past = histories([[5]])
    with pytest.raises(ModelError, match="profiles have shape"):
        model.encode(Histories(past.indptr, past.items, past.weights, past.ages, np.zeros((1, 3), dtype=np.float32)))


def test_codes_carry_over_to_items_nobody_took() -> None:
    """The last item of each block was never taken; only its category says where it belongs."""
    world = blocks(200, 40, 4, 6)
    data = world.data
    n_items = data.n_items + 4
    codes = (np.arange(n_items) % 4).astype(np.int32)[:, None]
    table = ItemTable(np.zeros((n_items, 0), dtype=np.float32), codes, ("category",), (4,))
    assert data.rows is not None
    rows = replace(data.rows, item_features=np.zeros((len(data.rows.items), 0), dtype=np.float32))
    ids = tuple(str(item) for item in range(n_items))
    model = TwoTower(dim=16, epochs=10, batch_size=128).fit(TrainingData(ids, data.histories, UNTIL, rows, table))
    scores = model.score(model.encode(data.histories), slice(data.n_items, n_items))
    assert (scores.argmax(axis=1) == np.arange(200) % 4).mean() > 0.8


@pytest.mark.parametrize("count", [2, 3, 60])
def test_few_rows_are_enough(count: int, world: World) -> None:
    rows = world.data.rows
    assert rows is not None
    few = TrainingRows(*(getattr(rows, name)[:count] for name in ("user_features", "item_features", "items", "latest", "weights")))
    model = TwoTower(dim=8, epochs=3).fit(replace(world.data, rows=few))
    assert np.isfinite(model.arrays["item_vectors"]).all()
    assert len(model.arrays["training_loss"]) == 3


def test_refuses_to_train_without_rows(world: World) -> None:
    rows = world.data.rows
    assert rows is not None
    one = TrainingRows(*(getattr(rows, name)[:1] for name in ("user_features", "item_features", "items", "latest", "weights")))
    for data in (replace(world.data, rows=None), replace(world.data, item_table=None), replace(world.data, rows=one)):
        with pytest.raises(NotEnoughData):
            TwoTower().fit(data)


def test_gaps_and_constant_columns_in_features_do_no_harm(world: World) -> None:
    rows = world.data.rows
    assert rows is not None
    odd = np.stack([np.full(len(rows.items), np.nan), np.full(len(rows.items), 3.0), rows.user_features[:, 0] * 1e30], axis=1)
    model = TwoTower(dim=8, epochs=2).fit(replace(world.data, rows=replace(rows, user_features=odd.astype(np.float32))))
    assert np.isfinite(model.arrays["item_vectors"]).all()


def test_standardising() -> None:
    scale = Scale.of(np.array([[1, np.nan], [3, 7]], dtype=np.float32))
    np.testing.assert_allclose(scale.apply(np.array([[4, np.nan], [1e9, 9]], dtype=np.float32)), [[2, 0], [5, 2]])


def test_batches_hold_every_row_once_and_are_nearly_equal(world: World) -> None:
    assert world.data.rows is not None
    scale = Scale.of(world.data.rows.user_features), Scale.of(world.data.rows.item_features)
    rows = tensors(world.data.rows, *scale, 5).pick(slice(0, 101))
    sizes = [len(batch) for batch in rows.batches(50, torch.Generator().manual_seed(1))]
    assert sizes == [34, 34, 33]
    assert rows.latest.shape[1] == 5
    taken = torch.cat([batch.items for batch in rows.batches(50, torch.Generator().manual_seed(1))])
    assert sorted(taken.tolist()) == sorted(rows.items.tolist())
    assert taken.tolist() != rows.items.tolist()


def test_fitting_leaves_torch_as_it_was(world: World) -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first = TwoTower(dim=8, epochs=1).fit(world.data)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(8)
    second = TwoTower(dim=8, epochs=1).fit(world.data)
    np.testing.assert_array_equal(first.arrays["item_vectors"], second.arrays["item_vectors"])


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_an_index_finds_nearly_all_that_the_exact_search_finds(kind: Literal["hnsw", "ivf"], world: World, tmp_path: Path) -> None:
    """Also after loading, and never what is seen or unavailable."""
    exact = TwoTower(dim=16, epochs=3, latest=10).fit(world.data)
    by_index = models.load(replace(exact, retrieval=kind).fit(world.data).save(tmp_path / "model"))
    np.testing.assert_array_equal(by_index.arrays["item_vectors"], exact.arrays["item_vectors"])
    available = np.random.default_rng(0).random(world.data.n_items) < 0.7
    wanted = exact.recommend(world.data.histories, 6, available).items
    found = by_index.recommend(world.data.histories, 6, available).items
    assert np.mean([len(set(one) & set(other)) / 6 for one, other in zip(wanted.tolist(), found.tolist(), strict=True)]) > 0.95
    assert available[found].all()
    by_index.arrays["index"] = by_index.arrays["index"][:40]
    with pytest.raises(ModelError, match="the index cannot be read"):
        models.load(by_index.save(tmp_path / "damaged")).recommend(world.data.histories, 6)
    for user, shown in enumerate(found.tolist()):
        assert not set(shown) & set(world.data.histories.rows(user, user + 1).items.tolist())


def _line(seed: int, n: int) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 1, generator=generator)
    return Rows(x, torch.zeros(n, 0), torch.zeros(n, dtype=torch.int64), torch.zeros(n, 0, dtype=torch.int64), torch.ones(n))


def test_training_stops_early_and_keeps_the_best_epoch(caplog: pytest.LogCaptureFixture) -> None:
    """The validation part wants slope -1 and the training part +1, so every epoch after the first is worse than it."""
    network = torch.nn.Linear(1, 1)

    def loss(batch: Rows) -> torch.Tensor:
        wanted = batch.user_features * (1 if network.training else -1)
        return ((network(batch.user_features) - wanted) ** 2).mean()

    schedule = Schedule(epochs=50, batch_size=16, learning_rate=0.05, weight_decay=0, patience=2, seed=0)
    with torch.no_grad():
        network.weight.fill_(0.0)
    with caplog.at_level(logging.INFO, "outfitter.fit"):
        fitted = train(network, loss, _line(0, 64), _line(1, 32), schedule, torch.device("cpu"))
    assert fitted.best_epoch == 1
    assert len(fitted.training) == len(fitted.validation) == 3
    assert min(fitted.validation) == fitted.validation[0]
    network.eval()
    with torch.no_grad():
        assert loss(_line(1, 32)).item() == pytest.approx(fitted.validation[0], rel=1e-5)
    assert "training on cpu: 64 rows" in caplog.text


def test_divergence_is_an_error() -> None:
    network = torch.nn.Linear(1, 1)
    schedule = Schedule(epochs=1, batch_size=16, learning_rate=0.1, weight_decay=0, patience=1, seed=0)
    with pytest.raises(ModelError, match="diverged"):
        train(
            network,
            lambda batch: network(batch.user_features).mean() * float("nan"),
            _line(0, 8),
            None,
            schedule,
            torch.device("cpu"),
        )
