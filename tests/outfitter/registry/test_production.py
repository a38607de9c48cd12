"""What is in production has its row, whoever put it there and whenever the process was killed."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from outfitter.errors import ModelError, OvertakenError
from outfitter.registry import production
from outfitter.registry.contest import require_champion
from outfitter.registry.production import Move, before_last, fall_back, history, move, settle
from outfitter.registry.promotion import bootstrap
from outfitter.registry.versions import CHAMPION, REGISTERED, Registry, Version
from tests.outfitter.lake.frames import NOW
from tests.outfitter.registry.conftest import Trained, opened
from tests.outfitter.registry.test_versions import logged


class KilledError(BaseException):
    """Nothing may catch this, as nothing catches ``kill -9``."""


def _die(*_: Any, **__: Any) -> None:
    raise KilledError


def lake(trained: Trained) -> Any:
    return trained.material.snapshot.lake


def told(trained: Trained) -> list[tuple[str, str]]:
    return [(one.verdict, one.version) for one in history(lake(trained))]


def live(trained: Trained) -> str:
    return require_champion(trained.registry).version


def moved(trained: Trained, version: Version, verdict: Any = "by hand", reason: str = "because") -> None:
    move(lake(trained), trained.registry, version.version, verdict, reason, NOW)


def test_before_the_first_there_is_nothing_to_settle(trained: Trained) -> None:
    assert settle(lake(trained), trained.registry, NOW) is None
    assert history(lake(trained)) == []
    with pytest.raises(ModelError, match=r"no earlier version.*models list"):
        before_last(lake(trained))


def test_a_version_can_be_put_into_production_by_hand_and_taken_back(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    first, second = live(trained), logged(trained, "item_knn")
    moved(trained, second, reason="the buyers like it")
    assert live(trained) == second.version
    assert told(trained) == [("bootstrap", first), ("by hand", second.version)]
    assert before_last(lake(trained)) == first
    moved(trained, trained.registry.version(first), "rolled back", "they do not")
    assert live(trained) == first
    assert told(trained)[-1] == ("rolled back", first)
    assert before_last(lake(trained)) == second.version
    assert settle(lake(trained), trained.registry, NOW).version == first  # type: ignore[union-attr]
    assert len(told(trained)) == 3


def test_an_alias_moved_in_mlflow_gets_its_row_once(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    first, second = live(trained), logged(trained, "item_knn")
    MlflowClient(trained.material.settings.tracking_uri).set_registered_model_alias(REGISTERED, CHAMPION, second.version)
    for _ in range(2):
        found = settle(lake(trained), trained.registry, NOW + timedelta(hours=1))
        assert found is not None
        assert (found.verdict, found.version) == ("moved outside", second.version)
        assert f"from version {first} without Outfitter" in found.reason
    assert told(trained) == [("bootstrap", first), ("moved outside", second.version)]
    assert live(trained) == second.version


def test_an_alias_that_was_there_first_gets_its_row(trained: Trained) -> None:
    version = logged(trained, "popularity")
    trained.registry.client.set_registered_model_alias(REGISTERED, CHAMPION, version.version)
    settle(lake(trained), trained.registry, NOW)
    assert told(trained) == [("moved outside", version.version)]


@pytest.mark.parametrize("killed_in", ["set_registered_model_alias", "set_registered_model_tag"])
def test_what_a_killed_process_decided_is_carried_out_by_the_next(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    """Between the row and the alias, and between the alias and the tag that says so."""
    bootstrap(trained.contest(), trained.candidates)
    second = logged(trained, "item_knn")
    with monkeypatch.context() as patched:
        patched.setattr(trained.registry.client, killed_in, _die)
        with pytest.raises(KilledError):
            moved(trained, second)
    again = opened(trained.material.settings.home, trained)
    for _ in range(2):
        settle(lake(again), again.registry, NOW)
        assert live(again) == second.version
    assert [verdict for verdict, _ in told(again)] == ["bootstrap", "by hand"]


def test_a_decision_that_changed_nothing_is_no_move(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from outfitter.registry.promotion import challenge

    bootstrap(trained.contest(), trained.candidates)
    challenge(trained.contest(), trained.candidates)
    assert [verdict for verdict, _ in told(trained)] == ["bootstrap"]
    assert settle(lake(trained), trained.registry, NOW).verdict == "bootstrap"  # type: ignore[union-attr]


def test_a_version_that_is_none_is_told(trained: Trained) -> None:
    for number in ("7", "newest"):
        with pytest.raises(ModelError, match=f"there is no version '{number}'"):
            trained.registry.version(number)
    one = logged(trained, "popularity")
    assert trained.registry.version(one.version) == one
    assert [str(found.version) for found in Registry(trained.material.settings).all_versions()] == [one.version]


def at_once(trained: Trained, monkeypatch: pytest.MonkeyPatch, *versions: Version) -> list[Move | OvertakenError]:
    """What becomes of moves by people with a lake and a registry of their own and no lock, who have all looked before one has written."""
    each, looked, real = [opened(trained.material.settings.home, trained) for _ in versions], Barrier(len(versions)), production.write_down

    def write_down(*args: Any) -> None:
        looked.wait(30)
        real(*args)

    def go(mover: Trained, version: Version) -> Move | OvertakenError:
        try:
            return move(lake(mover), mover.registry, version.version, "by hand", f"version {version.version} is better", NOW)
        except OvertakenError as error:
            return error

    with monkeypatch.context() as patched, ThreadPoolExecutor(len(versions)) as pool:
        patched.setattr(production, "write_down", write_down)
        return list(pool.map(go, each, versions))


def test_of_two_moves_at_once_one_wins_and_the_other_is_told(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(trained.contest(), trained.candidates)
    versions = [logged(trained, "item_knn"), logged(trained, "popularity")]
    for attempt in range(1, 4):
        ended = at_once(trained, monkeypatch, *versions)
        (won,) = [one for one in ended if isinstance(one, Move)]
        (error,) = [one for one in ended if isinstance(one, OvertakenError)]
        assert f"meanwhile version {won.version} was (by hand: version {won.version} is better)" in error.message
        assert lake(trained).read("promotions").sort("sequence")["sequence"].to_list() == list(range(1 + attempt))
        assert history(lake(trained))[-1] == won
        assert (live(trained), trained.registry.carried_out()) == (won.version, won.decision_id)
        assert settle(lake(trained), trained.registry, NOW) == won


def test_a_move_between_the_row_of_another_and_its_alias_is_refused(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap(trained.contest(), trained.candidates)
    one, other = logged(trained, "item_knn"), logged(trained, "popularity")

    def meanwhile(*_: Any) -> None:
        again = opened(trained.material.settings.home, trained)
        with pytest.raises(OvertakenError, match=rf"a move is under way: meanwhile version {one.version} was \(by hand: because\)"):
            move(lake(again), again.registry, other.version, "by hand", "at the wrong moment", NOW)

    with monkeypatch.context() as patched:
        patched.setattr(trained.registry, "promote", meanwhile)
        moved(trained, one)
    settle(lake(trained), trained.registry, NOW)
    assert live(trained) == one.version
    assert told(trained)[1:] == [("by hand", one.version)]


def test_an_alias_that_was_deleted_is_set_again(trained: Trained) -> None:
    """Else the next training would find nothing in production, and begin with popularity."""
    lake, registry = trained.material.snapshot.lake, trained.registry
    bootstrap(trained.contest(), trained.candidates)
    registry.client.delete_registered_model_alias(REGISTERED, CHAMPION)
    assert settle(lake, registry, NOW) == history(lake)[-1]
    assert (registry.alias(), len(history(lake))) == ("1", 1)


def test_a_champion_whose_files_are_gone_makes_room_for_the_last_that_is_whole(trained: Trained) -> None:
    lake, registry = trained.material.snapshot.lake, trained.registry
    bootstrap(trained.contest(), trained.candidates)
    bootstrap(replace(trained.contest("another"), at=NOW), trained.candidates)
    fall_back(lake, registry, NOW)
    assert len(history(lake)) == 2, "both are whole, and nothing is moved"
    shutil.rmtree(require_champion(registry).path.parents[1])
    fall_back(lake, registry, NOW)
    assert (registry.alias(), history(lake)[-1].verdict) == ("1", "rolled back")
    assert history(lake)[-1].reason.startswith("version 2 cannot be used: ")
    shutil.rmtree(require_champion(registry).path.parents[1])
    with pytest.raises(ModelError, match="no version that was in production can be used; version 1 cannot be used"):
        fall_back(lake, registry, NOW)
    registry.client.delete_model_version(REGISTERED, "1")
    assert settle(lake, registry, NOW) == history(lake)[-1], "a version that was deleted cannot be pointed at"


def test_with_no_history_there_is_nothing_to_fall_back_on(trained: Trained) -> None:
    fall_back(trained.material.snapshot.lake, trained.registry, NOW)
    assert trained.registry.alias() is None
