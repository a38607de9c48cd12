"""Running a flow from the command line: server, progress, result, and errors a person can act on."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, redirect_stdout
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from outfitter.errors import HomeError, OutfitterError
from outfitter.meanwhile import import_meanwhile
from outfitter.settings import Settings, load_settings

USER_ERROR, CRASH, INTERRUPTED = 2, 1, 130
SOON = {"ingest": "great_expectations", "pipeline": "great_expectations"}
"""What a flow needs first and takes seconds to import."""
QUIET = ("mlflow", "alembic", "great_expectations", "feast", "prefect", "httpx", "matplotlib", "implicit", "optuna")


def run_flow(flow: str, as_json: bool, show: Callable[[Any, dict[str, Any], Settings], None], **parameters: Any) -> int:
    """Run the flow ``flows.<flow>`` and print its result; returns the exit code."""
    return guarded(lambda: _run(flow, as_json, show, parameters), as_json)


def guarded(action: Callable[[], None], as_json: bool = False) -> int:
    """Do ``action``; what a person can mend becomes one clear message and exit code 2."""
    try:
        action()
    except OutfitterError as error:
        return _say(error, as_json)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; run the same command again to go on where it stopped\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost frame: whatever is left is a bug, unless the disk was full
        if _disk_was_full(error):
            return _say(HomeError(f"the disk is full: {error}", "Free some space and run the same command again."), as_json)
        traceback.print_exc()
        return CRASH
    return 0


def _run(flow: str, as_json: bool, show: Callable[[Any, dict[str, Any], Settings], None], parameters: dict[str, Any]) -> None:
    settings = load_settings(**{name: parameters.get(name) for name in ("source", "path", "mapping")})
    if "source" in parameters:
        _refuse_unreadable(settings)
    settings.prepare_home()
    settings.activate()
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"  # errors are told once, by us
    from rich.console import Console

    from outfitter.cli.engine import prefect_server
    from outfitter.cli.live import watching
    from outfitter.lake.lock import sole_writer

    now, terminal = datetime.now(UTC), Console(stderr=True)
    with ExitStack() as stack:
        if as_json:  # libraries print; standard output is the result's alone
            stack.enter_context(redirect_stdout(sys.stderr))
        stack.enter_context(sole_writer(settings, now))
        with terminal.status("starting Prefect and loading libraries") if terminal.is_terminal else nullcontext():
            ready = stack.enter_context(prefect_server(settings))
            call = getattr(import_module(f"flows.{flow}"), flow)
            stack.enter_context(_without_heartbeats())
            if flow in SOON:
                import_meanwhile(SOON[flow])
            ready()
        quieten()
        with watching(terminal, settings.log_level):
            result = call(**parameters, now=now)
    if as_json:
        sys.stdout.write(json.dumps(result, default=str) + "\n")
    else:
        show(Console(), result, settings)


def _refuse_unreadable(settings: Settings) -> None:
    """What is plainly not there is told before anything is started: an unknown source, a missing folder or file."""
    from outfitter.datasets import adapter
    from outfitter.lake.sources import open_source

    reader = adapter(settings.source, settings)
    if settings.path is not None:
        source = open_source(settings)
        reader.discover([one.name for one in source.list()], source.where)


def _without_heartbeats() -> AbstractContextManager[Any]:
    """At the end of every flow Prefect waits up to a second for its heartbeat, which tells a server what a person here sees anyway."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})


def quieten() -> None:
    """Libraries tell their routine to their own logs; the terminal belongs to progress and to our warnings."""
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def _disk_was_full(error: BaseException) -> bool:
    from outfitter.lake.failures import is_disk_full

    causes: BaseException | None = error
    while causes is not None:
        if is_disk_full(causes):
            return True
        causes = causes.__cause__ or causes.__context__
    return False


def _say(error: OutfitterError, as_json: bool) -> int:
    if as_json:
        told = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        sys.stdout.write(json.dumps(told) + "\n")
    sys.stderr.write(f"error: {error.message}\n" + (f"       {error.hint}\n" if error.hint else ""))
    return USER_ERROR
