"""From candidates to what is in production: carried out once, whenever the process was killed, and never by a worse model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
from models.base import Recipe
from models.topk import TopK
from outfitter.errors import ModelError, OvertakenError
from outfitter.evaluation.bootstrap import Interval
from outfitter.registry import contest as contests
from outfitter.registry import promotion, records, settling
from outfitter.registry.candidates import Candidate
from outfitter.registry.contest import Contest, recipe_of, require_champion
from outfitter.registry.gate import Comparison, Decision
from outfitter.registry.guardrails import segments
from outfitter.registry.overview import overview
from outfitter.registry.production import settle
from outfitter.registry.promotion import bootstrap, challenge, refresh
from outfitter.registry.standing import best
from outfitter.registry.versions import CHALLENGER, CHAMPION, REGISTERED, Registry
from tests.outfitter.lake.frames import NOW
from tests.outfitter.registry.conftest import Trained, opened

PROMOTED = Decision("promoted", "because a test says so", "item_knn", "recent_popularity")


class KilledError(BaseException):
    """Nothing may catch this, as nothing catches ``kill -9``."""


def versions(trained: Trained) -> int:
    return len(trained.registry.client.search_model_versions(f"name = '{REGISTERED}'"))


def rows(trained: Trained) -> list[tuple[Any, ...]]:
    table = trained.material.snapshot.lake.read("promotions").sort("sequence")
    return table.select("verdict", "challenger", "champion", "version").rows()


def candidate(model: str, ndcg: float) -> Candidate:
    return Candidate(Recipe(model), "run", {"ndcg": Interval(ndcg, 0, 1)}, 0.5, 10, 1.0)


def test_the_best_is_the_one_that_ranks_best() -> None:
    field = [candidate("als", 0.2), candidate("popularity", 0.3), candidate("item_knn", 0.3), candidate("two_tower", 0.1)]
    assert best(field).recipe.model == "popularity"
    assert best(field, ["als", "two_tower"]).recipe.model == "als"


def test_segments_share_everyone_out(trained: Trained) -> None:
    exam = trained.contest().exam
    masks = segments(exam)
    assert sum(mask.astype(int) for mask in masks.values()).tolist() == [1] * len(exam.users)  # type: ignore[union-attr]
    assert [mask.tolist() for mask in masks.values()] == [
        (exam.activity == 0).tolist(),
        ((exam.activity >= 1) & (exam.activity <= 4)).tolist(),
        (exam.activity >= 5).tolist(),
    ]


def test_with_nothing_in_production_popularity_goes_live(trained: Trained) -> None:
    with pytest.raises(ModelError, match=r"no champion.*outfitter train"):
        require_champion(trained.registry)
    decision = bootstrap(trained.contest(), trained.candidates)
    champion = require_champion(trained.registry)
    assert (decision.verdict, decision.goes_live) == ("bootstrap", True)
    assert rows(trained) == [("bootstrap", decision.challenger, None, champion.version)]
    assert decision.challenger == best(trained.candidates, ("popularity", "recent_popularity")).recipe.model
    assert champion.tags["outfitter.verdict"] == "bootstrap"
    assert champion.tags["outfitter.snapshot"] == trained.material.snapshot.id


def test_what_goes_live_was_fitted_through_the_newest_event(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    live = models.load(require_champion(trained.registry).path)
    assert datetime.fromisoformat(live.fit_until) == trained.material.snapshot.as_of
    validation = trained.registry.run(trained.candidates[0].run_id).data.tags["outfitter.fit_until"]
    assert datetime.fromisoformat(validation) == trained.windows.validation_from


def test_the_same_decision_is_carried_out_once(trained: Trained) -> None:
    first = bootstrap(trained.contest(), trained.candidates)
    again = opened(trained.material.settings.home, trained)
    assert bootstrap(again.contest(), again.candidates) == first
    assert (len(rows(again)), versions(again)) == (1, 1)


def _die(*_: Any, **__: Any) -> Any:
    raise KilledError


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Registry, "log"),
        (Registry, "register"),
        (settling, "shadow_run"),
        (settling, "write_down"),
        (Registry, "promote"),
    ],
)
def test_a_killed_run_is_finished_once(trained: Trained, monkeypatch: pytest.MonkeyPatch, target: Any, name: str) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(target, name, _die)
        with pytest.raises(KilledError):
            bootstrap(trained.contest(), trained.candidates)
    assert trained.registry.champion() is None
    again = opened(trained.material.settings.home, trained)
    settle(again.material.snapshot.lake, again.registry, NOW)
    decision = bootstrap(again.contest(), again.candidates)
    assert (len(rows(again)), versions(again)) == (1, 1)
    assert recipe_of(require_champion(again.registry)).model == decision.challenger


def test_a_decision_that_was_written_down_is_not_judged_again(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(trained.contest(), trained.candidates)
    first, results = challenge(trained.contest(), trained.candidates)
    assert set(results) == {"champion", "item_knn"}
    monkeypatch.setattr(promotion, "decide", lambda *_, **__: pytest.fail("judged again"))
    assert challenge(trained.contest(), trained.candidates) == (first, {})


def test_a_challenger_without_evidence_changes_nothing(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    before = require_champion(trained.registry)
    decision, results = challenge(trained.contest(), trained.candidates)
    assert decision.verdict == "not enough evidence"
    was = recipe_of(before).model
    assert (decision.challenger, decision.champion) == ("item_knn", was)
    assert require_champion(trained.registry) == before
    waiting = trained.registry.version(str(trained.registry.alias(CHALLENGER)))
    assert (recipe_of(waiting).model, waiting.version, versions(trained)) == ("item_knn", "2", 2)
    roles = [
        (one["in_production"], one["challenger"], one["verdict"]) for one in overview(trained.material.snapshot.lake, trained.registry)
    ]
    assert roles == [(False, True, "not enough evidence"), (True, False, "bootstrap")]
    assert rows(trained) == [("bootstrap", was, None, before.version), ("not enough evidence", "item_knn", was, None)]
    assert results["item_knn"].recipe.model == "item_knn"


def _promoting(monkeypatch: pytest.MonkeyPatch, decision: Decision = PROMOTED) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def decide(challenger: Any, champion: Any, baselines: Any, masks: Any, settings: Any, refresh: bool) -> Decision:
        calls.append({"challenger": challenger, "champion": champion, "baselines": baselines, "refresh": refresh})
        return decision

    monkeypatch.setattr(promotion, "decide", decide)
    return calls


def test_a_better_challenger_takes_the_champions_place(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(trained.contest(), trained.candidates)
    calls = _promoting(monkeypatch)
    challenge(trained.contest(), trained.candidates)
    champion = require_champion(trained.registry)
    assert recipe_of(champion).model == "item_knn"
    assert rows(trained)[-1] == ("promoted", "item_knn", "recent_popularity", champion.version)
    (call,) = calls
    assert not call["refresh"]
    assert call["baselines"] == [], "the best baseline is the champion"
    bootstrap(trained.contest(), trained.candidates)
    assert require_champion(trained.registry) == champion, "a rerun must not bring the first champion back"


def test_a_champion_that_learnt_later_sits_the_exam_as_it_was_then(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is live has seen the test window; its recipe, fitted up to the exam, has not."""
    bootstrap(trained.contest(), trained.candidates)
    contest = trained.contest()
    sat: list[str] = []
    real = promotion.sit
    monkeypatch.setattr(promotion, "sit", lambda exam, model: sat.append(model.fit_until) or real(exam, model))
    challenge(contest, trained.candidates)
    assert {datetime.fromisoformat(one) for one in sat} == {trained.windows.test_from}
    assert len(sat) == 2


