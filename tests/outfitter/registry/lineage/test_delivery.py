"""From a delivery to all that it touched, also when it does not count any more."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from outfitter.errors import LakeError
from outfitter.lake.release import find
from outfitter.registry.lineage.delivery import learnt, lineage_of_delivery
from outfitter.registry.lineage.runs import Fitted, Models
from outfitter.registry.versions import REGISTERED
from tests.outfitter.lake.frames import arrival, bought, ingest
from tests.outfitter.registry.conftest import MADE, opened
from tests.outfitter.registry.lineage.conftest import LATE, LATER, MENDED, Life


def test_a_replaced_delivery_tells_what_it_touched_before(life: Life) -> None:
    told = lineage_of_delivery(life.sources, life.replaced)
    assert told["delivery"]["now"] == "replaced"
    assert told["delivery"]["said"].startswith(f"it was replaced by {MENDED[:8]}")
    assert [one["snapshot_id"] for one in told["snapshots"]] == [life.first["snapshot_id"]]
    assert [one["id"] for one in told["features"]] == [MADE]
    assert [one["verdict"] for one in told["decisions"]] == ["bootstrap"]
    by = {one["batch_id"]: one["by"] for one in told["batches"]}
    assert by == {life.first["batch_id"]: ["snapshot", "model"], life.second["batch_id"]: ["model"]}
    assert told["missing"] == []


def test_every_model_fitted_from_its_snapshots_is_told_candidates_too(life: Life) -> None:
    models = lineage_of_delivery(life.sources, life.replaced)["models"]
    assert {one["run_id"] for one in models if one["role"] == "candidate"} == {one.run_id for one in life.trained.candidates}
    (live,) = (one for one in models if one["role"] == "production")
    assert (live["version"], live["learnt_from_it"]) == ("1", True)
    assert all(one["version"] is None for one in models if one is not live)


def test_a_model_that_learnt_until_before_its_events_did_not_learn_from_it(life: Life) -> None:
    late, catalogue = life.sources.ledger.told(LATE), {"first_event": None}
    run = Fitted("r", "als", "candidate", "s", "m", life.trained.windows.as_of.isoformat(), None)
    assert learnt(run, late) is False
    assert learnt(replace(run, fit_until=life.second["as_of"].isoformat()), late) is True
    assert learnt(run, catalogue) is True
    assert learnt(replace(run, fit_until=None), late) is None


def test_a_late_delivery_touched_what_came_after_it(life: Life) -> None:
    told = lineage_of_delivery(life.sources, LATE)
    assert told["delivery"]["said"] == "it counts: its rows are in the newest data"
    assert [one["id"] for one in told["features"]] == [LATER]
    assert (told["models"], told["decisions"]) == ([], [])
    assert {one["batch_id"]: one["by"] for one in told["batches"]} == {life.second["batch_id"]: ["snapshot"]}


def test_it_is_found_by_the_beginning_of_its_id(life: Life) -> None:
    assert lineage_of_delivery(life.sources, LATE[:-1])["delivery"]["delivery_id"] == LATE
    with pytest.raises(LakeError, match=rf"2 deliveries begin with 'f00d': .*{LATE} \(late<b>.csv\)"):
        lineage_of_delivery(life.sources, "f00d")
    with pytest.raises(LakeError, match="knows no delivery or object 'nothing'"):
        lineage_of_delivery(life.sources, "nothing")


@pytest.fixture
def spoilt(life: Life, tmp_path: Path) -> Life:
    shutil.copytree(life.trained.material.settings.home, tmp_path / "home")
    return replace(life, trained=opened(tmp_path / "home", life.trained))


def test_what_never_counted_touched_nothing(spoilt: Life) -> None:
    lake = spoilt.sources.lake
    rows = bought(("someone", "thing", 0))
    ingest(lake, arrival("b00", "no.csv", 9, rows, stopped="all prices are negative"))
    ingest(lake, arrival("b11", "wait.csv", 9, rows, stopped="four times the volume", status="held"))
    rejected, held = (lineage_of_delivery(spoilt.sources, one) for one in ("b00", "b11"))
    assert rejected["delivery"]["said"] == "it was rejected and touched nothing: all prices are negative"
    assert held["delivery"]["said"] == "it is held until a person releases it and touched nothing: four times the volume"
    assert [rejected[name] for name in ("snapshots", "features", "models", "decisions", "batches")] == [[]] * 5


def test_a_withdrawn_delivery_says_so(spoilt: Life) -> None:
    lake = spoilt.sources.lake
    row = lake.read("deliveries").filter(pl.col("delivery_id") == LATE)
    lake.append("deliveries", row.with_columns(status=pl.lit("withdrawn"), generation=pl.lit(1)))
    told = lineage_of_delivery(spoilt.sources, LATE)
    assert told["delivery"]["said"] == "it was withdrawn; what follows it touched before"
    assert [one["status"] for one in told["delivery"]["history"]] == ["accepted", "withdrawn"]
    assert find(lake, LATE)["status"] == "withdrawn"
    assert len(told["batches"]) == 1


def test_a_version_that_is_gone_still_touched_its_batches(spoilt: Life) -> None:
    spoilt.trained.registry.client.delete_model_version(REGISTERED, "1")
    told = lineage_of_delivery(spoilt.sources, spoilt.replaced)
    assert told["missing"] == ["version 1 is gone from the registry"]
    assert {one["batch_id"]: one["by"] for one in told["batches"]}[spoilt.second["batch_id"]] == ["model"]


def test_before_anything_was_trained_there_is_no_registry_to_ask(life: Life) -> None:
    told = lineage_of_delivery(replace(life.sources, models=Models(lambda: None)), LATE)
    assert (told["models"], told["missing"]) == ([], [])
