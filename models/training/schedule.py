"""How long and how boldly a torch model trains, and its learning rate at every moment of that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from models.base import require


@dataclass(frozen=True)
class Schedule:
    """Of a training by AdamW.

    batch_size: rows; patience: epochs in a row that bring nothing better before training stops; seed: of shuffling and of dropout; clip:
    the largest norm of a step's gradient. decay: what becomes of the learning rate, ``plateau`` halving it when half the patience is used
    up, ``cosine`` taking it to 0 over all epochs; warmup: share of all steps in which it first rises from 0. threads: of torch on a CPU.
    Layers this small are as fast on one as on two, and several times slower on two when another process wants a core; and the weights
    depend on their number. Raises ModelError for a value out of range.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    seed: int
    clip: float = 1.0
    decay: Literal["none", "plateau", "cosine"] = "none"
    warmup: float = 0.0
    threads: int = 1

    def __post_init__(self) -> None:
        counts = self.epochs, self.batch_size, self.patience, self.threads
        require(min(counts) > 0, "epochs, batch_size, patience and threads must be positive")
        require(self.learning_rate > 0 and self.clip > 0, "learning_rate and clip must be positive")
        require(self.weight_decay >= 0, f"weight_decay must not be negative, not {self.weight_decay}")
        require(0 <= self.warmup < 1, f"warmup must be a share below 1, not {self.warmup}")
        require(self.decay in {"none", "plateau", "cosine"}, f"decay must be none, plateau or cosine, not '{self.decay}'")


def learning_rate(schedule: Schedule, progress: float, criteria: Sequence[float]) -> float:
    """The rate at ``progress``, the share of all steps that is behind, after epochs that scored ``criteria`` (the lower the better).

    A function of these alone, so a training that is taken up again needs no state of it. The cosine is that of Loshchilov and Hutter,
    "SGDR: stochastic gradient descent with warm restarts" (ICLR 2017, equation 5), without a restart.
    """
    rate = schedule.learning_rate
    if schedule.decay == "plateau":
        rate *= 0.5 ** plateaus(criteria, max(1, schedule.patience // 2))
    if progress < schedule.warmup:
        return rate * progress / schedule.warmup
    if schedule.decay == "cosine":
        rate *= (1 + math.cos(math.pi * (progress - schedule.warmup) / (1 - schedule.warmup))) / 2
    return rate


def plateaus(criteria: Sequence[float], wait: int) -> int:
    """How often ``wait`` epochs in a row brought nothing better: when torch's ``ReduceLROnPlateau(patience=wait - 1)`` reduces."""
    best, idle, found = math.inf, 0, 0
    for criterion in criteria:
        idle = 0 if criterion < best else idle + 1
        best = min(best, criterion)
        if idle == wait:
            found, idle = found + 1, 0
    return found
