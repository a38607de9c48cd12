"""A search in MLflow: one run for the search and, nested in it, one for each of its trials."""

from __future__ import annotations

from datetime import datetime

import optuna
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME
from optuna.trial import FrozenTrial, TrialState

from outfitter.experiments.search import ERROR, SECONDS, Found, ended
from outfitter.experiments.trial import Task
from outfitter.registry.stored import open_experiment
from outfitter.settings import Settings

EXPERIMENT = "outfitter-search"
PARENT, TRIAL, ENDED = "mlflow_run", "trial", "ended as"
PAGE = 1000  # runs that MLflow hands out at a time


class Runs:
    """The runs of one search. What a study holds and MLflow does not is added, so a killed search leaves no gap."""

    def __init__(self, settings: Settings, task: Task) -> None:
        self._client, self._experiment = open_experiment(settings, EXPERIMENT)
        self._task = task
        self._parent = ""
        self._logged: set[int] = set()

    def tell(self, study: optuna.Study) -> None:
        """Log the trials that have ended and are not logged yet, and the best value so far."""
        if not self._parent:
            self._parent = study.user_attrs.get(PARENT) or self._begin(study)
            self._logged = self._known(self._parent)
        for trial in ended(study):
            if trial.number not in self._logged:
                self._log(trial, self._parent)
                self._logged.add(trial.number)

    def finish(self, found: Found) -> None:
        """Say in the search's own run what was found. A later search with more time may go on and say it anew."""
        tags = [RunTag(f"found.{name}", str(value)) for name, value in found.params.items()]
        counts = {"trials": found.trials, "pruned": found.pruned, "failed": found.failed}
        figures = {"value": found.value, "minutes": found.minutes, **counts}
        self._client.log_batch(self._parent, [Metric(name, value, 0, found.trials) for name, value in figures.items()], tags=tags)
        self._client.set_terminated(self._parent)

    def _begin(self, study: optuna.Study) -> str:
        task = self._task
        told = {"model": task.entry.model, "source": task.data.source, "split": task.split.name, "k": task.k, "seed": task.seed}
        tags = {MLFLOW_RUN_NAME: f"search {task.entry.label}", "study": task.name}
        run = self._client.create_run(self._experiment, tags=tags)
        fixed = {name: value for name, value in task.entry.recipe({}, task.seed).params if name not in (*task.entry.space, "weights")}
        params = [Param(name, str(value)) for name, value in {**told, **fixed}.items()]
        self._client.log_batch(run.info.run_id, params=params)
        study.set_user_attr(PARENT, run.info.run_id)
        return str(run.info.run_id)

    def _known(self, parent: str) -> set[int]:
        """The numbers of the trials that are logged. A run that was cut short before it had one is ended as killed."""
        wanted, token, numbers = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'", None, set[int]()
        while True:
            page = self._client.search_runs([self._experiment], wanted, max_results=PAGE, page_token=token)
            numbers |= {int(run.data.tags[TRIAL]) for run in page if TRIAL in run.data.tags}
            for run in page:
                if run.info.status == "RUNNING":
                    self._client.set_terminated(run.info.run_id, run.data.tags.get(ENDED, "KILLED"))
            token = page.token
            if not token:
                return numbers

    def _log(self, trial: FrozenTrial, parent: str) -> None:
        """One run, from the trial's own times; ``ndcg`` by step, and at the end for all."""
        begun, over = _milliseconds(trial.datetime_start), _milliseconds(trial.datetime_complete)
        tags = {MLFLOW_PARENT_RUN_ID: parent, MLFLOW_RUN_NAME: f"trial {trial.number}", "state": trial.state.name}
        run_id = self._client.create_run(self._experiment, start_time=begun, tags=tags).info.run_id
        metrics = [Metric("so_far", value, over, step) for step, value in trial.intermediate_values.items()]
        metrics.append(Metric(SECONDS, trial.user_attrs[SECONDS], over, 0))
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            metrics.append(Metric("value", trial.value, over, 0))
        ended_as = "FAILED" if trial.state == TrialState.FAIL else "FINISHED"
        said = [
            RunTag(name, value)
            for name, value in {TRIAL: str(trial.number), ENDED: ended_as, ERROR: trial.user_attrs.get(ERROR)}.items()
            if value
        ]
        params = [Param(name, str(value)) for name, value in trial.params.items()]
        self._client.log_batch(run_id, metrics, params, said)  # with the number: a run that was cut short has none and is logged again
        self._client.set_terminated(run_id, ended_as, over)


def _milliseconds(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp() * 1000)
