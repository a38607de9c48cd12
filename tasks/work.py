"""What every flow works with: settings made active, a home that can be written, its lock, the lake, and the moment of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from outfitter.errors import LakeError
from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake.founding import facts
from outfitter.lake.lock import sole_writer
from outfitter.lake.snapshot import Snapshot, open_snapshot
from outfitter.lake.tables import Lake, open_lake
from outfitter.settings import Settings, load_settings

if TYPE_CHECKING:  # a day's ingest needs neither the models nor MLflow, which take seconds to import
    from outfitter.evaluation.training import Material
    from outfitter.registry.versions import Registry

THREADS = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=2))
"""Tasks that run side by side in this process; each of them uses the cores it needs."""


@dataclass(frozen=True)
class Work:
    """One flow's surroundings. ``now`` is when the run was due: nothing below reads the clock."""

    settings: Settings
    now: datetime

    @cached_property
    def lake(self) -> Lake:
        return open_lake(self.settings)

    @cached_property
    def features(self) -> Lake:
        return open_lake(self.settings, FEATURE_TABLES)

    @cached_property
    def registry(self) -> Registry:
        from outfitter.registry.versions import Registry

        return Registry(self.settings)

    @property
    def staging(self) -> Path:
        """Deliveries that have been read and not yet committed; cleared by every run."""
        return self.settings.home / "staging"

    @property
    def incoming(self) -> Path:
        """Objects fetched from a bucket; cleared by every run that ends."""
        return self.settings.home / "incoming"

    @property
    def aside(self) -> Path:
        """Deliveries that were rejected or held, whole, by their ids."""
        return self.settings.home / "aside"

    @property
    def targets(self) -> list[str]:
        """The events that count as a success."""
        return [name for name, rule in self.settings.events.items() if rule.target]

    @property
    def docs(self) -> Path:
        return self.settings.reports / "validation"

    def snapshot(self) -> Snapshot:
        """The newest snapshot. Raises LakeError before the first ingest."""
        if facts(self.lake) is None:
            raise LakeError(f"the lake '{self.lake.root}' is empty", "Run 'outfitter ingest' (or 'outfitter run') first.")
        return open_snapshot(self.lake)

    def material(self, snapshot: Snapshot, materialization: str) -> Material:
        from outfitter.evaluation.training import Material

        return Material(snapshot, self.features, materialization, self.settings)


@contextmanager
def at_work(now: datetime | None = None, **overrides: Any) -> Iterator[Work]:
    """Open the home for one flow. Raises HomeError, LockedError or SettingsError before anything is touched."""
    settings = load_settings(**overrides)
    settings.activate()
    settings.prepare_home()
    now = now or flow_run.scheduled_start_time
    with sole_writer(settings, now):
        yield Work(settings, now)
