"""What the registry knows of fitted models: what each learnt from and until when. A registry that is silent, or has forgotten, says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from outfitter.errors import ModelError
from outfitter.registry.champion import DOWN
from outfitter.registry.versions import Registry

A_PAGE = 1000
LEARNT = "tags.`outfitter.snapshot` != ''"
T = TypeVar("T")


@dataclass(frozen=True)
class Fitted:
    """One run. snapshot, materialization, fit_until (ISO 8601): what it learnt from, None where it does not say. version: if registered."""

    run_id: str
    model: str | None
    role: str
    snapshot: str | None
    materialization: str | None
    fit_until: str | None
    version: str | None


class Models:
    """The runs and versions of a registry; ``silent`` tells why there are none, once it did not answer."""

    def __init__(self, registry: Callable[[], Registry | None]) -> None:
        self._open = registry
        self.silent = ""

    def fitted(self) -> list[Fitted]:
        """Every model that was ever fitted from a snapshot, oldest first."""
        return self._asked(self._all, [])

    def run(self, run_id: str) -> Fitted | None:
        """None where the run is gone, or the registry does not answer."""
        return self._asked(lambda registry: self._one(registry, run_id), None)

    def is_registered(self, version: str) -> bool:
        return version in self._versions.values()

    def trouble(self, version: str) -> str:
        """Why a version cannot be used any more; empty when it can."""
        return self._asked(lambda registry: _trouble(registry, version), self.silent)

    @cached_property
    def _versions(self) -> dict[str, str]:
        """Version by run."""
        return self._asked(lambda registry: {str(one.run_id): str(one.version) for one in registry.all_versions()}, {})

    def _asked(self, ask: Callable[[Registry], T], otherwise: T) -> T:
        try:
            registry = self._open()
            return otherwise if registry is None or self.silent else ask(registry)
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return otherwise
            return self._fell_silent(error, otherwise)
        except DOWN as error:
            return self._fell_silent(error, otherwise)

    def _fell_silent(self, error: Exception, otherwise: T) -> T:
        self.silent = f"the registry does not answer ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        return otherwise

    def _all(self, registry: Registry) -> list[Fitted]:
        found: list[Fitted] = []
        token: str | None = None
        while token is None or token:
            page = registry.client.search_runs([registry.experiment], LEARNT, max_results=A_PAGE, page_token=token)
            found += [self._told(run) for run in page]
            token = page.token or ""
        return found[::-1]

    def _one(self, registry: Registry, run_id: str) -> Fitted:
        return self._told(registry.run(run_id))

    def _told(self, run: Run) -> Fitted:
        tags = defaultdict[str, Any](lambda: None, run.data.tags)
        snapshot, made, until, role = (tags[f"outfitter.{name}"] for name in ("snapshot", "materialization", "fit_until", "role"))
        model, version = run.data.params.get("model"), self._versions.get(run.info.run_id)
        return Fitted(run.info.run_id, model, role or "unknown", snapshot, made, until, version)


def _trouble(registry: Registry, version: str) -> str:
    try:
        registry.version(version)
    except ModelError as error:
        return error.message
    return ""
