"""While a torch model trains, its epochs are in its MLflow run, on the terminal and on the flow run's page; a killed fit goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import mlflow
import numpy as np
import pytest
import torch
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.settings import PREFECT_API_URL, temporary_settings

from models.base import Recipe, Recommender
from models.data import Float, Histories, TrainingData
from models.families import FAMILIES
from outfitter.registry.candidates import Candidate
from outfitter.settings import Settings
from tasks.training import fit
from tasks.work import Work
from tests.models.small_fit import CPU, SCHEDULE, Killed, network, rows, squared
from tests.outfitter.lake.frames import NOW
from tests.outfitter.registry.conftest import Trained

DYING: list[int] = []
"""The step at which the next training dies, when there is one."""


@dataclass
class Line(Recommender):
    """A torch model that has nothing to do with the items, and is trained twice."""

    name: ClassVar[str] = "straight_line"
    uses_torch: ClassVar[bool] = True

    epochs: int = 6

    def _fit(self, data: TrainingData) -> None:
        from models.fit import train

        steps = 0
        for label in ("", "refit_"):
            made = network()

            def loss(batch: Any, made: torch.nn.Module = made) -> torch.Tensor:
                nonlocal steps
                steps += 1
                if DYING and steps == DYING[0]:
                    raise Killed
                return squared(made)(batch)

            train(made, loss, rows(0), None, replace(SCHEDULE, epochs=self.epochs), CPU, label=label)
            self.arrays[f"{label}weights"] = made[0].weight.detach().numpy()

    def encode(self, histories: Histories) -> int:
        return histories.n_users

    def score(self, query: int, items: slice) -> Float:
        return np.tile(np.arange(items.start, items.stop, dtype=np.float32), (query, 1))


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recipe]:
    monkeypatch.setitem(FAMILIES, Line.name, Line)
    yield Recipe.of(Line())
    DYING.clear()


@flow(name="fit one")
def fit_one(work: Work, recipe: Recipe, trained: Trained) -> Candidate:
    validation = trained.exam(trained.windows.validation_from, trained.windows.test_from)
    return fit(work, recipe, trained.material, validation)


def work_of(trained: Trained, settings: Settings | None = None) -> Work:
    work = Work(settings or trained.material.settings, NOW)
    work.__dict__["registry"] = trained.registry
    return work


def history(trained: Trained, run_id: str, metric: str) -> list[tuple[int, float]]:
    return [(found.step, found.value) for found in trained.registry.client.get_metric_history(run_id, metric)]


def test_a_fit_is_told_everywhere(
    line: Recipe, trained: Trained, prefect_api: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[tuple[set[str], int]] = []
    real = mlflow.log_metrics
    monkeypatch.setattr(
        mlflow, "log_metrics", lambda metrics, **how: calls.append((set(metrics), how.get("step", -1))) or real(metrics, **how)
    )
    with temporary_settings({PREFECT_API_URL: prefect_api}), caplog.at_level(logging.INFO, "outfitter.progress"):
        candidate = fit_one(work_of(trained), line, trained)
        with get_client(sync_client=True) as client:
            drawn = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["outfitter-fit-straight-line"])))
    assert [call for call in calls if call[1] > 0] == [
        ({f"{label}{name}" for name in ("training_loss", "learning_rate", "seconds")}, epoch)
        for label in ("", "refit_")
        for epoch in range(1, 7)
    ], "one call an epoch"
    losses = history(trained, candidate.run_id, "training_loss")
    assert [step for step, _ in losses] == [1, 2, 3, 4, 5, 6]
    assert losses == history(trained, candidate.run_id, "refit_training_loss")
    assert [(artifact.type, artifact.data) for artifact in drawn] == [("progress", 100.0)]
    told = [record for record in caplog.records if "epoch" in record.getMessage()]
    assert f"straight_line: epoch 3 of at most 6, training loss {losses[2][1]:.4f}" in told[2].getMessage()
    assert [(record.__dict__["done"], record.__dict__["total"]) for record in told] == [(epoch, 6) for epoch in range(1, 7)] * 2


def test_a_fit_that_dies_goes_on_from_its_checkpoint(line: Recipe, trained: Trained) -> None:
    """It dies in its second training. The run of the dead is marked, and that of its successor tells all epochs."""
    settings = trained.material.settings.model_copy(update={"checkpoint_seconds": 0.0})
    here = replace(trained, material=replace(trained.material, settings=settings))
    DYING[:] = [50]
    with pytest.raises(Killed):
        fit.fn(work_of(here), line, here.material, here.exam(here.windows.validation_from, here.windows.test_from))
    (dead,) = trained.registry.client.search_runs([trained.registry.experiment], f"tags.mlflow.runName = '{Line.name}'")
    assert dead.info.status == "FAILED"
    (folder,) = settings.checkpoints.iterdir()
    assert sorted(file.name for file in folder.iterdir()) == ["training-1.safetensors", "training-2.safetensors"]
    DYING[:] = [42 - 7 + 1]  # what is left of the second training has fewer steps than this
    candidate = fit.fn(work_of(here), line, here.material, here.exam(here.windows.validation_from, here.windows.test_from))
    for metric in ("training_loss", "refit_training_loss"):
        found = history(trained, candidate.run_id, metric)
        assert [step for step, _ in found] == [1, 2, 3, 4, 5, 6]
    assert found == history(trained, candidate.run_id, "training_loss"), "both trainings are the same but for the death of one"
    assert trained.registry.run(candidate.run_id).info.status == "FINISHED"
