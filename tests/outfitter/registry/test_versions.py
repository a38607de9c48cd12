"""MLflow, for real: what is logged can be read, registered once, loaded by anybody, and found again by the next process."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

import models
from models.base import Recipe, Recommender
from models.data import Histories
from outfitter.errors import HomeError, ModelError
from outfitter.evaluation.bootstrap import Interval
from outfitter.evaluation.exam import METRICS, sit
from outfitter.registry import candidates, pyfunc_path
from outfitter.registry.candidates import DENSE_ITEMS, Candidate, baselines, recipes, train_candidate, training_fingerprint
from outfitter.registry.contest import recipe_of
from outfitter.registry.versions import EXPERIMENT, Registry, Version
from outfitter.settings import load_settings
from tests.outfitter.lake.frames import NOW
from tests.outfitter.registry.conftest import Trained


def logged(trained: Trained, model: str) -> Version:
    """A candidate's run as a version."""
    return trained.registry.register(
        next(one.run_id for one in trained.candidates if one.recipe.model == model), {"outfitter.decision": "d1"}
    )


def plain_histories(model: Recommender, users: list[list[str]]) -> Histories:
    place = {item: number for number, item in enumerate(model.item_ids)}
    rows = [[place[item] for item in items if item in place] for items in users]
    flat = [item for row in rows for item in row]
    ages = [float(age) for row in rows for age in range(len(row), 0, -1)]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Histories(indptr, np.array(flat, np.int32), np.ones(len(flat), np.float32), np.array(ages, np.float32))


def test_a_run_says_what_was_fitted_and_how_good_it_is(trained: Trained) -> None:
    for one in trained.candidates:
        run = trained.registry.run(one.run_id)
        assert run.info.status == "FINISHED"
        assert run.data.params == {"model": one.recipe.model, **{name: str(value) for name, value in one.recipe.params}}
        assert run.data.metrics["ndcg_at_6"] == pytest.approx(one.scores["ndcg"].mean)
        assert {f"{name}_at_6{end}" for name in METRICS for end in ("", "_low", "_high")} | {"coverage", "users"} == set(run.data.metrics)
        assert run.data.tags["outfitter.snapshot"] == trained.material.snapshot.id
        assert run.data.tags["outfitter.role"] == "candidate"
        windows = trained.windows
        assert run.data.tags["outfitter.asked"] == windows.validation_from.isoformat()
        assert run.data.tags["outfitter.until"] == windows.test_from.isoformat()
        told = json.loads(run.data.tags["outfitter.settings"])
        assert set(told) == set(candidates.FITTING)
        assert (told["window_days"], told["events"]["purchase"]) == (14, {"weight": 1.0, "target": True})


def test_a_run_carries_the_models_card(trained: Trained) -> None:
    knn = next(one for one in trained.candidates if one.recipe.model == "item_knn")
    card = mlflow.artifacts.load_text(f"runs:/{knn.run_id}/model_card.md")
    score = knn.scores["ndcg"]
    assert card.startswith("# item_knn\n")
    assert f"| ndcg@6 | {score.mean:.4f} | {score.low:.4f} to {score.high:.4f} |" in card
    assert f"`{trained.material.snapshot.id}`" in card
    assert "- neighbours: " in card
    assert f"{knn.users:,} users" in card
    assert "is never recommended" in card


def test_a_version_is_the_artifact_that_was_fitted(trained: Trained) -> None:
    version = logged(trained, "item_knn")
    model = models.load(version.path)
    assert model.name == "item_knn" == recipe_of(version).model
    assert datetime.fromisoformat(model.fit_until) == trained.windows.validation_from
    assert not list(version.path.glob("**/*.pkl"))


def test_registering_a_run_twice_keeps_its_version(trained: Trained) -> None:
    first = logged(trained, "item_knn")
    assert logged(trained, "item_knn") == first
    assert logged(trained, "popularity").version != first.version


def test_a_version_is_found_by_its_tag(trained: Trained) -> None:
    assert trained.registry.find("outfitter.decision", "d1") is None
    made = logged(trained, "item_knn")
    assert trained.registry.find("outfitter.decision", "d1") == made
    assert trained.registry.find("outfitter.decision", "d2") is None


def test_the_champion_is_whoever_the_alias_names(trained: Trained) -> None:
    assert trained.registry.champion() is None
    one, other = logged(trained, "item_knn"), logged(trained, "popularity")
    assert trained.registry.champion() is None
    for version in (one, other, one):
        trained.registry.promote(version.version, "a decision")
        assert Registry(trained.material.settings).champion() == version


def test_a_registry_that_fails_is_not_taken_for_an_empty_one(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str) -> None:
        raise MlflowException("the database is locked", INTERNAL_ERROR)

    monkeypatch.setattr(trained.registry.client, "get_model_version_by_alias", fail)
    with pytest.raises(MlflowException, match="locked"):
        trained.registry.champion()


def test_a_run_without_a_model_cannot_be_registered(trained: Trained) -> None:
    run = trained.registry.client.create_run(trained.registry.experiment)
    for ask in (lambda: trained.registry.register(run.info.run_id, {}), lambda: trained.registry.artifact(run.info.run_id)):
        with pytest.raises(ModelError, match=f"the MLflow run '{run.info.run_id}' has no model"):
            ask()


def test_a_candidates_model_can_be_examined_again(trained: Trained) -> None:
    """The artifact of its run, before anything is registered, answers as it did."""
    validation = trained.exam(trained.windows.validation_from, trained.windows.test_from)
    for one in trained.candidates:
        model = models.load(trained.registry.artifact(one.run_id))
        assert sit(validation, model).mean("ndcg") == pytest.approx(one.scores["ndcg"].mean)


