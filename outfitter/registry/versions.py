"""MLflow as run log and registry: one run a fitted model, one registered model, the alias ``champion`` on what is in production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array
from sqlalchemy.exc import SQLAlchemyError

from models.base import Recommender
from outfitter.errors import HomeError, ModelError
from outfitter.settings import Settings

REGISTERED = "outfitter"
EXPERIMENT = "outfitter"
CHAMPION = "champion"
CARD = "model_card.md"
NO_SUCH_ALIAS = (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(INVALID_PARAMETER_VALUE))  # no model yet; no alias yet
NEEDED = ("implicit", "mlflow", "numba", "numpy", "pandas", "safetensors", "scipy", "torch")
"""What an artifact needs beside Outfitter itself, which is installed from its own wheel and from no index."""
LIST = Array(DataType.string)
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(LIST, "items")]),
    outputs=Schema([ColSpec(LIST, "items"), ColSpec(Array(DataType.double), "scores")]),
    params=ParamSchema([ParamSpec("k", DataType.long, np.int64(12))]),
)


@dataclass(frozen=True)
class Version:
    """A registered version: ``path`` is the local folder of its artifact, what ``models.load`` reads."""

    version: str
    run_id: str
    path: Path
    tags: Mapping[str, str]


class Registry:
    """Runs, versions and the champion of one home."""

    def __init__(self, settings: Settings) -> None:
        mlflow.set_tracking_uri(settings.tracking_uri)
        try:
            self.client = MlflowClient(settings.tracking_uri)
            found = self.client.get_experiment_by_name(EXPERIMENT)
        except SQLAlchemyError as error:
            store = "of the setting mlflow_uri" if settings.mlflow_uri else f"'{settings.home / 'mlflow' / 'mlflow.db'}'"
            raise HomeError(
                f"MLflow's database {store} cannot be read: {str(error).splitlines()[0]}", "Restore it from a backup, or start a new home."
            ) from error
        folder = None if settings.mlflow_uri else (settings.home / "mlflow" / "artifacts").as_uri()
        self.experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT, artifact_location=folder)

    def close_orphans(self) -> int:
        """Mark runs of a killed process as killed: whoever holds the home's lock is the only one that could be running."""
        running = self.client.search_runs([self.experiment], "attributes.status = 'RUNNING'")
        for run in running:
            self.client.set_terminated(run.info.run_id, status="KILLED")
        return len(running)

    def log(self, model: Recommender, folder: Path, metrics: Mapping[str, float], tags: Mapping[str, str], card: str) -> str:
        """Log a fitted model in a run of its own; ``folder`` is an empty scratch folder. Returns the run's id."""
        artifact = model.save(folder / "model")
        with mlflow.start_run(experiment_id=self.experiment, run_name=model.name, tags=dict(tags)) as run:
            mlflow.log_params({"model": model.name, **model.params()})
            mlflow.log_metrics(dict(metrics))
            mlflow.log_text(card, CARD)
            self._log_model(model, artifact)
        return str(run.info.run_id)

    def read_text(self, run_id: str, name: str) -> str:
        """A text artifact of a run."""
        return mlflow.artifacts.load_text(f"{self.run(run_id).info.artifact_uri}/{name}")

    def annotate(self, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float], texts: Mapping[str, str]) -> None:
        """Add to a finished run what was found out later; what is there by the same name is replaced."""
        for tag, value in tags.items():
            self.client.set_tag(run_id, tag, value)
        self.client.log_batch(run_id, [Metric(name, value, timestamp=0, step=0) for name, value in metrics.items()])
        for name, text in texts.items():
            self.client.log_text(run_id, text, name)

    def _log_model(self, model: Recommender, artifact: Path) -> None:
        from outfitter.registry import pyfunc_path

        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(pyfunc_path()),
            artifacts={"model": str(artifact)},
            signature=SIGNATURE,
            input_example=pd.DataFrame({"items": [list(model.item_ids[:3])]}),
            pip_requirements=[f"{name}=={metadata.version(name)}" for name in NEEDED],
        )

    def register(self, run_id: str, tags: Mapping[str, str]) -> Version:
        """Register a run's model; a run registered before (by a process that was killed) keeps its version."""
        self._make_registered_model()
        found = self.client.search_model_versions(f"name = '{REGISTERED}' and run_id = '{run_id}'")
        if found:
            return self._version(found[0])
        outputs = self.run(run_id).outputs
        if outputs is None or not outputs.model_outputs:
            raise ModelError(f"the MLflow run '{run_id}' has no model", "Train again; the run is kept for you to look at.")
        logged = outputs.model_outputs[0].model_id
        made = self.client.create_model_version(REGISTERED, f"models:/{logged}", run_id, tags=dict(tags), model_id=logged)
        return self._version(made)

    def find(self, tag: str, value: str) -> Version | None:
        """The version that carries a tag with this value, or None."""
        found = self.client.search_model_versions(f"name = '{REGISTERED}' and tags.`{tag}` = '{value}'")
        return self._version(found[0]) if found else None

    def promote(self, version: str) -> None:
        """Point the alias ``champion`` at a version."""
        self.client.set_registered_model_alias(REGISTERED, CHAMPION, version)

    def champion(self) -> Version | None:
        """The version in production, or None before the first."""
        try:
            found = self.client.get_model_version_by_alias(REGISTERED, CHAMPION)
        except MlflowException as error:
            if error.error_code in NO_SUCH_ALIAS:
                return None
            raise
        return self._version(found)

    def run(self, run_id: str) -> Run:
        return self.client.get_run(run_id)

    def _version(self, found: Any) -> Version:
        try:
            folder = Path(mlflow.artifacts.download_artifacts(f"models:/{REGISTERED}/{found.version}"))
        except (MlflowException, OSError) as error:
            raise ModelError(
                f"the artifact of version {found.version} cannot be found: {error}",
                "MLflow keeps whole paths: if the home was moved, move it back; if files were deleted, restore them.",
            ) from error
        return Version(str(found.version), found.run_id, folder / "artifacts" / "model", dict(found.tags))

    def _make_registered_model(self) -> None:
        if not self.client.search_registered_models(f"name = '{REGISTERED}'"):
            self.client.create_registered_model(REGISTERED, description="Lists of items for every user, nightly and live")
