"""Some libraries take seconds to import: that can be done while this process waits, or while Polars works without Python's lock."""

from __future__ import annotations

from importlib import import_module
from threading import Thread


def import_meanwhile(module: str) -> None:
    """Begin to import ``module`` in the background; whoever imports it afterwards waits for what is left of it."""
    Thread(target=import_module, args=(module,), name=f"import {module}").start()
