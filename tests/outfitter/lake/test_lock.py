"""The home's lock: one process at a time, named to whoever comes second, and gone with its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outfitter.errors import HomeError, LockedError
from outfitter.lake.lock import exclusive
from tests.outfitter.lake.frames import NOW

HOLD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from outfitter.lake.lock import exclusive
with exclusive(Path(sys.argv[-1]), datetime(2024, 3, 1, 2, 30, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock until its standard input is closed."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, "run", str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def test_a_second_process_is_told_who_has_it(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder, pytest.raises(LockedError) as caught, exclusive(tmp_path, NOW):
        pytest.fail("two processes hold one home")
    assert f"process {holder.pid} ('outfitter run {tmp_path}', since 2024-03-01T02:30:00+00:00)" in str(caught.value)
    assert isinstance(caught.value, HomeError)


def test_a_refused_process_does_not_spoil_the_holders_name(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        for _ in range(2):
            with pytest.raises(LockedError, match=f"process {holder.pid} "), exclusive(tmp_path, NOW):
                pytest.fail("two processes hold one home")


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=30)
        with exclusive(tmp_path, NOW):
            assert f'"pid": {os.getpid()}' in (tmp_path / "outfitter.lock").read_text()


def test_it_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path, NOW):
        raise ZeroDivisionError
    with another_process(tmp_path):
        pass


def test_a_process_may_enter_again_and_keeps_it_until_it_leaves(tmp_path: Path) -> None:
    with exclusive(tmp_path, NOW):
        with exclusive(tmp_path, NOW):
            pass
        assert _refused(tmp_path)
    with another_process(tmp_path):
        pass


def test_homes_do_not_share_a_lock(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with another_process(tmp_path / "other"), exclusive(tmp_path, NOW):
        assert (tmp_path / "outfitter.lock").read_text() != (tmp_path / "other" / "outfitter.lock").read_text()


def test_a_holder_that_has_not_written_its_name_yet(tmp_path: Path) -> None:
    with another_process(tmp_path):
        (tmp_path / "outfitter.lock").write_text("")
        with pytest.raises(LockedError, match="one that is just starting"), exclusive(tmp_path, NOW):
            pytest.fail("two processes hold one home")


def _refused(home: Path) -> bool:
    done = subprocess.run([sys.executable, "-c", HOLD, str(home)], input="", capture_output=True, text=True, timeout=60, check=False)
    return done.returncode != 0 and f"process {os.getpid()} " in done.stderr
