"""The Prefect server that a command brings along when none is configured, and that never outlives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from outfitter.errors import OutfitterError
from outfitter.orphans import die_with_parent
from outfitter.settings import Settings

START_SECONDS = 60.0
DRAIN_SECONDS = 10.0


@contextmanager
def prefect_server(settings: Settings) -> Iterator[Callable[[], None]]:
    """A Prefect API for as long as this lasts: the configured server, or one of our own on a free loopback port.

    Yields a function that waits until it answers, so that a caller can import what it needs meanwhile.

    Prefect could start one by itself, but that one lives on when its parent is killed; ours is told by the kernel to end.
    That function raises OutfitterError with the server's last words when it does not come up.
    """
    if settings.prefect_api_url:
        yield lambda: None
        return
    port = _free_port()
    log = settings.home / "prefect" / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(_command(port), stdout=out, stderr=out, env=_environment(), preexec_fn=_die_with_parent)  # noqa: PLW1509, S603
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    try:
        yield lambda: _wait_until_healthy(server, os.environ["PREFECT_API_URL"], log)
    finally:
        _send_what_is_queued()
        _stop(server)


def _command(port: int) -> list[str]:
    factory = ["--factory", "prefect.server.api.server:create_app", "--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", *factory, "--log-level", "error"]


def _environment() -> dict[str, str]:
    """No UI, and none of the services that schedule or trigger: this server only keeps the record of one run."""
    return {**os.environ, "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


def _die_with_parent() -> None:
    """Runs in the child before it becomes the server. Linux only; elsewhere the server is ended by ``_stop`` alone."""
    die_with_parent(signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(server: subprocess.Popen[bytes], api: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if _healthy(api):
            return
        time.sleep(0.1)
    said = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise OutfitterError(f"the Prefect server did not start: {' / '.join(said) or 'it said nothing'}", f"Its log is {log}")


def _healthy(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):  # not listening yet
        return False


def _send_what_is_queued() -> None:
    """Logs and events leave by background threads; left in their queues, they would be retried for a minute after the server has gone."""
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (EventsWorker, APILogWorker):
            worker.drain_all(timeout=DRAIN_SECONDS)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
