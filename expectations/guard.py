"""One thread at a time, and no chatter: Great Expectations keeps its current context in a global."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Holds the process-wide lock and lets only errors of the library through while it is held."""
    logger = logging.getLogger("great_expectations")
    with _LOCK:
        before = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(before)
