"""Two commands in one home: the second is told who is at work, and the first never notices."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.commands import one_clear_error

PATIENCE = 60.0


def holder(home: Path) -> dict[str, Any]:
    """Who the lock file says is at work, once it says so."""
    lock, until = home / "outfitter.lock", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if lock.exists() and (text := lock.read_text()):
            told: dict[str, Any] = json.loads(text)
            return told
        time.sleep(0.02)
    raise AssertionError(f"nobody took the lock of {home} within {PATIENCE:g} s")


def test_the_second_is_refused_and_the_first_finishes(
    outfitter: Any, home: Path, environment: Callable[[Path], dict[str, str]], tiny_shop: Path
) -> None:
    words = ["ingest", "--path", str(tiny_shop), "--json"]
    command = [sys.executable, "-c", "from outfitter.cli.app import main; main()", *words]
    first = subprocess.Popen(command, env=environment(home), cwd=home.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert holder(home)["pid"] == first.pid
        assert holder(home)["command"] == " ".join(words)
        second = outfitter("materialize", "--json")
        assert first.poll() is None, "the first had finished: nothing was tried"
        message = one_clear_error(second)
        assert f"another process is at work in the home '{home}': process {first.pid} ('outfitter ingest" in message
        assert "Wait until it has finished" in message
        assert second.result["error"] == "LockedError"
        stdout, stderr = first.communicate(timeout=PATIENCE)
    finally:
        first.kill()
        first.wait()
    assert first.returncode == 0, stderr
    assert json.loads(stdout)["interactions"] == 4_000
    third = outfitter("ingest", "--path", tiny_shop, "--json")
    assert third.code == 0, third.stderr
    assert third.result["new_deliveries"] == 0
