"""The same fit on several machines or processes: Ray Train starts the workers, and ``models.fit`` shares every batch among them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

import models
from models.base import Recipe, Recommender, require
from models.data import TrainingData
from models.families import build, family
from models.training.sharing import Workers
from outfitter.errors import ModelError

ARTIFACT = "model"


def fit_on_ray(recipe: Recipe, data: TrainingData, workers: int, storage: Path) -> Recommender:
    """The model of ``recipe``, fitted to ``data`` by ``workers`` processes of the Ray cluster that this one is connected to.

    Each computes its part of every batch and all make the same step, so batch size, learning rate and number of steps mean what they
    mean in one process; only a loss that compares the rows of a batch with each other compares fewer. On CPUs they talk through gloo,
    with a GPU each through NCCL. storage: a folder that this process and all workers can reach; the first worker leaves the artifact
    there. Raises ModelError for a model that is not of torch or fewer than two workers, and what Ray raises when a worker fails.
    """
    require(family(recipe.model).uses_torch, f"'{recipe.model}' is no torch model: several workers cannot share its fit")
    require(workers > 1, f"{workers} workers cannot share a fit: fit in this process")
    import ray
    from ray.train import CheckpointConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpus = torch.cuda.is_available()
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"recipe": recipe, "data": ray.put(data)},
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus),
        run_config=RunConfig(storage_path=str(storage), checkpoint_config=CheckpointConfig(num_to_keep=1)),
    )
    checkpoint = trainer.fit().checkpoint
    if checkpoint is None:
        raise ModelError(f"the workers left no '{recipe.model}' in '{storage}'", "Read their logs; all must reach that folder.")
    with checkpoint.as_directory() as folder:
        return models.load(Path(folder) / ARTIFACT)


def _worker(config: dict[str, Any]) -> None:
    """What each worker runs: the fit that one process would run, whose training loop finds that it is not alone."""
    import ray
    from ray.train import Checkpoint, report

    model = build(config["recipe"]).fit(ray.get(config["data"]))
    if Workers.present().rank:
        report({})
        return
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / ARTIFACT)
        report({}, checkpoint=Checkpoint.from_directory(folder))
