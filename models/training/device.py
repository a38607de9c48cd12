"""Where a training runs, and torch's global state while it does."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

log = logging.getLogger("outfitter.fit")
B = TypeVar("B")
_one_at_a_time = threading.RLock()


def choose_device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe(device: torch.device) -> str:
    """The device as the log states it."""
    return f"{torch.cuda.get_device_name(device)}, in bfloat16 where it may" if device.type == "cuda" else "cpu"


@contextmanager
def torch_to_itself(threads: int, seed: int, device: torch.device) -> Iterator[None]:
    """Torch on ``threads`` CPU threads with its generators seeded; afterwards both are as they were.

    One training at a time in a process: dropout draws from the one global generator, so two side by side would not be repeatable.
    """
    cuda = [torch.cuda.current_device()] if device.type == "cuda" else []
    with _one_at_a_time, torch.random.fork_rng(cuda):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed(seed)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def on_device(loss: Callable[[B], Tensor], device: torch.device) -> Callable[[B], Tensor]:
    """``loss`` as it is computed there: on a GPU compiled and in bfloat16 where that is safe, on a CPU as it stands.

    On a CPU compiling takes longer than most of these networks train.
    """
    if device.type != "cuda":
        return loss
    if any(shutil.which(compiler) for compiler in ("cc", "gcc", "clang")):
        loss = torch.compile(loss, dynamic=True)  # batches differ in length
    else:
        log.info("without torch.compile, which needs a C compiler")

    def mixed(batch: B) -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return loss(batch)

    return mixed