def test_runs_of_a_killed_process_are_closed(trained: Trained) -> None:
    run = trained.registry.client.create_run(trained.registry.experiment)
    assert trained.registry.close_orphans() == 1
    assert trained.registry.run(run.info.run_id).info.status == "KILLED"
    assert trained.registry.close_orphans() == 0
    assert {trained.registry.run(one.run_id).info.status for one in trained.candidates} == {"FINISHED"}


def test_every_process_uses_the_same_experiment(trained: Trained) -> None:
    assert Registry(trained.material.settings).experiment == trained.registry.experiment
    assert len(trained.registry.client.search_experiments(filter_string=f"name = '{EXPERIMENT}'")) == 1


@pytest.mark.parametrize("k", [None, 3])
def test_the_pyfunc_gives_the_lists_of_the_artifact(trained: Trained, k: int | None) -> None:
    version = logged(trained, "item_knn")
    trained.registry.promote(version.version, "a decision")
    loaded = mlflow.pyfunc.load_model("models:/outfitter-lists@champion")
    model = models.load(version.path)
    users = [list(model.item_ids[:2]), [], [model.item_ids[7], "never seen", model.item_ids[4]], ["never seen"]]
    told = loaded.predict(pd.DataFrame({"items": users}), params={"k": k} if k else None)
    top = model.recommend(plain_histories(model, users), k or 12)
    want = [[model.item_ids[place] for place in row if place >= 0] for row in top.items]
    assert [list(row) for row in told["items"]] == want
    assert [len(row) for row in told["scores"]] == [len(row) for row in want]
    np.testing.assert_allclose(told["scores"][0], top.scores[0][top.items[0] >= 0])
    assert all(len(row) == (k or 12) for row in want)
    assert not set(users[0]) & set(want[0])


def test_a_list_is_as_long_as_there_are_items(trained: Trained) -> None:
    version = logged(trained, "popularity")
    loaded = mlflow.pyfunc.load_model(f"models:/outfitter-lists/{version.version}")
    n_items = len(models.load(version.path).item_ids)
    (row,) = loaded.predict(pd.DataFrame({"items": [[]]}), params={"k": n_items + 5})["items"]
    assert len(row) == len(set(row)) == n_items


def test_the_pyfunc_file_is_there() -> None:
    assert pyfunc_path().read_text(encoding="utf-8").count("load_context") == 1


def test_a_candidate_is_fitted_once(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "fit", lambda *_: pytest.fail("fitted again"))
    exam = trained.exam(trained.windows.validation_from, trained.windows.test_from)
    for one in trained.candidates:
        assert train_candidate(one.recipe, trained.material, exam, trained.registry, NOW, lambda: 0.0) == one


@pytest.mark.parametrize("change", [{"list_length": 5}, {"seed": 4}, {"sellable_days": 7}])
def test_other_settings_make_another_candidate(trained: Trained, change: dict[str, int]) -> None:
    settings = trained.material.settings.model_copy(update=change)
    exam = replace(trained.exam(trained.windows.validation_from, trained.windows.test_from), settings=settings)
    material = replace(trained.material, settings=settings)
    made = train_candidate(Recipe("popularity"), material, exam, trained.registry, NOW, lambda: 0.0)
    assert made.run_id not in {one.run_id for one in trained.candidates}


def test_a_candidate_survives_being_written_down() -> None:
    one = Candidate(Recipe("als", (("alpha", 2.0), ("seed", 3))), "run", {"ndcg": Interval(0.1, 0.0, 0.2)}, 0.5, 10, 1.5)
    assert Candidate.of(one.outputs()) == one


def test_baselines_are_always_fitted_and_nothing_twice(trained: Trained) -> None:
    settings = trained.material.settings
    some = recipes(settings.model_copy(update={"models": ("als", "popularity", "als"), "seed": 7}), n_items=60)
    assert [one.model for one in some] == ["popularity", "recent_popularity", "als"]
    assert dict(some[2].params)["seed"] == 7
    assert "seed" not in dict(some[0].params)
    with pytest.raises(ModelError, match="there is no model 'nope'"):
        recipes(settings.model_copy(update={"models": ("nope",)}), n_items=60)


def test_ease_takes_the_form_that_suits_the_catalogue(trained: Trained) -> None:
    settings = trained.material.settings.model_copy(update={"gate_baselines": ("popularity", "ease")})
    assert baselines(settings, DENSE_ITEMS) == ("popularity", "ease")
    assert baselines(settings, DENSE_ITEMS + 1) == ("popularity", "ease_sparse")
    assert [one.model for one in recipes(settings, DENSE_ITEMS + 1)] == ["popularity", "ease_sparse", "item_knn"]


def test_a_training_run_depends_on_what_it_reads(trained: Trained) -> None:
    material, windows = trained.material, trained.windows
    before = training_fingerprint(material, windows)
    same = replace(material, settings=material.settings.model_copy(update={"drift_share": 0.9, "threads": 1, "log_level": "ERROR"}))
    assert training_fingerprint(same, windows) == before
    changes = [{"gate_alpha": 0.1}, {"models": ("als",)}, {"seed": 9}, {"repeat_purchases": True}, {"window_days": 21}]
    others = [replace(material, settings=material.settings.model_copy(update=change)) for change in changes]
    prints = [training_fingerprint(other, windows) for other in [*others, replace(material, materialization="other")]]
    assert len({before, *prints}) == len(prints) + 1


def test_an_artifact_that_was_thrown_away_is_an_error_a_person_can_read(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        models.load(tmp_path / "nothing")


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    settings.prepare_home()
    (settings.home / "mlflow" / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(HomeError, match=r"MLflow's database .*mlflow\.db' cannot be read.*Restore it"):
        Registry(settings)
