"""A challenger in the shadow: the same users, nothing published, and nothing that breaks goes live."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from models.base import Recipe
from outfitter.errors import ModelError
from outfitter.evaluation.training import Material
from outfitter.registry import records, shadow
from outfitter.registry.batches import Batch, lists_for, open_batch, publish, recommend_bucket
from outfitter.registry.contest import require_champion
from outfitter.registry.gate import Decision
from outfitter.registry.promotion import bootstrap, challenge, refresh
from outfitter.registry.settling import _make_version
from outfitter.registry.shadow import Shadow, shadow_run
from outfitter.registry.versions import CHALLENGER, Version
from tests.outfitter.lake.frames import NOW
from tests.outfitter.registry.conftest import Trained


@pytest.fixture
def versions(trained: Trained) -> tuple[Version, Version]:
    """The champion, a popularity model, and item_knn as a challenger."""
    contest = trained.contest()
    bootstrap(contest, trained.candidates)
    recipe = next(one.recipe for one in trained.candidates if one.recipe.model == "item_knn")
    return require_champion(trained.registry), _make_version(contest, recipe, "test")


def run(trained: Trained, versions: tuple[Version, Version], **settings: Any) -> Shadow:
    material = replace(trained.material, settings=trained.material.settings.model_copy(update=settings))
    return shadow_run(material, versions[1], versions[0], trained.windows.as_of, NOW)


def everybody(trained: Trained, version: Version) -> list[list[int]]:
    batch = open_batch(trained.material, version, trained.windows.as_of)
    return lists_for(batch, range(trained.material.snapshot.n_buckets)).sort("user_key")["items"].to_list()


def test_both_answer_the_same_users_and_nothing_is_published(trained: Trained, versions: tuple[Version, Version]) -> None:
    found = run(trained, versions)
    theirs, mine = (everybody(trained, version) for version in versions)
    shared = [len(set(one) & set(other)) / len(one) for one, other in zip(mine, theirs, strict=True)]
    assert found.users == len(mine) == 60
    assert found.overlap == pytest.approx(np.mean(shared))
    assert found.order is not None
    assert -1 < found.order < 1
    assert (found.challenger.model, found.challenger.version) == ("item_knn", "2")
    assert found.champion is not None
    assert found.challenger.coverage > found.champion.coverage
    assert found.broken == ""
    assert "60 users would keep" in found.line
    lake = trained.material.snapshot.lake
    assert lake.read("recommendations").is_empty()
    assert lake.read("batches").is_empty()


def test_a_version_beside_itself_is_the_same(trained: Trained, versions: tuple[Version, Version]) -> None:
    found = run(trained, (versions[1], versions[1]))
    assert (found.overlap, found.order, found.challenger) == (1, 1, found.champion)


def test_whole_buckets_are_scored_until_there_are_enough(trained: Trained, versions: tuple[Version, Version]) -> None:
    sizes = trained.material.snapshot.users().group_by("bucket").len().sort("bucket").collect()["len"].to_list()
    assert run(trained, versions, shadow_users=1).users == sizes[0]
    assert run(trained, versions, shadow_users=sizes[0] + 1).users == sizes[0] + sizes[1]


def test_lists_that_are_published_are_read_and_not_made_again(
    trained: Trained, versions: tuple[Version, Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(trained, versions, shadow_users=9_999)
    batch = open_batch(trained.material, versions[0], trained.windows.as_of)
    for bucket in range(trained.material.snapshot.n_buckets):
        recommend_bucket(batch, bucket)
    publish(batch, "validated", NOW)
    made: list[str] = []
    monkeypatch.setattr(shadow, "lists_for", lambda batch, buckets: made.append(batch.model.name) or lists_for(batch, buckets))
    assert run(trained, versions) == before
    assert made == ["item_knn"]


def test_what_was_compared_is_not_compared_again(
    trained: Trained, versions: tuple[Version, Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run(trained, versions)
    monkeypatch.setattr(shadow, "lists_for", lambda *_: pytest.fail("compared again"))
    assert run(trained, versions) == found


def test_a_champion_that_is_gone_is_left_out(trained: Trained, versions: tuple[Version, Version]) -> None:
    gone = replace(versions[0], path=trained.material.settings.home / "nowhere")
    found = run(trained, (gone, versions[1]))
    assert (found.champion, found.overlap, [rail.name for rail in found.guardrails]) == (None, None, ["valid lists"])
    with pytest.raises(ModelError):
        run(trained, (versions[0], gone))


def _spoilt(batch: Batch, buckets: Any) -> Any:
    """The challenger's first list names an item twice."""
    found = lists_for(batch, buckets)
    if batch.model.name != "item_knn":
        return found
    items = found["items"].to_list()
    items[0][1] = items[0][0]
    return found.with_columns(found["items"].__class__("items", items, dtype=found["items"].dtype))


