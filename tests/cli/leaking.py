"""Runs ``outfitter`` with features that look one week ahead: ``leaking.py ARGUMENTS...``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any


def ahead(compute: Callable[..., Any]) -> Callable[..., Any]:
    """The same computation with its cut-off moved, as a slip of the pen might move it."""

    def computed(snapshot: Any, cutoff: datetime, *rest: Any) -> Any:
        return compute(snapshot, cutoff + timedelta(days=7), *rest)

    return computed


def main() -> None:
    sys.argv[0] = "outfitter"
    import outfitter.cli.running as running

    load = running.import_module

    def spoilt(name: str) -> Any:
        module = load(name)
        import tasks.features

        tasks.features.user_rows = ahead(tasks.features.user_rows)  # type: ignore[assignment]
        return module

    running.import_module = spoilt
    from outfitter.cli.app import main as outfitter

    outfitter()


if __name__ == "__main__":
    main()
