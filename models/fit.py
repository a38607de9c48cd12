"""The one training loop of every torch model, to be read from top to bottom."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.batches import Rows
from outfitter.errors import ModelError

log = logging.getLogger("outfitter.fit")


@dataclass(frozen=True)
class Schedule:
    """How long and how boldly to train. ``patience``: epochs without a better validation loss before training stops."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int
    clip: float = 1.0


@dataclass(frozen=True)
class Fitted:
    """What training came to: one mean loss an epoch for each part, and the epoch, from 1, whose weights were kept."""

    training: tuple[float, ...]
    validation: tuple[float, ...]
    best_epoch: int


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one CPU thread, as it was afterwards.

    Layers this small are as fast on one thread as on two, and several times slower on two when another process wants a core.
    The weights then do not depend on how many cores a machine has either.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device() -> torch.device:
    """The GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    network: nn.Module,
    loss: Callable[[Rows], Tensor],
    training: Rows,
    validation: Rows | None,
    schedule: Schedule,
    device: torch.device,
) -> Fitted:
    """Train ``network`` in place and leave it, on ``device``, with the weights of its best epoch.

    ``loss`` gives the mean loss of one batch. Without a validation part every epoch is run and the last one kept. The shuffling is
    seeded by the schedule, so on a CPU the same seed gives the same weights. Raises ModelError when the loss stops being a number.
    """
    with _one_thread():
        return _train(network, loss, training, validation, schedule, device)


def _train(
    network: nn.Module,
    loss: Callable[[Rows], Tensor],
    training: Rows,
    validation: Rows | None,
    schedule: Schedule,
    device: torch.device,
) -> Fitted:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    log.info("training on %s: %d rows, %d parameters", name, len(training), sum(p.numel() for p in network.parameters()))
    network.to(device)
    training, held_out = training.to(device), None if validation is None else validation.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    generator = torch.Generator().manual_seed(schedule.seed)
    trained: list[float] = []
    validated: list[float] = []
    best, kept = 0, _copy(network)
    for epoch in range(1, schedule.epochs + 1):
        started = time.perf_counter()
        trained.append(_epoch(network, loss, training, schedule, optimizer, generator))
        if held_out is not None:
            validated.append(_evaluate(network, loss, held_out, schedule.batch_size))
        log.info("epoch %d: %s, %.1f s", epoch, _describe(trained, validated), time.perf_counter() - started)
        if held_out is None or validated[-1] == min(validated):
            best, kept = epoch, _copy(network)
        elif epoch - best >= schedule.patience:
            break
    network.load_state_dict(kept)
    return Fitted(tuple(trained), tuple(validated), best)


def _epoch(
    network: nn.Module,
    loss: Callable[[Rows], Tensor],
    rows: Rows,
    schedule: Schedule,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> float:
    """Every row once. The losses are summed on the device: reading each would make the GPU wait."""
    network.train()
    total = torch.zeros((), device=rows.items.device)
    for batch in rows.batches(schedule.batch_size, generator):
        optimizer.zero_grad(set_to_none=True)
        value = _loss(loss, batch)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), schedule.clip)
        optimizer.step()
        total += value.detach() * len(batch)
    return _mean(total, len(rows))


@torch.no_grad()
def _evaluate(network: nn.Module, loss: Callable[[Rows], Tensor], rows: Rows, batch_size: int) -> float:
    network.eval()
    total = torch.zeros((), device=rows.items.device)
    for batch in rows.batches(batch_size):
        total += _loss(loss, batch) * len(batch)
    return _mean(total, len(rows))


def _loss(loss: Callable[[Rows], Tensor], batch: Rows) -> Tensor:
    device = batch.items.device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        return loss(batch)


def _mean(total: Tensor, rows: int) -> float:
    mean = float(total) / rows
    if not math.isfinite(mean):
        raise ModelError("training diverged: the loss is not a number", "Lower the learning rate, or look for extreme features")
    return mean


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _describe(trained: list[float], validated: list[float]) -> str:
    return f"loss {trained[-1]:.4f}" + (f", validation {validated[-1]:.4f}" if validated else "")
