"""Progress as log records: whoever listens (the terminal, the Prefect UI, a file) decides how to show it."""

from __future__ import annotations

import logging
from typing import Literal

log = logging.getLogger("outfitter.progress")
State = Literal["running", "done", "skipped"]


def report(stage: str, message: str, state: State = "running", done: int | None = None, total: int | None = None) -> None:
    """Say where ``stage`` is: a sentence, and how many of how many parts are done where that is known."""
    log.info("%s: %s", stage, message, extra={"stage": stage, "state": state, "what": message, "done": done, "total": total})
