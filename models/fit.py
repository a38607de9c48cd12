"""The one training loop of every torch model, to be read from top to bottom."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sized
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from models.training.batches import Batched
from models.training.device import choose_device, describe, on_device, torch_to_itself
from models.training.nested import tensors
from models.training.prefetch import within_reach
from models.training.resume import Keeper, State, keeper
from models.training.schedule import Schedule, learning_rate
from models.training.sharing import Workers
from models.training.watch import Run, watch
from outfitter.errors import ModelError

__all__ = ["Fitted", "Run", "Schedule", "choose_device", "train"]
log = logging.getLogger("outfitter.fit")
B = TypeVar("B", bound=Sized)


@dataclass(frozen=True)
class Fitted:
    """What training came to: each epoch's mean losses and score, where there are any, and the epoch, from 1, whose weights were kept."""

    training: tuple[float, ...]
    validation: tuple[float, ...]
    best_epoch: int
    scores: tuple[float, ...] = ()


def train(
    network: nn.Module,
    loss: Callable[[B], Tensor],
    training: Batched[B],
    validation: Batched[B] | None,
    schedule: Schedule,
    device: torch.device,
    *,
    score: Callable[[], float] | None = None,
    run: Run | None = None,
    label: str = "",
) -> Fitted:
    """Train ``network`` in place and leave it, on ``device``, with the weights of its best epoch.

    loss: the mean loss of a batch. score: a validation metric of the network as it is, higher is better; when given it decides which
    epoch is best and when to stop, else the validation loss does; with neither every epoch is run and the last one kept. run: told of
    every epoch, beside whom ``models.training.watch`` names. label: goes before the metrics' names, for a model that trains more than once.

    On a CPU the same seed gives the same weights, also when training was killed and resumed, provided that all chance is of the batches'
    generator or torch's own, as dropout is. Within a process group of torch each worker computes its part of every batch. Raises
    ModelError when the loss, the score or a weight is not a number.
    """
    workers = Workers.present()
    with torch_to_itself(schedule.threads, schedule.seed + workers.rank, device):
        network.to(device)
        rows = within_reach(training, device), None if validation is None else within_reach(validation, device)
        state = State.beginning(network, schedule, device)
        kept_by = keeper(network, training, validation, schedule, device) if workers.size == 1 else None
        runs = (*watch().runs, *([run] if run else []))
        parameters = sum(parameter.numel() for parameter in network.parameters())
        log.info("training on %s: %d rows, %d parameters", describe(device), len(training), parameters)
        try:
            return _Training(network, on_device(loss, device), *rows, schedule, workers, score, runs, kept_by, label, state).run()
        except _NotANumber as error:
            raise _blame(error, training, validation) from error


class _NotANumber(Exception):
    """The loss, the score or a weight is infinite or not a number."""