def test_a_champion_that_learnt_before_the_exam_sits_it_itself(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    early = replace(trained.contest("early"), exam=trained.exam(trained.windows.validation_from, trained.windows.test_from))
    bootstrap(early, trained.candidates)
    contest = trained.contest()
    fitted: list[str] = []
    monkeypatch.setattr(contests, "fit", lambda recipe, *_: fitted.append(recipe.model) or pytest.fail("the champion was fitted again"))
    model = contests.as_it_was_then(contest, require_champion(trained.registry))
    assert datetime.fromisoformat(model.fit_until) == contest.exam.asked
    assert fitted == []


def _before_the_exam(trained: Trained) -> Contest:
    """A contest a window ago: who wins it has learnt until the moment at which the next exam asks."""
    return replace(trained.contest("early"), exam=trained.exam(trained.windows.validation_from, trained.windows.test_from))


def _popular(trained: Trained) -> list[Any]:
    return [one for one in trained.candidates if one.recipe.model != "item_knn"]


def test_a_champion_of_the_same_recipe_is_met_as_a_refresh(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(_before_the_exam(trained), trained.candidates)
    calls = _promoting(monkeypatch, Decision("not better", "no", "recent_popularity", "recent_popularity"))
    challenge(trained.contest(), _popular(trained))
    assert calls[0]["refresh"]
    assert calls[0]["baselines"] == []


def test_a_champion_that_is_up_to_date_is_not_challenged_by_itself(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(trained.contest(), trained.candidates)
    calls = _promoting(monkeypatch, Decision("not better", "no", "popularity", "recent_popularity"))
    challenge(trained.contest(), _popular(trained))
    assert (calls[0]["challenger"].recipe.model, calls[0]["champion"].recipe.model) == ("popularity", "recent_popularity")
    assert not calls[0]["refresh"]


def test_what_cannot_be_compared_with_itself_is_refreshed_and_says_so(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the exam the champion and its refresh are one model, however few users there are."""
    bootstrap(_later(trained, "last week"), trained.candidates)
    monkeypatch.setattr(promotion, "decide", lambda *_, **__: pytest.fail("there is nothing to compare"))
    decision, _ = challenge(trained.contest("this week"), _popular(trained))
    assert decision.verdict == "refreshed"
    assert "cannot be compared" in decision.reason
    live = models.load(require_champion(trained.registry).path)
    assert datetime.fromisoformat(live.fit_until) == trained.windows.as_of


def test_a_run_as_of_the_past_changes_nothing_that_is_live(trained: Trained) -> None:
    contests.refuse_the_past(trained.registry, trained.windows.test_from)  # nothing is live yet
    bootstrap(trained.contest(), trained.candidates)
    contests.refuse_the_past(trained.registry, trained.windows.as_of)
    with pytest.raises(ModelError, match=r"has learnt until .*a home of its own"):
        contests.refuse_the_past(trained.registry, trained.windows.test_from)


def test_a_champion_whose_files_are_gone_is_an_error_and_not_an_empty_registry(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    shutil.rmtree(require_champion(trained.registry).path.parents[1])
    with pytest.raises(ModelError, match=r"the artifact of version 1 cannot be found.*if the home was moved"):
        trained.registry.champion()


def _later(trained: Trained, fingerprint: str) -> Contest:
    """A contest as of a week before the newest event, and then one as of the event: as if data had come in between."""
    until = trained.windows.as_of - timedelta(days=7)
    exam = trained.exam(trained.windows.test_from, until)
    return Contest(trained.material, exam, trained.registry, fingerprint, until)


def test_popularity_is_simply_brought_up_to_date(trained: Trained) -> None:
    bootstrap(_later(trained, "last week"), trained.candidates)
    before = models.load(require_champion(trained.registry).path)
    decision = refresh(trained.contest("this week"))
    after = models.load(require_champion(trained.registry).path)
    assert decision.verdict == "refreshed"
    assert after.fit_until > before.fit_until
    assert after.name == before.name
    assert versions(trained) == 2


def test_another_models_refresh_must_pass_the_gate(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(_before_the_exam(trained), trained.candidates)
    with monkeypatch.context() as patched:
        _promoting(patched)
        challenge(_before_the_exam(trained), trained.candidates)
        calls = _promoting(patched, Decision("not better", "worse", "item_knn", "item_knn"))
        refresh(trained.contest("this week"))
        assert calls[0]["refresh"]
        assert versions(trained) == 2
        _promoting(patched, Decision("refreshed", "as good", "item_knn", "item_knn"))
        refresh(trained.contest("next week"))
    live = models.load(require_champion(trained.registry).path)
    assert (live.name, datetime.fromisoformat(live.fit_until)) == ("item_knn", trained.windows.as_of)


def _too_short(top: TopK) -> TopK:
    items = top.items.copy()
    items[0, -1] = -1
    return TopK(items, top.scores)


def _not_a_number(top: TopK) -> TopK:
    scores = top.scores.copy()
    scores[0, 0] = np.nan
    return TopK(top.items, scores)


@pytest.mark.parametrize("spoil", [_too_short, _not_a_number])
def test_a_refit_that_cannot_answer_never_goes_live(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[TopK], TopK]
) -> None:
    contest = trained.contest()
    chosen = best(trained.candidates, ("popularity", "recent_popularity")).recipe
    refit = contest.fit(chosen, contest.exam.until)
    real = refit.recommend
    monkeypatch.setattr(refit, "recommend", lambda *args, **kwargs: spoil(real(*args, **kwargs)))
    with pytest.raises(ModelError, match="does not give 6 items with finite scores to every user"):
        bootstrap(contest, trained.candidates)
    assert trained.registry.champion() is None
    assert rows(trained) == []


def test_a_record_takes_numbers_and_nothing_else(tmp_path: Path) -> None:
    assert records._plain(np.float32(0.5)) == 0.5
    with pytest.raises(TypeError, match="PosixPath has no place in a decision record"):
        records._plain(tmp_path)


def test_where_nothing_but_the_champion_was_fitted_nobody_stands(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    alone = [one for one in trained.candidates if one.recipe == recipe_of(require_champion(trained.registry))]
    decision, _ = challenge(trained.contest(), alone)
    assert (decision.verdict, decision.others) == ("not better", ())
    assert "nothing but recent_popularity was fitted" in decision.reason


def test_who_is_put_into_production_meanwhile_is_met_instead(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person puts another version live while the gate compares: that is written down, and the challenger must beat it."""
    contest = trained.contest()
    bootstrap(contest, trained.candidates)
    other = next(one for one in trained.candidates if one.recipe.model == "popularity")
    second = trained.registry.register(other.run_id, {})
    met: list[str] = []

    def decide(challenger: Any, champion: Any, *_: Any, **__: Any) -> Decision:
        if not met:
            trained.registry.client.set_registered_model_alias(REGISTERED, CHAMPION, second.version)
        met.append(champion.recipe.model)
        return PROMOTED

    monkeypatch.setattr(promotion, "decide", decide)
    decision, _ = challenge(contest, trained.candidates)
    assert decision.verdict == "promoted"
    assert met == ["recent_popularity", "popularity"]
    assert [row[0] for row in rows(trained)] == ["bootstrap", "moved outside", "promoted"]
    assert recipe_of(require_champion(trained.registry)) == best(trained.candidates).recipe


def test_a_champion_that_never_rests_is_an_error(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(trained.contest(), trained.candidates)
    places = [trained.registry.register(one.run_id, {}).version for one in trained.candidates]

    def decide(*_: Any, **__: Any) -> Decision:
        trained.registry.client.set_registered_model_alias(REGISTERED, CHAMPION, places.pop())
        return PROMOTED

    monkeypatch.setattr(promotion, "decide", decide)
    with pytest.raises(OvertakenError, match="the champion changed 3 times while it was challenged"):
        challenge(trained.contest(), trained.candidates)
    assert [row[0] for row in rows(trained)] == ["bootstrap", *["moved outside"] * 3]


def test_a_champion_beaten_by_who_does_not_go_live_is_challenged_by_a_simpler_model(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """item_knn is better than the champion, and not than a baseline: popularity stands, and goes live."""
    last = trained.contest("last week")
    bootstrap(last, [one for one in trained.candidates if one.recipe.model == "recent_popularity"])
    shown = Comparison("recent_popularity", 0.1, Interval(0.1, 0.05, 0.2), 0.001)
    kept_out = replace(PROMOTED, verdict="not better", comparisons=(shown,))
    verdicts = {"item_knn": kept_out, "popularity": replace(PROMOTED, challenger="popularity")}
    monkeypatch.setattr(promotion, "decide", lambda challenger, *_, **__: verdicts[challenger.recipe.model])
    decision, results = challenge(trained.contest(), trained.candidates)
    assert (decision.verdict, decision.challenger) == ("promoted", "popularity")
    assert [(one.verdict, one.challenger) for one in decision.others] == [("not better", "item_knn")]
    assert set(results) == {"champion", "item_knn", "popularity"}
    assert recipe_of(require_champion(trained.registry)).model == "popularity"
    assert records.read_decision(records.as_json(decision)) == decision
