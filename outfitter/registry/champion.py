"""The version to work with: the champion, or the last good one before it when the champion cannot be used. Never half of one."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from outfitter.errors import HomeError, ModelError
from outfitter.lake.tables import Lake
from outfitter.registry.production import history, settle
from outfitter.registry.versions import Registry, Version
from outfitter.settings import Settings

log = logging.getLogger("outfitter.registry")

T = TypeVar("T")
DOWN = (MlflowException, SQLAlchemyError, RequestException, HomeError)
"""What a registry that does not answer raises: its database cannot be opened, or nobody listens."""


@dataclass(frozen=True)
class Used(Generic[T]):
    """What ``use`` made of a version; ``instead`` says why that is not the champion, and is empty when it is."""

    result: T
    instead: str = ""


def with_champion(lake: Lake, registry: Callable[[], Registry], settings: Settings, use: Callable[[Version], T], at: datetime) -> Used[T]:
    """``use`` on the champion; where that raises ModelError, on what was in production before, newest first, with a warning.

    When the registry itself does not answer, on the version that was used last, from its folder. Raises ModelError when nothing is left.
    """
    try:
        opened = registry()
        settle(lake, opened, at)
        version, used = _newest(lake, opened, use)
    except DOWN as error:
        why = f"the registry does not answer ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        version, used = _last(settings, use, why)
    if used.instead:
        log.warning("version %s is used: %s", version.version, used.instead)
    _remember(settings, version)
    return used


def still_champion(registry: Registry, version: Version) -> bool:
    """Whether the alias still names a version; a registry that does not answer withdraws nothing."""
    try:
        return registry.alias() == version.version
    except DOWN:
        return True


def _newest(lake: Lake, registry: Registry, use: Callable[[Version], T]) -> tuple[Version, Used[T]]:
    said: list[str] = []
    for number in dict.fromkeys(move.version for move in reversed(history(lake))):
        try:
            version = registry.version(number)
            return version, Used(use(version), "; ".join(said))
        except ModelError as error:
            said.append(f"version {number} cannot be: {error.message}")
    if said:
        raise ModelError(f"no version can be used: {'; '.join(said)}", "Restore the artifacts from a backup, or promote another version.")
    raise ModelError("the registry has no champion", "Run 'outfitter train' to make the first one.")


def _last(settings: Settings, use: Callable[[Version], T], why: str) -> tuple[Version, Used[T]]:
    try:
        told = json.loads(_memory(settings).read_text(encoding="utf-8"))
        version = Version(told["version"], told["run_id"], Path(told["path"]), {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{why}, and nothing was used before", "Start the registry, or restore it from a backup.") from error
    return version, Used(use(version), why)


def _remember(settings: Settings, version: Version) -> None:
    """Replaced in one step, so a reader finds the old one or the new."""
    file = _memory(settings)
    written = file.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps({"version": version.version, "run_id": version.run_id, "path": str(version.path)}), encoding="utf-8")
    written.replace(file)


def _memory(settings: Settings) -> Path:
    return settings.home / "mlflow" / "used-last.json"