@dataclass
class _Training(Generic[B]):
    """One call of ``train``; all that changes while it runs is in ``state``."""

    network: nn.Module
    loss: Callable[[B], Tensor]
    training: Batched[B]
    validation: Batched[B] | None
    schedule: Schedule
    workers: Workers
    score: Callable[[], float] | None
    runs: tuple[Run, ...]
    keeper: Keeper | None
    label: str
    state: State

    def run(self) -> Fitted:
        """Epoch after epoch, from the first or from where the checkpoint of a killed run says."""
        if self.keeper is not None and self.keeper.resume(self.state):
            for number in range(1, self.state.at.epoch):
                self._tell(number)
        while not self.state.at.finished:
            self._epoch()
            if self.keeper is not None and (self.state.at.finished or self.keeper.due()):
                self.keeper.write(self.state)
        self.network.load_state_dict(self.state.kept)
        best = self.state.at.best
        return Fitted(tuple(self._each("training_loss")), tuple(self._each("validation_loss")), best, tuple(self._each("score")))

    def _epoch(self) -> None:
        """What is left of the running epoch, its validation, and whether another one follows."""
        at, started = self.state.at, time.perf_counter()
        self._learn()
        loss = self._mean(self.state.total, self.training)
        for name, weight in self.network.named_parameters():
            _number(float(weight.detach().abs().sum()), f"the weight '{name}'")
        rate = self.state.optimizer.param_groups[0]["lr"]
        found = self._validate()
        at.metrics.append({"training_loss": loss, **found, "learning_rate": rate, "seconds": time.perf_counter() - started})
        criteria = self._criteria()
        if not criteria or criteria[-1] < min(criteria[:-1], default=math.inf):
            self.state.keep()
        self._tell(at.epoch)
        idle = at.epoch - at.best
        self.state.next_epoch(finished=at.epoch >= self.schedule.epochs or idle >= self.schedule.patience)

    def _learn(self) -> None:
        """Every row once. The losses are summed on the device: reading each would make a GPU wait."""
        state = self.state
        self.network.train()
        batches = self.training.batches(self.schedule.batch_size, state.order)
        for batch in islice(batches, state.at.batch, None):  # what came before a checkpoint is drawn again and passed over
            self._step(batch)
            state.at.batch += 1
            if self.keeper is not None and self.keeper.due():
                _number(float(state.total), "the loss")
                self.keeper.write(state)

    def _step(self, batch: B) -> None:
        optimizer, part = self.state.optimizer, self.workers.part(batch)
        for group in optimizer.param_groups:
            group["lr"] = self._rate()
        optimizer.zero_grad(set_to_none=True)
        value = self.loss(part)
        value.backward()  # type: ignore[no-untyped-call]
        self.workers.average(self.network.parameters(), len(part) / len(batch))
        nn.utils.clip_grad_norm_(self.network.parameters(), self.schedule.clip)
        optimizer.step()
        self.state.total += value.detach() * len(part)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self.network.eval()
        found = {}
        if self.validation is not None:
            total = torch.zeros_like(self.state.total)
            for batch in self.validation.batches(self.schedule.batch_size):
                part = self.workers.part(batch)
                total += self.loss(part) * len(part)
            found["validation_loss"] = self._mean(total, self.validation)
        if self.score is not None:
            scores = self.workers.sum(torch.tensor(self.score(), dtype=torch.float64, device=self.state.total.device))
            found["score"] = _number(float(scores) / self.workers.size, "the score")
        return found

    def _mean(self, total: Tensor, rows: Batched[B]) -> float:
        return _number(float(self.workers.sum(total)) / len(rows), "the loss")

    def _rate(self) -> float:
        """In the middle of a step, so that neither the first nor the last step is made at rate 0."""
        steps = -(-len(self.training) // self.schedule.batch_size)
        progress = (self.state.at.epoch - 1 + min((self.state.at.batch + 0.5) / steps, 1)) / self.schedule.epochs
        return learning_rate(self.schedule, progress, self._criteria() or self._each("training_loss"))

    def _criteria(self) -> list[float]:
        """What tells good epochs from bad ones, the lower the better; nothing where there is no validation."""
        return self._each("validation_loss") if self.score is None else [-score for score in self._each("score")]

    def _each(self, metric: str) -> list[float]:
        return [metrics[metric] for metrics in self.state.at.metrics if metric in metrics]

    def _tell(self, number: int) -> None:
        metrics = {f"{self.label}{name}": value for name, value in self.state.at.metrics[number - 1].items()}
        log.debug("epoch %d: %s", number, ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
        for run in self.runs:
            run.epoch(number, dict(metrics), number, self.schedule.epochs)


def _number(value: float, what: str) -> float:
    if not math.isfinite(value):
        raise _NotANumber(what)
    return value


def _blame(error: _NotANumber, *parts: Batched[B] | None) -> ModelError:
    """The error to raise: the data's when they hold what is not a number, else that of whoever chose the learning rate."""
    for name, tensor in (found for part in parts for found in tensors(part)):
        if tensor.is_floating_point() and (bad := int((~torch.isfinite(tensor)).sum())):
            return ModelError(
                f"'{name}' of the training rows holds {bad} values that are not finite numbers", "Fill the gaps before training."
            )
    return ModelError(f"training diverged: {error} is not a number", "Lower the learning rate, or look for extreme features.")
