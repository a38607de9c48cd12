"""Checkpoints of a running training: a killed one is taken up at the batch where the last was written, and ends in the same weights.

One safetensors file with the plain values as JSON in its header, so opening one runs no code. A checkpoint of another training (other
data, hyper-parameters or weights, another version of torch) or a damaged one is never resumed from: a warning says why, and training
starts anew.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from models.training.nested import digest
from models.training.schedule import Schedule
from models.training.watch import watch

log = logging.getLogger("outfitter.fit")
FORMAT = "1"  # raise it when what a checkpoint holds, or what training does with it, changes


@dataclass
class Progress:
    """How far a training has come: the epoch that is running, from 1, its batches that are behind, each finished epoch's metrics."""

    epoch: int = 1
    batch: int = 0
    best: int = 0
    finished: bool = False
    metrics: list[dict[str, float]] = field(default_factory=list)


@dataclass
class State:
    """All that changes while a training runs.

    order: the generator that shuffles, of which a checkpoint needs the state with which the running epoch began; total: the sum of the
    losses of that epoch so far; kept: the weights of the best epoch.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    order: torch.Generator
    began: Tensor
    total: Tensor
    kept: dict[str, Tensor]
    at: Progress

    @classmethod
    def beginning(cls, network: nn.Module, schedule: Schedule, device: torch.device) -> State:
        """Before the first step of a training on ``device``."""
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay, fused=device.type == "cuda"
        )
        order = torch.Generator().manual_seed(schedule.seed)
        return cls(network, optimizer, order, order.get_state(), torch.zeros((), device=device), {}, Progress())

    def keep(self) -> None:
        """The running epoch is the best so far."""
        self.at.best = self.at.epoch
        self.kept = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def next_epoch(self, finished: bool) -> None:
        self.at.epoch, self.at.batch, self.at.finished = self.at.epoch + 1, 0, finished
        self.began, self.total = self.order.get_state(), torch.zeros_like(self.total)

    @property
    def device(self) -> torch.device:
        return self.total.device

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of it by name, copied to the CPU."""
        found = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        found |= {f"kept.{name}": value for name, value in self.kept.items()}
        for place, values in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{place}.{name}": value for name, value in values.items()}
        found |= {"order": self.began, "total": self.total, "chance.cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            found["chance.cuda"] = torch.cuda.get_rng_state(self.device)
        # a copy of each: tied weights share their memory, which safetensors refuses
        return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in found.items()}

    def restore(self, found: Mapping[str, Tensor], at: Progress) -> None:
        """Become what ``tensors`` has written."""
        self.network.load_state_dict(_under("network", found))
        self.kept = {name: value.to(self.device, copy=True) for name, value in _under("kept", found).items()}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer", found).items():
            place, _, kind = name.partition(".")
            moments.setdefault(int(place), {})[kind] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.total, self.began, self.at = found["total"].to(self.device, copy=True), found["order"].clone(), at
        self.order.set_state(self.began)
        torch.set_rng_state(found["chance.cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(found["chance.cuda"], self.device)


class Keeper:
    """Writes the checkpoint of one training every ``every`` seconds, and finds the one that a killed process has left.

    of: what makes this training another than the rest, by kind (data, schedule, ...).
    """

    def __init__(self, file: Path, every: float, of: Mapping[str, str]) -> None:
        self.file, self.every = file, every
        self.of = {"format": FORMAT, "torch": torch.__version__, **of}
        self.written = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.written >= self.every

    def write(self, state: State) -> None:
        """Replace the checkpoint: at every moment there is the old one or the new one, whole."""
        header = {"of": json.dumps(self.of), "progress": json.dumps(asdict(state.at))}
        partial = self.file.with_suffix(".partial")  # one process writes here, so a dead one's leftover is in nobody's way
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as out:
            out.write(save(state.tensors(), header))
            out.flush()
            os.fsync(out.fileno())
        partial.replace(self.file)
        self.written = time.monotonic()

    def resume(self, state: State) -> bool:
        """Bring ``state`` to where the checkpoint was written; False when there is none, or not of this training."""
        if not self.file.exists():
            return False
        try:
            with safe_open(self.file, "pt") as found:
                header = found.metadata() or {}
                tensors = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118 (no mapping)
        except SafetensorError as error:
            log.warning("the checkpoint '%s' cannot be read (%s): training starts anew", self.file, error)
            return False
        if differing := self._differing(header):
            log.warning("the checkpoint '%s' is of another training (by its %s): training starts anew", self.file, ", ".join(differing))
            return False
        state.restore(tensors, Progress(**json.loads(header["progress"])))
        log.info("resumed from '%s' in epoch %d, after %d batches", self.file, state.at.epoch, state.at.batch)
        return True

    def _differing(self, header: Mapping[str, str]) -> list[str]:
        of: dict[str, Any] = json.loads(header.get("of", "{}"))
        return sorted(kind for kind in self.of.keys() | of.keys() if self.of.get(kind) != of.get(kind))


def keeper(network: nn.Module, training: object, validation: object, schedule: Schedule, device: torch.device) -> Keeper | None:
    """Who keeps the checkpoints of the next training, as ``models.training.watch`` says; None where it says nothing."""
    wanted = watch().checkpoints
    if wanted is None:
        return None
    of = {"fit": wanted.of, "schedule": digest(schedule), "network": digest(network.state_dict()), "device": device.type}
    return Keeper(wanted.next_file(), wanted.every, {**of, "training data": digest(training), "validation data": digest(validation)})


def _under(part: str, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): value for name, value in found.items() if name.startswith(f"{part}.")}
