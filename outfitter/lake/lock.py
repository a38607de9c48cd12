"""One writer a home: an OS lock that the process holds and that its death releases."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from outfitter.errors import LockedError
from outfitter.lake.lease import leased
from outfitter.settings import Settings

LOOKS = 20
_held: set[Path] = set()


@contextmanager
def exclusive(home: Path, now: datetime) -> Iterator[None]:
    """Hold the home's lock; a process that holds it already may enter again, so a flow runs alike alone and inside another.

    Raises LockedError naming the holder when another process has it.

    The kernel frees it when the process ends, ``kill -9`` included, so there is no stale lock to clean up.
    """
    if home in _held:
        yield
        return
    with (home / "outfitter.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"another process is at work in the home '{home}': {_holder(file)}",
                "Wait until it has finished, or set OUTFITTER_HOME to another folder.",
            ) from error
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "since": now.isoformat(timespec="seconds"), "command": " ".join(sys.argv[1:])}))
        file.flush()
        _held.add(home)
        try:
            yield
        finally:
            _held.remove(home)


def _holder(file: TextIO) -> str:
    """Who it says there: whoever has the lock writes its name at once, but of two that begin together the other may look before."""
    for _ in range(LOOKS):
        file.seek(0)
        try:
            holder = json.loads(file.read())
        except json.JSONDecodeError:
            time.sleep(0.05)
        else:
            return f"process {holder['pid']} ('outfitter {holder['command']}', since {holder['since']})"
    return "one that is just starting"


@contextmanager
def sole_writer(settings: Settings, now: datetime) -> Iterator[None]:
    """Hold the home's lock, and the lease of its lake where that lies on S3. Raises LockedError naming the holder of either."""
    with exclusive(settings.home, now), leased(settings, now):
        yield
