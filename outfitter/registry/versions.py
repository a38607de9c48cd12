"""MLflow as run log and registry: one run a fitted model, one registered model a purpose, its alias ``champion`` in production."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array

from models.base import Recommender
from models.checkpoint import read
from models.training.watch import watched
from outfitter.errors import ModelError
from outfitter.registry.epochs import EpochLog
from outfitter.registry.stored import keeping, model_folder, open_experiment
from outfitter.settings import Settings

PURPOSES = {"lists": "Lists of items for every user, nightly and live"}
"""What models are registered for: each has a registered model of its own, with a champion and a challenger."""
REGISTERED = "outfitter-lists"
EXPERIMENT = "outfitter"
CHAMPION, CHALLENGER = "champion", "challenger"
CARRIED_OUT = "outfitter.decision"  # a tag of the registered model: the row of ``promotions`` that its alias carries out
MOST_VERSIONS = 10_000
CARD = "model_card.md"
NO_SUCH_ALIAS = (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(INVALID_PARAMETER_VALUE))  # no model yet; no alias yet
NEEDED = ("implicit", "mlflow", "numba", "numpy", "pandas", "polars", "safetensors", "scipy", "torch")
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

    @cached_property
    def meta(self) -> Mapping[str, Any]:
        """What the artifact says of itself. Read once, for all of it is read and checked. Raises ModelError for a damaged one."""
        return read(self.path)[1]


class Registry:
    """Runs, versions and the champion of one home, for one of ``PURPOSES``."""

    def __init__(self, settings: Settings, purpose: str = "lists") -> None:
        self.name, self.description = f"outfitter-{purpose}", PURPOSES[purpose]
        self.client, self.experiment = open_experiment(settings, EXPERIMENT)
        self._settings = settings

    def close_orphans(self) -> int:
        """Mark runs of a killed process as killed: whoever holds the home's lock is the only one that could be running."""
        running = self.client.search_runs([self.experiment], "attributes.status = 'RUNNING'")
        for run in running:
            self.client.set_terminated(run.info.run_id, status="KILLED")
        return len(running)

    @contextmanager
    def running(self, name: str) -> Iterator[str]:
        """A run in which a model is fitted, examined and logged; trainings inside log their epochs there. Gives the run's id."""
        with (
            keeping(self._settings),
            mlflow.start_run(experiment_id=self.experiment, run_name=name) as run,
            watched(EpochLog(run.info.run_id)),
        ):
            yield str(run.info.run_id)

    def log(
        self, model: Recommender, folder: Path, metrics: Mapping[str, float], tags: Mapping[str, str], card: str, texts: Mapping[str, str]
    ) -> None:
        """Log a fitted model in the run that is ``running``; ``folder`` is an empty scratch folder. texts: more artifacts, by name."""
        artifact = model.save(folder / "model")
        mlflow.set_tags(dict(tags))
        mlflow.log_params({"model": model.name, **model.params()})
        mlflow.log_metrics(dict(metrics))
        for name, text in {CARD: card, **texts}.items():
            mlflow.log_text(text, name)
        self._log_model(model, artifact)

    def read_text(self, run_id: str, name: str) -> str:
        """A text artifact of a run."""
        with keeping(self._settings):
            return str(mlflow.artifacts.load_text(f"{self.run(run_id).info.artifact_uri}/{name}"))

    def annotate(self, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float], texts: Mapping[str, str]) -> None:
        """Add to a finished run what was found out later; what is there by the same name is replaced."""
        for tag, value in tags.items():
            self.client.set_tag(run_id, tag, value)
        self.client.log_batch(run_id, [Metric(name, value, timestamp=0, step=0) for name, value in metrics.items()])
        with keeping(self._settings):
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
        found = self.client.search_model_versions(f"name = '{self.name}' and run_id = '{run_id}'")
        if found:
            return self._version(found[0])
        logged = self._logged(run_id)
        made = self.client.create_model_version(self.name, f"models:/{logged}", run_id, tags=dict(tags), model_id=logged)
        return self._version(made)

    def artifact(self, run_id: str) -> Path:
        """The local folder of the model that a run logged, what ``models.load`` reads."""
        location = self.client.get_logged_model(self._logged(run_id)).artifact_location
        return model_folder(self._settings, location, f"the model of the MLflow run '{run_id}'")

    def find(self, tag: str, value: str) -> Version | None:
        """The newest version that carries a tag with this value, or None."""
        found = self.client.search_model_versions(f"name = '{self.name}' and tags.`{tag}` = '{value}'")
        return self._version(max(found, key=lambda one: int(one.version))) if found else None

    def challenge(self, number: str | None) -> None:
        """Point the alias ``challenger`` at a version, or at none."""
        if number is not None:
            self.client.set_registered_model_alias(self.name, CHALLENGER, number)
        elif self.alias(CHALLENGER) is not None:
            self.client.delete_registered_model_alias(self.name, CHALLENGER)

    def describe(self, number: str, tags: Mapping[str, str]) -> None:
        """Add tags to a version; what is there by the same name is replaced."""
        for name, value in tags.items():
            self.client.set_model_version_tag(self.name, number, name, value)

    def promote(self, version: str, decision_id: str) -> None:
        """Point the alias ``champion`` at a version, which is no challenger any more, and then say which decision that carries out.

        Raises ModelError when there is no such version any more.
        """
        self._registered(version)
        self.client.set_registered_model_alias(self.name, CHAMPION, version)
        if self.alias(CHALLENGER) == version:
            self.client.delete_registered_model_alias(self.name, CHALLENGER)
        self.client.set_registered_model_tag(self.name, CARRIED_OUT, decision_id)

    def carried_out(self) -> str | None:
        """The decision that the alias last carried out; None before the first."""
        found = self.client.search_registered_models(f"name = '{self.name}'")
        return found[0].tags.get(CARRIED_OUT) if found else None

    def version(self, number: str) -> Version:
        """A registered version. Raises ModelError when there is none of that number, or its artifact is gone."""
        return self._version(self._registered(number))

    def all_versions(self) -> list[ModelVersion]:
        """Every registered version as MLflow tells of it, the newest first."""
        found = self.client.search_model_versions(f"name = '{self.name}'", max_results=MOST_VERSIONS)
        return sorted(found, key=lambda one: -int(one.version))

    def _registered(self, number: str) -> ModelVersion:
        try:
            return self.client.get_model_version(self.name, number)
        except MlflowException as error:
            if error.error_code in NO_SUCH_ALIAS:
                raise ModelError(f"there is no version '{number}'", "'outfitter models list' shows all there are.") from error
            raise

    def champion(self) -> Version | None:
        """The version in production, or None before the first. Raises ModelError when its artifact is gone."""
        number = self.alias()
        return None if number is None else self.version(number)

    def alias(self, name: str = CHAMPION) -> str | None:
        """The number of the version that an alias names, whether or not there is anything left of it; None where it names none."""
        try:
            return str(self.client.get_model_version_by_alias(self.name, name).version)
        except MlflowException as error:
            if error.error_code in NO_SUCH_ALIAS:
                return None
            raise

    def tags(self, number: str) -> Mapping[str, str]:
        """Those of a registered version. Raises ModelError when there is none of that number."""
        return dict(self._registered(number).tags)

    def model_of(self, number: str) -> str:
        """The name of a registered version's model. Raises ModelError when there is none of that number."""
        return str(self.run(self.run_of(number)).data.params["model"])

    def run_of(self, number: str) -> str:
        """The id of the MLflow run that fitted a version. Raises ModelError when there is none of that number."""
        return str(self._registered(number).run_id)

    def run(self, run_id: str) -> Run:
        return self.client.get_run(run_id)

    def _logged(self, run_id: str) -> str:
        """The id of the model that a run logged."""
        outputs = self.run(run_id).outputs
        if outputs is None or not outputs.model_outputs:
            raise ModelError(f"the MLflow run '{run_id}' has no model", "Train again; the run is kept for you to look at.")
        return str(outputs.model_outputs[0].model_id)

    def _version(self, found: Any) -> Version:
        location = self.client.get_model_version_download_uri(self.name, found.version)
        folder = model_folder(self._settings, location, f"the artifact of version {found.version}")
        return Version(str(found.version), found.run_id, folder, dict(found.tags))

    def _make_registered_model(self) -> None:
        if not self.client.search_registered_models(f"name = '{self.name}'"):
            self.client.create_registered_model(self.name, description=self.description)
