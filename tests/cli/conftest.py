"""For the tests of the command line: many commands in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.commands import Call, call_all
from tests.conftest import Outcome

Together = Callable[..., list[Outcome]]


@pytest.fixture(scope="session")
def together(tmp_path_factory: pytest.TempPathFactory, environment: Callable[[Path], dict[str, str]]) -> Together:
    """Runs calls in one process, with tiny settings and the session's Prefect server; see ``call_all``."""

    def run(calls: Sequence[Call], largest_file: int | None = None) -> list[Outcome]:
        folder = tmp_path_factory.mktemp("together")
        return call_all(calls, folder, environment(folder), largest_file)

    return run
