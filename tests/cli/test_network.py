"""The whole pipeline without a network, with a Prefect server of its own that is gone afterwards, however the run ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest

OFFLINE = Path(__file__).parent / "offline"  # holds a sitecustomize.py
PATIENCE = 120.0
GONE = 30.0


@pytest.fixture
def outgoing(tmp_path: Path) -> Path:
    """Where attempts to leave the machine are written down."""
    file = tmp_path / "outgoing.txt"
    file.touch()
    return file


@pytest.fixture
def alone(home: Path, environment: Callable[[Path], dict[str, str]], outgoing: Path) -> dict[str, str]:
    """The environment of a command that has no network, no proxy (it could listen here) and no Prefect server given."""
    left_out = ("OUTFITTER_PREFECT_", "PREFECT_")
    given = {n: v for n, v in environment(home).items() if not n.startswith(left_out) and not n.lower().endswith("_proxy")}
    every = '["item_knn", "als", "two_tower"]'
    return {**given, "OUTFITTER_MODELS": every, "PYTHONPATH": str(OFFLINE), "OUTGOING": str(outgoing)}


def start(alone: dict[str, str], home: Path, *words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from outfitter.cli.app import main; main()", *map(str, words)]
    with (home.parent / "stderr.txt").open("w") as errors:
        return subprocess.Popen(command, env=alone, cwd=home.parent, stdout=subprocess.PIPE, stderr=errors, text=True)


def watch(command: subprocess.Popen[str], until: Callable[[], bool]) -> set[psutil.Process]:
    """Every process that the command had below it before ``until`` was true."""
    seen: set[psutil.Process] = set()
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline, "it takes too long"
        try:
            seen |= set(psutil.Process(command.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.1)
    return seen


def servers(processes: Iterable[psutil.Process]) -> set[psutil.Process]:
    """Those of ``processes`` that are a Prefect server now."""
    return {process for process in processes if "prefect.server.api.server:create_app" in _words(process)}


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_the_guard_refuses_what_leaves_the_machine(alone: dict[str, str], outgoing: Path) -> None:
    """Or else the test below would say nothing."""
    attempts = ["socket.getaddrinfo('example.invalid', 80)", "socket.socket().connect(('192.0.2.1', 80))"]
    for attempt in attempts:
        code = f"import socket; {attempt}"
        done = subprocess.run([sys.executable, "-c", code], env=alone, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        assert "PermissionError" in done.stderr
        assert "nothing may leave this machine" in done.stderr
    assert [line.split()[0] for line in outgoing.read_text().splitlines()] == ["getaddrinfo", "connect"]


def test_the_whole_run_stays_on_this_machine_and_leaves_no_process(
    alone: dict[str, str], home: Path, tiny_shop: Path, outgoing: Path
) -> None:
    command = start(alone, home, "run", "--path", tiny_shop)
    below = watch(command, lambda: bool(list(home.glob("lake/deliveries/_delta_log/*.json"))) or command.poll() is not None)
    server = servers(below)
    below |= watch(command, lambda: command.poll() is not None)
    stdout, _ = command.communicate()
    assert command.returncode == 0, (home.parent / "stderr.txt").read_text()
    assert "in production" in stdout
    assert outgoing.read_text() == ""
    assert len(server) == 1
    assert [process for process in below if process.is_running()] == []


def test_the_server_ends_when_the_run_is_killed(alone: dict[str, str], home: Path, tiny_shop: Path) -> None:
    log = home / "lake" / "deliveries" / "_delta_log" / f"{2:020}.json"
    command = start(alone, home, "run", "--path", tiny_shop)
    try:
        below = watch(command, lambda: log.exists() or command.poll() is not None)  # two deliveries are in
        assert command.poll() is None, (home.parent / "stderr.txt").read_text()
        (server,) = servers(below)
    finally:
        os.kill(command.pid, signal.SIGKILL)
        command.communicate()
    assert command.returncode == -signal.SIGKILL
    _, alive = psutil.wait_procs(below, timeout=GONE)
    assert alive == []
    assert not server.is_running()
