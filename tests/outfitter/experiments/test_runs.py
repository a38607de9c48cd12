"""A search in MLflow: one run for it, one nested in it for each trial, none missing and none twice after a kill."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from models.base import Recipe
from outfitter.errors import ModelError
from outfitter.experiments import runs as keeping
from outfitter.experiments import trial, trying
from outfitter.experiments.runs import EXPERIMENT, Runs
from outfitter.experiments.search import search
from outfitter.settings import Settings
from tests.outfitter.experiments.test_search import task


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=home)


def logged(settings: Settings) -> tuple[list[Run], list[Run]]:
    """The runs of searches, and those of trials in order of number."""
    mlflow.set_tracking_uri(settings.tracking_uri)
    found = mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list")
    nested = [run for run in found if MLFLOW_PARENT_RUN_ID in run.data.tags]
    return [run for run in found if run not in nested], sorted(nested, key=lambda run: int(run.data.tags["trial"]))


def test_every_trial_is_a_run_within_that_of_the_search(settings: Settings) -> None:
    runs = Runs(settings, task("item_knn:shrink=3"))
    found = search(task("item_knn:shrink=3"), 10, settings.home / "studies", runs.tell, most=3)
    runs.finish(found)
    (parent,), trials = logged(settings)
    assert parent.info.status == "FINISHED"
    assert {name: parent.data.params[name] for name in ("model", "split", "k", "seed", "shrink")} == {
        **{"model": "item_knn", "split": "leave-last-out", "k": "5", "seed": "0", "shrink": "3"}
    }
    assert parent.data.metrics["value"] == pytest.approx(found.value)
    assert parent.data.metrics["trials"] == 3
    assert parent.data.tags["found.weighting"] == found.params["weighting"]
    assert [run.data.tags["trial"] for run in trials] == ["0", "1", "2"]
    assert {run.data.tags[MLFLOW_PARENT_RUN_ID] for run in trials} == {parent.info.run_id}
    assert all(set(run.data.params) == set(found.params) for run in trials)
    assert max(run.data.metrics["value"] for run in trials) == pytest.approx(found.value)
    assert all(run.info.end_time >= run.info.start_time > 0 for run in trials)


def test_what_a_kill_left_out_is_logged_by_the_next_search_and_nothing_twice(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it is killed between the end of a trial and its run."""
    folder = settings.home / "studies"
    search(task(), 10, folder, Runs(settings, task()).tell, most=2)
    search(task(), 10, folder, most=4)
    assert len(logged(settings)[1]) == 2
    monkeypatch.setattr(keeping, "PAGE", 1)
    search(task(), 10, folder, Runs(settings, task()).tell, most=5)
    (_,), trials = logged(settings)
    assert [run.data.tags["trial"] for run in trials] == ["0", "1", "2", "3", "4"]


def test_a_run_that_a_kill_cut_short_is_ended_and_its_trial_logged_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    folder = settings.home / "studies"
    for method in ("log_batch", "set_terminated"):  # with the second the run has its number, and is complete but for its end
        runs = Runs(settings, task())
        search(task(), 10, folder, runs.tell, most=1)
        with monkeypatch.context() as patched:
            patched.setattr(runs._client, method, killed)
            with pytest.raises(KeyboardInterrupt):
                search(task(), 10, folder, runs.tell, most=2 if method == "log_batch" else 3)
    search(task(), 10, folder, Runs(settings, task()).tell, most=4)
    mlflow.set_tracking_uri(settings.tracking_uri)
    found = mlflow.search_runs(experiment_names=[EXPERIMENT], output_format="list")
    nested = [run for run in found if MLFLOW_PARENT_RUN_ID in run.data.tags]
    assert sorted(run.data.tags["trial"] for run in nested if run.info.status == "FINISHED") == ["0", "1", "2", "3"]
    assert [run.info.status for run in nested if "trial" not in run.data.tags] == ["KILLED"]


def test_a_failed_trial_is_a_failed_run_that_says_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(recipe: Recipe, *given: object) -> object:
        if dict(recipe.params)["neighbours"] != 100:
            raise ModelError("too few neighbours")
        return trying.fit(recipe, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(trial, "fit", picky)
    search(task(), 10, settings.home / "studies", Runs(settings, task()).tell, most=2)
    _, (good, bad) = logged(settings)
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")
    assert bad.data.tags["error"] == "too few neighbours"
    assert "value" not in bad.data.metrics
