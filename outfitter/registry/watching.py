"""The champion for a process that lives on: an alias that moves is followed within a second, and nothing half-loaded is ever handed out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from outfitter.errors import ModelError
from outfitter.registry.champion import DOWN
from outfitter.registry.versions import Registry, Version

log = logging.getLogger("outfitter.registry")

T = TypeVar("T")
EVERY = 0.25
"""Seconds between two looks at the alias, each of which is one query to MLflow's database."""


class ChampionWatcher(Generic[T]):
    """Holds what ``use`` makes of the champion, and makes it anew in the background when the alias names another version.

    Whoever asks ``current`` gets the old one until the new one is whole. A version that ``use`` refuses (ModelError) is passed over, and
    tried again when the alias has moved once more; while the registry does not answer, what is there stays. Both are logged once.

        with ChampionWatcher(registry, load) as watcher:
            model = watcher.current()
    """

    def __init__(self, registry: Registry, use: Callable[[Version], T], every: float = EVERY, held: tuple[str, T] | None = None) -> None:
        """held: a version's number and what was made of it, where that was done before."""
        self._registry, self._use, self._every = registry, use, every
        self._held = held
        self._refused: str | None = None
        self._silent = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champion watcher", daemon=True)

    def __enter__(self) -> Self:
        """Raises ModelError when there is no champion, or it cannot be used: there is nothing to fall back on yet."""
        if self._held is None:
            champion = self._registry.champion()
            if champion is None:
                raise ModelError("the registry has no champion", "Run 'outfitter train' to make the first one.")
            self._held = (champion.version, self._use(champion))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def current(self) -> T:
        """What was made of the version that the alias names, or of the last good one. Raises ModelError before the watch began."""
        return self._now()[1]

    @property
    def version(self) -> str:
        """The number of the version that ``current`` is of."""
        return self._now()[0]

    def _now(self) -> tuple[str, T]:
        if self._held is None:
            raise ModelError("nobody watches the champion yet", "Use the watcher in a 'with' block.")
        return self._held

    def _follow(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._look()
                self._silent = False
            except DOWN as error:
                if not self._silent:
                    log.warning("the registry does not answer, version %s stays: %s", self.version, error)
                self._silent = True

    def _look(self) -> None:
        number = self._registry.alias()
        if number is None or number in (self.version, self._refused):
            return
        try:
            self._held = (number, self._use(self._registry.version(number)))
            self._refused = None
            log.info("version %s is the champion now", number)
        except ModelError as error:
            self._refused = number
            log.warning("version %s cannot be used, version %s stays: %s", number, self.version, error.message)
