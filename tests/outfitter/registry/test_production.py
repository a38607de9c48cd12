"""What is in production has its row, whoever put it there and whenever the process was killed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from outfitter.errors import ModelError
from outfitter.registry.contest import require_champion
from outfitter.registry.production import before_last, history, move, settle
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
