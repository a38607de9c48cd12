"""An alias that moves is followed within a second; what cannot be used or reached changes nothing."""

from __future__ import annotations

import logging
import time
from threading import Event

import pytest
from mlflow.exceptions import MlflowException

import models
from outfitter.errors import ModelError
from outfitter.registry.contest import require_champion
from outfitter.registry.promotion import bootstrap
from outfitter.registry.versions import CHAMPION, REGISTERED, Version
from outfitter.registry.watching import ChampionWatcher
from tests.outfitter.registry.conftest import Trained, within


@pytest.fixture
def versions(trained: Trained) -> tuple[str, str]:
    for contest in ("one", "two"):
        bootstrap(trained.contest(contest), trained.candidates)
    newest = require_champion(trained.registry).version
    return str(int(newest) - 1), newest


def point(trained: Trained, version: str) -> None:
    trained.registry.client.set_registered_model_alias(REGISTERED, CHAMPION, version)


def test_a_moved_alias_is_followed_within_a_second(trained: Trained, versions: tuple[str, str]) -> None:
    first, second = versions
    with ChampionWatcher(trained.registry, lambda version: models.load(version.path)) as watcher:
        assert watcher.version == second
        for target in (first, second, first):
            before = watcher.current()
            point(trained, target)
            assert within(1.0, lambda target=target: watcher.version == target)  # type: ignore[misc]
            assert watcher.current() is not before


def test_the_old_one_answers_until_the_new_one_is_whole(trained: Trained, versions: tuple[str, str]) -> None:
    first, second = versions
    begun, go = Event(), Event()

    def slowly(version: Version) -> str:
        if version.version == first:
            begun.set()
            assert go.wait(30)
        return f"the model of version {version.version}"

    with ChampionWatcher(trained.registry, slowly, every=0.01) as watcher:
        point(trained, first)
        assert begun.wait(30)
        assert watcher.current() == f"the model of version {second}"
        go.set()
        assert within(10, lambda: watcher.current() == f"the model of version {first}")


def test_what_cannot_be_used_is_passed_over_and_said_once(
    trained: Trained, versions: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = versions
    tried: list[str] = []

    def use(version: Version) -> str:
        tried.append(version.version)
        if version.version == first:
            raise ModelError("the artifact is cut short")
        return version.version

    with caplog.at_level(logging.WARNING, "outfitter.registry"), ChampionWatcher(trained.registry, use, every=0.01) as watcher:
        point(trained, first)
        assert within(10, lambda: first in tried)
        time.sleep(0.2)
        assert (watcher.current(), tried) == (second, [second, first])
        assert caplog.text.count("cut short") == 1


def test_a_registry_that_is_down_changes_nothing_and_is_followed_again(
    trained: Trained, versions: tuple[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = versions
    asked: list[int] = []

    def down() -> str:
        asked.append(1)
        raise MlflowException("connection refused")

    caplog.set_level(logging.WARNING, "outfitter.registry")
    with ChampionWatcher(trained.registry, lambda version: version.version, every=0.01) as watcher:
        with monkeypatch.context() as patched:
            patched.setattr(trained.registry, "alias", down)
            assert within(10, lambda: len(asked) > 3)
            assert watcher.current() == second
        point(trained, first)
        assert within(10, lambda: watcher.current() == first)
    assert caplog.text.count("the registry does not answer") == 1


def test_without_a_champion_nothing_is_watched(trained: Trained) -> None:
    with pytest.raises(ModelError, match="no champion"), ChampionWatcher(trained.registry, lambda version: version.version):
        pass
    with pytest.raises(ModelError, match="nobody watches"):
        ChampionWatcher(trained.registry, lambda version: version.version).current()
