"""A version fitted again from what its run has recorded scores the same, whatever has been delivered since; or it is told why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from models.base import Recipe
from models.families import build
from outfitter.errors import LakeError, ModelError
from outfitter.evaluation.exam import set_exam, sit
from outfitter.evaluation.training import training_data
from outfitter.lake.snapshot import Snapshot, take_snapshot
from outfitter.registry.candidates import train_candidate
from outfitter.registry.contest import recipe_of, require_champion
from outfitter.registry.promotion import bootstrap
from outfitter.registry.reproduction import Reproduction, means, reproduce
from outfitter.registry.versions import Version
from tests.outfitter.lake.frames import NOW, arrival, at, bought, ingest
from tests.outfitter.registry.conftest import Trained

NETWORK = Recipe("sasrec", (("dim", 8), ("epochs", 2), ("layers", 1), ("length", 10), ("seed", 7)))


def again(trained: Trained, version: Version, **changed: Any) -> Reproduction:
    settings = trained.material.settings.model_copy(update=changed)
    return reproduce(trained.material.snapshot.lake, trained.material.features, trained.registry, settings, version.version)


def delivered_since(trained: Trained) -> Snapshot:
    """Everybody buys three items more, in the middle of what the models learnt from; a file of theirs is corrected to one row."""
    lake, before = trained.material.snapshot.lake, (trained.windows.validation_from - at(0)).days - 3
    users = lake.scan("users").filter(pl.col("delivery_id").is_null()).collect()["user_id"].sort().to_list()
    items = lake.scan("items").filter(pl.col("delivery_id").is_null()).collect()["item_id"].sort().to_list()
    rows = [(user, item, before + number / 10) for user in users for number, item in enumerate(items[:3])]
    ledger = lake.read("deliveries").filter(pl.col("role") == "interactions").sort("first_event", nulls_last=True)
    ingest(
        lake,
        arrival("late", "late.csv", 9, bought(*rows, (users[0], items[0], before + 90))),
        arrival("mended", ledger["object"][0], 9, bought((users[0], items[0], before))),
    )
    return take_snapshot(lake, at(1))


@pytest.fixture
def live(trained: Trained) -> Version:
    bootstrap(trained.contest(), trained.candidates)
    return require_champion(trained.registry)


def registered(trained: Trained, recipe: Recipe) -> Version:
    """A recipe fitted as a candidate and registered."""
    exam = trained.exam(trained.windows.validation_from, trained.windows.test_from)
    candidate = train_candidate(recipe, trained.material, exam, trained.registry, NOW, lambda: 0.0)
    return trained.registry.register(candidate.run_id, {})


def on_newer(trained: Trained, done: Reproduction, newest: Snapshot) -> dict[str, float]:
    """What the same recipe scores in the same window on a newer snapshot."""
    material = replace(done.material, snapshot=newest)
    data = training_data(material, done.asked, with_rows=False)
    rows = material.rows("user_features", done.asked)
    exam = set_exam(newest, material.settings, done.asked, done.until, rows)
    return means(sit(exam, build(recipe_of(done.version)).fit(data)), material.settings.list_length)


def test_later_deliveries_change_nothing(trained: Trained, live: Version) -> None:
    """Of what went live the metrics are those of its recipe on the test window."""
    newest = delivered_since(trained)
    done = again(trained, live)
    assert dict(done.reproduced) == dict(done.recorded)
    assert (done.asked, done.until) == (trained.windows.test_from, trained.windows.as_of)
    assert done.material.snapshot.id == trained.material.snapshot.id != newest.id
    assert on_newer(trained, done, newest) != done.recorded, "the newest snapshot would have told otherwise"
    assert done.told()["same"]
    done.require_same()


def test_a_network_with_its_seed_comes_out_the_same(trained: Trained) -> None:
    version = registered(trained, NETWORK)
    newest, left = delivered_since(trained), set(trained.material.settings.checkpoints.rglob("*"))
    done = again(trained, version)
    assert set(trained.material.settings.checkpoints.rglob("*")) == left, "it goes on from nothing and leaves nothing"
    assert dict(done.reproduced) == dict(done.recorded)
    assert set(done.recorded) == {f"{name}_at_6" for name in ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")} | {
        "coverage",
        "users",
    }
    assert on_newer(trained, done, newest) != done.recorded


def test_it_is_measured_with_the_settings_of_then(trained: Trained, live: Version) -> None:
    done = again(trained, live, list_length=3, sellable_days=1, repeat_purchases=True, seed=5)
    assert "ndcg_at_6" in done.recorded
    assert dict(done.reproduced) == dict(done.recorded)


def test_what_differs_is_told(trained: Trained, live: Version) -> None:
    was = trained.registry.run(live.run_id).data.metrics["recall_at_6"]
    trained.registry.client.log_metric(live.run_id, "recall_at_6", was + 1e-9)
    done = again(trained, live)
    assert done.differing == ["recall_at_6"]
    with pytest.raises(ModelError, match=rf"version {live.version} does not come out the same again: recall_at_6 was [\d.]+ and is"):
        done.require_same()
    trained.registry.client.log_metric(live.run_id, "recall_at_6", was + 1e-14)
    again(trained, live).require_same()


def test_a_run_that_does_not_say_enough_is_refused(trained: Trained, live: Version) -> None:
    for tag in ("outfitter.asked", "outfitter.settings"):
        trained.registry.client.delete_tag(live.run_id, tag)
    with pytest.raises(ModelError, match=r"its run does not say with which asked, settings\. It was made before"):
        again(trained, live)


def test_a_snapshot_whose_rows_are_gone_is_told(trained: Trained, live: Version) -> None:
    delivered_since(trained)
    lake = trained.material.snapshot.lake
    lake.compact("interactions", 1)
    lake.vacuum("interactions", [], retention_hours=0)
    with pytest.raises(LakeError, match=rf"the rows of snapshot '{trained.material.snapshot.id}' are gone"):
        again(trained, live)


def test_feature_rows_that_are_gone_are_told(trained: Trained, live: Version) -> None:
    trained.registry.client.set_tag(live.run_id, "outfitter.materialization", "cleared")
    with pytest.raises(ModelError, match="the feature rows 'cleared' of version 1 are gone"):
        again(trained, live)


def test_an_unknown_version_is_told(trained: Trained, live: Version) -> None:
    with pytest.raises(ModelError, match="there is no version '7'"):
        again(trained, replace(live, version="7"))
