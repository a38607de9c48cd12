"""A training small enough to run many times: a network with dropout, tied to nothing but its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from models.fit import Fitted, Run, Schedule, train
from models.training.batches import Rows

CPU = torch.device("cpu")
SCHEDULE = Schedule(epochs=6, batch_size=16, learning_rate=0.02, weight_decay=0.01, patience=3, seed=5, decay="plateau", warmup=0.1)


def rows(seed: int, count: int = 100) -> Rows:
    """Rows whose features are random and whose weights are a noisy sum of them: something to learn, and to overfit."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=generator)
    target = x.sum(dim=1) + torch.randn(count, generator=generator)
    return Rows(x, torch.zeros(count, 0), torch.arange(count), torch.zeros(count, 0, dtype=torch.int64), target)


def network(seed: int = 1, dropout: float = 0.3, norm: bool = True) -> nn.Sequential:
    """norm: with a batch norm, which has state beside its weights, and which sees a worker's part of a batch only."""
    made = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8) if norm else nn.Identity(), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1))
    generator = torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 3
    return made


def squared(made: nn.Module) -> Callable[[Rows], Tensor]:
    return lambda batch: ((made(batch.user_features)[:, 0] - batch.weights) ** 2).mean()


class Killed(BaseException):
    """What no code may catch."""


@dataclass
class Told:
    """A run that remembers what it was told."""

    epochs: list[tuple[int, dict[str, float], int, int]] = field(default_factory=list)

    def epoch(self, number: int, metrics: dict[str, float], done: int, total: int) -> None:
        self.epochs.append((number, metrics, done, total))

    def each(self, name: str) -> list[float]:
        return [metrics[name] for _, metrics, _, _ in self.epochs]


def fit(
    made: nn.Module, schedule: Schedule = SCHEDULE, die_at: int = 0, data: Rows | None = None, run: Run | None = None
) -> tuple[Fitted, dict[str, Tensor]]:
    """Train on ``rows(0)``; ``die_at``: the step, from 1, in which the process is killed. Returns the weights too."""
    loss, steps = squared(made), 0

    def fragile(batch: Rows) -> Tensor:
        nonlocal steps
        steps += made.training
        if steps == die_at:
            raise Killed
        return loss(batch)

    fitted = train(made, fragile, data or rows(0), rows(9, 40), schedule, CPU, run=run)
    return fitted, {name: value.clone() for name, value in made.state_dict().items()}


def without_seconds(told: Told) -> list[tuple[int, dict[str, float], int, int]]:
    """How long it took is the one thing that is never the same twice."""
    return [(number, {k: v for k, v in metrics.items() if k != "seconds"}, done, total) for number, metrics, done, total in told.epochs]


def longer(epochs: int) -> Schedule:
    return replace(SCHEDULE, epochs=epochs)
