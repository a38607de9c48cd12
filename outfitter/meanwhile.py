"""Some libraries take seconds to import: that can be put off, or done while this process waits or Polars works without Python's lock."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Thread
from types import ModuleType


def import_meanwhile(module: str) -> None:
    """Begin to import ``module`` in the background; whoever imports it afterwards waits for what is left of it."""
    Thread(target=import_module, args=(module,), name=f"import {module}").start()


def put_off_torch_of_feast() -> None:
    """Let Feast import torch when somebody asks it for tensors, which nobody here does, and not when it is imported itself.

    torch is half of what importing Feast costs, so the one small module of Feast's through which it gets there is replaced.
    """
    stand_in = ModuleType("feast.torch_wrapper", "Feast's way to torch, not taken before it is asked for.")
    stand_in.get_torch = lambda: import_module("torch")  # type: ignore[attr-defined]
    sys.modules.setdefault(stand_in.__name__, stand_in)
