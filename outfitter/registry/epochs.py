"""The epochs of a torch model's training as metrics of its MLflow run, written while it runs."""

from __future__ import annotations

from dataclasses import dataclass

import mlflow


@dataclass(frozen=True)
class EpochLog:
    """A ``models.training.watch.Run`` that logs an epoch's metrics in one call, the epoch being the step."""

    run_id: str

    def epoch(self, number: int, metrics: dict[str, float], done: int, total: int) -> None:  # noqa: ARG002 (a bar needs them)
        mlflow.log_metrics(metrics, step=number, run_id=self.run_id)
