"""From a user's list to all that stands behind it, as it was when the list was shown."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import mlflow
import polars as pl
import pytest

from outfitter.errors import LakeError
from outfitter.features.arrays import model_inputs
from outfitter.features.spec import USER_FEATURES
from outfitter.lake.snapshot import take_snapshot
from outfitter.registry.lineage.recommendation import lineage_of_list
from outfitter.registry.lineage.runs import Models
from outfitter.registry.production import move
from outfitter.registry.versions import REGISTERED, Registry
from tests.outfitter.lake.frames import arrival, at, bought, ingest
from tests.outfitter.registry.conftest import MADE, opened
from tests.outfitter.registry.lineage.conftest import LATE, LATER, MENDED, Life, published
from tests.outfitter.registry.test_versions import logged


def test_the_list_is_the_users_in_the_batch_that_was_live_then(life: Life) -> None:
    then = lineage_of_list(life.sources, life.user, at(2))
    now = lineage_of_list(life.sources, life.user)
    assert (then["batch"]["batch_id"], now["batch"]["batch_id"]) == (life.first["batch_id"], life.second["batch_id"])
    lake, user = life.sources.lake, then["user"]
    mine = (pl.col("batch_id") == life.first["batch_id"]) & (pl.col("user_key") == user["user_key"])
    (row,) = lake.scan("recommendations").filter(mine).collect().to_dicts()
    assert [(one["item_key"], one["score"]) for one in then["list"]] == list(zip(row["items"], row["scores"], strict=True))
    ids = dict(lake.scan("items").filter(pl.col("delivery_id").is_null()).select("item_key", "item_id").collect().rows())
    assert [one["item_id"] for one in then["list"]] == [ids[key] for key in row["items"]]
    assert all(one["words"] for one in then["list"])
    assert then["missing"] == now["missing"] == []


def test_what_was_learnt_from_and_what_was_made_from_are_told_apart(life: Life) -> None:
    told = lineage_of_list(life.sources, life.user)
    training, shown = told["snapshots"]["training"], told["snapshots"]["list"]
    assert training["id"] == life.trained.material.snapshot.id == life.first["snapshot_id"]
    assert shown["id"] == life.second["snapshot_id"] != training["id"]
    assert life.replaced in training["deliveries"]
    assert life.replaced not in shown["deliveries"]
    assert {MENDED, LATE} == set(shown["deliveries"]) - set(training["deliveries"])
    assert training["versions"] == life.trained.material.snapshot.versions
    assert (told["model"]["materialization"], told["features"]["materialization"]) == (MADE, LATER)


def test_the_model_comes_with_its_decision(life: Life) -> None:
    model = lineage_of_list(life.sources, life.user)["model"]
    (decision,) = model["decisions"]
    assert (model["version"], model["role"], decision["verdict"]) == ("1", "production", "bootstrap")
    assert model["run_id"] == life.second["run_id"]
    assert model["fit_until"] == life.trained.windows.as_of.isoformat()
    assert model["instead_of"] is None


def test_the_features_are_those_of_the_lists_moment(life: Life) -> None:
    for when, batch, name in ((at(2), life.first, MADE), (at(4), life.second, LATER)):
        told = lineage_of_list(life.sources, life.user, when)
        mine = (pl.col("materialization") == name) & (pl.col("cutoff") == batch["as_of"]) & (pl.col("user_key") == told["user"]["user_key"])
        row = life.sources.features.scan("user_features").filter(mine).collect()
        seen = model_inputs(row, USER_FEATURES, batch["as_of"])[0]
        for feature, one, number in zip(USER_FEATURES, told["features"]["values"], seen, strict=True):
            assert (one["name"], one["value"]) == (feature.name, row[feature.name][0])
            assert one["as_seen"] == (None if one["value"] is None else pytest.approx(number))
    recency = next(one for one in told["features"]["values"] if one["name"] == "last_event_day")
    assert recency["as_read"] == pytest.approx(0, abs=0.01)
    assert recency["as_seen"] == pytest.approx(math.log1p(recency["as_read"]), abs=1e-6)


def test_the_history_is_counted_by_delivery(life: Life) -> None:
    told = lineage_of_list(life.sources, life.user)
    rows = life.sources.lake.scan("interactions").filter(pl.col("user_key") == told["user"]["user_key"]).collect()
    assert told["history"]["events"] == rows.filter(pl.col("event") != "return").height
    assert told["history"]["last"][-1]["timestamp"] == life.second["as_of"]
    assert told["history"]["last"][-1]["delivery_id"] == LATE
    assert (told["history"]["deliveries"][MENDED], told["history"]["deliveries"][LATE]) == (1, 1)
    before = lineage_of_list(life.sources, life.user, at(2))["history"]["deliveries"]
    assert life.replaced in before
    assert {MENDED, LATE} & set(before) == set()


def test_every_delivery_is_told_with_what_became_of_it(life: Life) -> None:
    told = {row["delivery_id"]: row for row in lineage_of_list(life.sources, life.user)["deliveries"]}
    assert set(told) == set(life.sources.lake.read("deliveries")["delivery_id"])
    assert told[life.replaced]["now"] == "replaced"
    assert told[life.replaced]["replaced_by"] == MENDED
    assert (told[life.replaced]["in"], told[LATE]["in"], told[LATE]["told_of"]) == (["training"], ["list"], ["events"])
    assert told[LATE]["validation_id"] == f"validation of {LATE}"
    catalogue = next(row for row in told.values() if row["object"] == "items.csv")
    assert (catalogue["in"], catalogue["told_of"], catalogue["now"]) == (["training", "list"], ["items"], "counts")


def test_what_cannot_be_answered_is_told(life: Life) -> None:
    with pytest.raises(LakeError, match="no delivery has ever named a user 'nobody'"):
        lineage_of_list(life.sources, "nobody")
    with pytest.raises(LakeError, match=r"had been published by 2024-03-01.*The first batch was published at 2024-03-02T00:00:00"):
        lineage_of_list(life.sources, life.user, at(0.5))
    with pytest.raises(LakeError, match=rf"user 'newcomer' has no list in batch '{life.first['batch_id']}'"):
        lineage_of_list(life.sources, "newcomer", at(2))
    assert lineage_of_list(life.sources, "newcomer")["history"]["events"] == 1


def test_a_silent_registry_leaves_what_the_lake_knows(life: Life, tmp_path: Path) -> None:
    """Its database is damaged."""
    (tmp_path / "mlflow.db").write_bytes(b"no database at all")
    broken = life.trained.material.settings.model_copy(update={"mlflow_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"})
    told = lineage_of_list(replace(life.sources, models=Models(lambda: Registry(broken))), life.user)
    mlflow.set_tracking_uri(life.trained.material.settings.tracking_uri)
    assert any("the registry does not answer" in one for one in told["missing"])
    assert told["model"]["snapshot"] == life.first["snapshot_id"], "its decision says so"
    assert told["list"]


@pytest.fixture
def spoilt(life: Life, tmp_path: Path) -> Life:
    """A copy of the lake alone."""
    home = tmp_path / "home"
    shutil.copytree(life.trained.material.settings.home, home)
    return replace(life, trained=opened(home, life.trained))


def test_a_version_that_is_gone_is_missing_and_the_rest_is_told(spoilt: Life) -> None:
    spoilt.trained.registry.client.delete_model_version(REGISTERED, "1")
    told = lineage_of_list(spoilt.sources, spoilt.user)
    assert told["missing"] == ["version 1 cannot be used any more: there is no version '1'"]
    assert told["model"]["snapshot"] == spoilt.first["snapshot_id"]
    assert told["model"]["decisions"][0]["verdict"] == "bootstrap"


def test_a_list_by_another_version_than_the_champion_says_so(spoilt: Life) -> None:
    trained = spoilt.trained
    shorter = trained.material.settings.model_copy(update={"list_length": 3})
    material = replace(trained.material, materialization=LATER, settings=shorter)
    second = logged(trained, "item_knn")
    first = trained.registry.version("1")
    move(material.snapshot.lake, trained.registry, second.version, "by hand", "a test", at(4))
    trained.registry.client.set_registered_model_alias(REGISTERED, "champion", first.version)  # what the batch is made with
    published(trained, material, spoilt.second["as_of"], at(5))
    told = lineage_of_list(spoilt.sources, spoilt.user)
    assert told["model"]["version"] == "1"
    assert told["model"]["instead_of"]["version"] == second.version
    assert len(told["list"]) == 3


def test_a_batch_published_again_is_the_one_that_was_shown(spoilt: Life) -> None:
    lake = spoilt.sources.lake
    row = lake.scan("batches").filter(pl.col("batch_id") == spoilt.second["batch_id"]).collect()
    other = row.with_columns(pl.lit("other").alias("batch_id"), pl.lit(at(4)).alias("published_at"))
    lake.append("batches", other)
    lake.append("batches", row.with_columns(pl.lit(at(6)).alias("published_at")))
    with pytest.raises(LakeError, match="has no list in batch 'other'"):
        lineage_of_list(spoilt.sources, spoilt.user, at(5))
    assert lineage_of_list(spoilt.sources, spoilt.user, at(3.5))["batch"]["published_at"] == at(3)
    assert lineage_of_list(spoilt.sources, spoilt.user)["batch"]["published_at"] == at(6)


def test_a_snapshot_whose_rows_are_gone_leaves_the_list(spoilt: Life) -> None:
    lake = spoilt.sources.lake
    ingest(lake, arrival("more", "more.csv", 9, bought((spoilt.user, "x", 500))))
    take_snapshot(lake, at(9))
    lake.compact("interactions", 1)
    lake.vacuum("interactions", [], retention_hours=0)
    told = lineage_of_list(spoilt.sources, spoilt.user, at(3) + timedelta(hours=1))
    assert any(f"the rows of snapshot '{spoilt.second['snapshot_id']}' are gone" in one for one in told["missing"])
    assert (told["history"], len(told["list"])) == (None, 6)
    assert LATE in told["snapshots"]["list"]["deliveries"]
