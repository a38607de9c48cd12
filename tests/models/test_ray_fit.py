"""A fit shared by two Ray workers is as good as the same fit in one process."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.base import Recipe, Recommender
from models.data import ItemTable, TrainingData
from models.metrics import Truth, ndcg
from models.neural.two_tower import TwoTower
from models.popularity import Popularity
from models.ray_fit import fit_on_ray
from outfitter.errors import ModelError
from tests.models.worlds import UNTIL, histories, rows_of

USERS, ITEMS, BLOCKS, TAKEN, STRAY = 400, 120, 6, 8, 0.3
TOWERS = TwoTower(dim=16, epochs=8, batch_size=128, learning_rate=0.005, latest=10)


@pytest.fixture
def storage() -> Iterator[Path]:
    """A Ray of two CPUs and nothing else, with a short path, for sockets take no long one. Stopped and removed afterwards."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'outfitter[ray]'")
    folder = Path(tempfile.mkdtemp(prefix="ray"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray leaves one in the user's home
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=200 << 20,
            _temp_dir=str(folder / "ray"),
            _node_ip_address="127.0.0.1",
        )
        try:
            yield folder / "storage"
        finally:
            ray.shutdown()
            shutil.rmtree(folder)


def straying() -> tuple[TrainingData, Truth]:
    """Users of ``BLOCKS`` blocks who take an item of another block every so often, so no model finds all of what was held out."""
    rng = np.random.default_rng(0)
    block = np.arange(ITEMS) % BLOCKS
    sequences, held_out = [], []
    for user in range(USERS):
        own, other = (rng.permutation(np.flatnonzero((block == user % BLOCKS) == mine)).tolist() for mine in (True, False))
        taken = [(other if rng.random() < STRAY else own).pop() for _ in range(TAKEN + 1)]
        sequences.append(taken[:-1])
        held_out.append(taken[-1])
    table = ItemTable(rng.normal(size=(ITEMS, 2)).astype(np.float32), np.zeros((ITEMS, 1), np.int32), ("colour",), (1,))
    ids = tuple(str(item) for item in range(ITEMS))
    data = TrainingData(ids, histories(sequences), UNTIL, rows_of(sequences, table.features), table)
    return data, Truth(np.arange(USERS + 1), np.array(held_out, dtype=np.int32))


def test_two_workers_are_as_good_as_one_process(storage: Path) -> None:
    """By NDCG@10, within what the seed alone makes of it; popularity is far outside of that."""
    data, truth = straying()

    def quality(model: Recommender) -> float:
        return float(ndcg(model.recommend(data.histories, 10).items, truth).mean())

    models = [replace(TOWERS, seed=seed).fit(data) for seed in range(5)]
    alone = [quality(model) for model in models]
    shared = fit_on_ray(Recipe.of(TOWERS), data, 2, storage)
    assert shared == TOWERS
    noise = 3 * float(np.std(alone, ddof=1))
    assert abs(quality(shared) - np.mean(alone)) < noise
    assert quality(Popularity().fit(data)) < np.mean(alone) - 2 * noise
    # a worker tells each row from those of its own half of the batch, and to choose among half as many costs log 2 less
    losses = [float(model.arrays["training_loss"][0]) for model in (models[0], shared)]
    assert losses[0] - losses[1] == pytest.approx(np.log(2), abs=0.2)


def test_what_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    data, _ = straying()
    with pytest.raises(ModelError, match="'popularity' is no torch model"):
        fit_on_ray(Recipe("popularity"), data, 2, tmp_path)
    with pytest.raises(ModelError, match="1 workers cannot share a fit"):
        fit_on_ray(Recipe.of(TOWERS), data, 1, tmp_path)
