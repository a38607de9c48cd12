"""Runs ``outfitter`` in this process and ends it with SIGKILL at a chosen point: ``killer.py POINT ARGUMENTS...``.

POINT is ``module:Class.method[:first argument]:before|after:n``: the n-th call of the method, of those with that first argument. The point
``boundary:FILE`` kills at the first task boundary that FILE does not name yet, and names it there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Put the trap on a method."""
    module, path, *argument, when, nth = point.split(":")
    owner_name, method = path.split(".")
    owner = getattr(import_module(module), owner_name)
    original: Callable[..., Any] = getattr(owner, method)
    calls = 0

    def trapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += not argument or str(args[0]) == argument[0]
        due = calls == int(nth) and (not argument or str(args[0]) == argument[0])
        if due and when == "before":
            die()
        result = original(self, *args, **kwargs)
        if due:
            die()
        return result

    setattr(owner, method, trapped)


def arm_boundaries(file: Path) -> None:
    """Kill after the first task whose end has not been a point of death before."""
    from prefect.task_engine import SyncTaskRunEngine

    original = SyncTaskRunEngine.handle_success
    seen: Counter[str] = Counter()
    one_at_a_time = Lock()

    def trapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        with one_at_a_time:  # tasks end side by side, but a process dies once
            seen[self.task.name] += 1
            name = f"{self.task.name}#{seen[self.task.name]}"
            if name not in file.read_text().splitlines():
                with file.open("a") as out:
                    out.write(f"{name}\n")
                die()
        return result

    SyncTaskRunEngine.handle_success = trapped  # type: ignore[method-assign]


def main() -> None:
    point, sys.argv = sys.argv[1], ["outfitter", *sys.argv[2:]]
    if point.startswith("boundary:"):
        import outfitter.cli.running as running

        load = running.import_module

        def armed(name: str) -> Any:
            module = load(name)
            arm_boundaries(Path(point.removeprefix("boundary:")))
            return module

        running.import_module = armed
    else:
        arm(point)
    from outfitter.cli.app import main as command

    command()


if __name__ == "__main__":
    main()