def test_an_invalid_list_breaks_it(trained: Trained, versions: tuple[Version, Version], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "lists_for", _spoilt)
    assert "valid lists: " in run(trained, versions).broken


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"gate_min_overlap": 0.99}, "overlap tonight"),
        ({"gate_min_diversity": 9.0}, "diversity tonight"),
        ({"gate_min_coverage": 99.0}, "coverage tonight"),
    ],
)
def test_what_is_lost_beyond_its_limit_breaks_it(
    trained: Trained, versions: tuple[Version, Version], settings: dict[str, float], name: str
) -> None:
    assert run(trained, versions, **settings).broken.startswith(f"{name}: ")


def test_a_challenger_that_breaks_in_the_shadow_does_not_go_live(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(trained.contest(), trained.candidates)
    before = require_champion(trained.registry)
    better = Decision("promoted", "because a test says so", "item_knn", "popularity")
    monkeypatch.setattr("outfitter.registry.promotion.decide", lambda *_, **__: better)
    monkeypatch.setattr(shadow, "lists_for", _spoilt)
    decision, _ = challenge(trained.contest(), trained.candidates)
    assert decision.verdict == "guardrail"
    assert "in the shadow run, valid lists" in decision.reason
    assert require_champion(trained.registry) == before
    assert trained.registry.alias(CHALLENGER) == "2"
    waiting = trained.registry.version("2")
    assert waiting.tags["outfitter.verdict"] == "guardrail", "it is not what it was before the shadow run"
    told = trained.registry.run(waiting.run_id).data.tags
    assert (told["outfitter.verdict"], told["outfitter.reason"]) == ("guardrail", decision.reason)
    assert "valid lists" in told["outfitter.shadow"]
    for name in ("decision.json", "decision.html", "shadow.json"):
        assert trained.registry.read_text(waiting.run_id, name)
    assert records.read_decision(records.as_json(decision)) == decision


def test_who_goes_live_is_no_challenger_any_more(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(trained.contest(), trained.candidates)
    assert trained.registry.alias(CHALLENGER) is None
    better = Decision("promoted", "because a test says so", "item_knn", "popularity")
    monkeypatch.setattr("outfitter.registry.promotion.decide", lambda *_, **__: better)
    decision, _ = challenge(trained.contest(), trained.candidates)
    assert decision.shadow is not None
    assert decision.shadow.champion is not None
    assert trained.registry.alias(CHALLENGER) is None
    assert require_champion(trained.registry).version == decision.shadow.challenger.version == "2"


def test_who_waits_goes_on_waiting_when_the_champion_is_refreshed(trained: Trained) -> None:
    last_week = trained.windows.as_of - timedelta(days=7)
    early = replace(trained.contest("early"), exam=trained.exam(trained.windows.test_from, last_week))
    bootstrap(early, trained.candidates)
    decision, _ = challenge(trained.contest(), [one for one in trained.candidates if one.recipe.model == "item_knn"])
    assert (decision.verdict, trained.registry.alias(CHALLENGER)) == ("not enough evidence", "2")
    assert refresh(trained.contest()).verdict == "refreshed"
    assert (trained.registry.alias(), trained.registry.alias(CHALLENGER)) == ("3", "2")


def test_nothing_broken_is_ever_the_first_in_production(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(material: Material, challenger: Version, *_: Any) -> Shadow:
        found = shadow_run(material, challenger, None, trained.windows.as_of, NOW)
        return replace(found, guardrails=(replace(found.guardrails[0], holds=False, finding="because a test says so"),))

    monkeypatch.setattr("outfitter.registry.settling.shadow_run", broken)
    with pytest.raises(ModelError, match="cannot be the first in production: valid lists: because a test says so"):
        bootstrap(trained.contest(), trained.candidates)
    assert trained.registry.champion() is None


def test_a_record_gives_the_same_back(trained: Trained, versions: tuple[Version, Version]) -> None:
    found = run(trained, versions)
    assert Shadow.of(asdict(found)) == found
    assert Recipe(found.challenger.model) == Recipe("item_knn")
