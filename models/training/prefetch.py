"""Training rows where the device can reach them: on it when they fit, else copied to it a batch ahead of the work."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

from models.training.batches import Batched
from models.training.nested import changed, nbytes, tensors

log = logging.getLogger("outfitter.fit")
B = TypeVar("B", bound=Sized)
SHARE = 0.5
"""Of the GPU's free memory that rows may take: the rest is for weights, optimizer and what a batch makes on its way."""


def within_reach(rows: Batched[B], device: torch.device) -> Batched[B]:
    """``rows`` on ``device``, or the promise of their batches there when they are too large for its memory."""
    if device.type == "cuda" and (size := nbytes(rows)) > SHARE * torch.cuda.mem_get_info(device)[0]:
        log.info("%.1f GiB of rows stay in main memory, and their batches are copied ahead", size / 2**30)
        return Streamed(rows, device)
    return rows.to(device)


class Streamed(Generic[B]):
    """Rows in main memory, whose batches are pinned and copied while the GPU works on the one before."""

    def __init__(self, rows: Batched[B], device: torch.device) -> None:
        self.rows, self.device = rows, device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> Streamed[B]:
        return Streamed(self.rows, device)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[B]:
        for batch in ahead(self.rows.batches(size, generator), self._copy):
            for _, tensor in tensors(batch):  # their memory is the copying stream's: it must not be reused before this one is done
                tensor.record_stream(torch.cuda.current_stream(self.device))
            yield batch

    def _copy(self, batch: B) -> B:
        with torch.cuda.stream(self.stream):
            copy = changed(batch, lambda tensor: tensor.pin_memory().to(self.device, non_blocking=True))
        self.stream.synchronize()  # only this thread waits
        return copy


def ahead(source: Iterator[B], prepare: Callable[[B], B], depth: int = 2) -> Iterator[B]:
    """``prepare`` of each of ``source``, in order, done by a thread at most ``depth`` ahead. What it raises is raised here."""

    def prepared() -> B | None:
        batch = next(source, None)
        return None if batch is None else prepare(batch)

    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(prepared) for _ in range(depth))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(prepared))
            yield batch
