"""What cannot be used is not used: the last good version is, and it is said."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

import models
from models import checkpoint
from outfitter.errors import ModelError
from outfitter.registry.champion import Used, still_champion, with_champion
from outfitter.registry.contest import require_champion
from outfitter.registry.promotion import bootstrap
from outfitter.registry.versions import CHAMPION, REGISTERED, Registry, Version
from tests.outfitter.lake.frames import NOW
from tests.outfitter.registry.conftest import Trained


@pytest.fixture
def versions(trained: Trained) -> tuple[Version, Version]:
    """The first champion, and the one that took its place; both were logged here, where they may be harmed."""
    made = []
    for contest in ("one", "two"):
        bootstrap(trained.contest(contest), trained.candidates)
        made.append(require_champion(trained.registry))
    return made[0], made[1]


def loaded(version: Version) -> str:
    models.load(version.path)
    return version.version


def used(trained: Trained, use: Callable[[Version], str] = loaded, registry: Callable[[], Registry] | None = None) -> Used[str]:
    return with_champion(trained.material.snapshot.lake, registry or (lambda: trained.registry), trained.material.settings, use, NOW)


def _remove(version: Version) -> None:
    shutil.rmtree(version.path.parents[1])


def _cut(version: Version) -> None:
    weights = version.path / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-9])


def test_the_champion_is_used_and_nothing_is_said(trained: Trained, versions: tuple[Version, Version]) -> None:
    assert used(trained) == Used(versions[1].version, "")


@pytest.mark.parametrize("harm", [_remove, _cut], ids=lambda harm: harm.__name__)
def test_the_one_before_is_used_where_the_champion_is_damaged(
    trained: Trained, versions: tuple[Version, Version], harm: Callable[[Version], None], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = versions
    harm(second)
    with caplog.at_level(logging.WARNING, "outfitter.registry"):
        found = used(trained)
    assert found.result == first.version
    assert found.instead.startswith(f"version {second.version} cannot be: ")
    assert f"version {first.version} is used: version {second.version} cannot be" in caplog.text


def test_one_that_cannot_answer_is_not_used(trained: Trained, versions: tuple[Version, Version]) -> None:
    """As when the features have another shape than those it was trained on."""

    def use(version: Version) -> str:
        if version == versions[1]:
            raise ModelError("profiles have shape (3, 9), not (3, 8)")
        return version.version

    found = used(trained, use)
    assert (found.result, "profiles have shape" in found.instead) == (versions[0].version, True)


def test_with_nothing_left_each_reason_is_told(trained: Trained, versions: tuple[Version, Version]) -> None:
    for version in versions:
        _cut(version)
    with pytest.raises(ModelError, match=r"no version can be used: version 2 cannot be: .*; version 1 cannot be: .*Restore"):
        used(trained)


def test_before_the_first_there_is_none(trained: Trained) -> None:
    with pytest.raises(ModelError, match="no champion"):
        used(trained)


def test_a_registry_that_is_down_is_done_without(trained: Trained, versions: tuple[Version, Version]) -> None:
    def down() -> Registry:
        raise MlflowException("connection refused\nand more")

    with pytest.raises(ModelError, match=r"the registry does not answer \(connection refused\), and nothing was used before"):
        used(trained, registry=down)
    assert used(trained).result == versions[1].version
    trained.registry.client.set_registered_model_alias(REGISTERED, CHAMPION, versions[0].version)
    assert used(trained, registry=down) == Used(versions[1].version, "the registry does not answer (connection refused)")


def test_a_champion_that_was_withdrawn_is_none(
    trained: Trained, versions: tuple[Version, Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> str:
        raise MlflowException("gone")

    assert still_champion(trained.registry, versions[1])
    trained.registry.client.set_registered_model_alias(REGISTERED, CHAMPION, versions[0].version)
    assert not still_champion(trained.registry, versions[1])
    monkeypatch.setattr(trained.registry, "alias", down)
    assert still_champion(trained.registry, versions[1]), "nobody said otherwise"


def test_what_was_used_last_is_still_checked(trained: Trained, versions: tuple[Version, Version]) -> None:
    def down() -> Registry:
        raise MlflowException("gone")

    used(trained)
    _cut(versions[1])
    with pytest.raises(ModelError, match="cut short"):
        used(trained, registry=down)


@pytest.mark.parametrize("content", ["", "[]", '{"version": "1"}', '{"version": '])
def test_a_memory_that_is_none_is_not_trusted(trained: Trained, versions: tuple[Version, Version], content: str) -> None:
    def down() -> Registry:
        raise MlflowException("gone")

    (Path(trained.material.settings.home) / "mlflow" / "used-last.json").write_text(content)
    with pytest.raises(ModelError, match="nothing was used before"):
        used(trained, registry=down)
