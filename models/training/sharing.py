"""One training by several processes: each computes a part of every batch, and all make the same step."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from models.base import require

B = TypeVar("B", bound=Sized)


@dataclass(frozen=True)
class Workers:
    """This process, number ``rank`` of ``size``; alone where torch has no process group."""

    rank: int
    size: int

    @classmethod
    def present(cls) -> Workers:
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls(0, 1)

    def part(self, batch: B) -> B:
        """Every ``size``-th row of a batch, from ``rank`` on. Raises ModelError when the batch cannot be divided, or a part is empty."""
        if self.size == 1:
            return batch
        pick = getattr(batch, "pick", None)
        require(pick is not None, f"{type(batch).__name__} has no method 'pick', so several workers cannot share a batch")
        require(len(batch) >= self.size, f"a batch of {len(batch)} rows cannot be shared by {self.size} workers")
        return pick(slice(self.rank, None, self.size))  # type: ignore[no-any-return, misc]

    def average(self, parameters: Iterable[nn.Parameter], share: float) -> None:
        """Make each gradient the mean over all rows of a batch, of which this worker's part is ``share``."""
        if self.size == 1:
            return
        learning = [parameter for parameter in parameters if parameter.requires_grad]
        grads = [torch.zeros_like(one) if one.grad is None else one.grad for one in learning]
        flat = torch.cat([grad.reshape(-1) for grad in grads]) * share
        distributed.all_reduce(flat)
        for parameter, mean in zip(learning, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
            parameter.grad = mean.view_as(parameter)

    def sum(self, value: Tensor) -> Tensor:
        """The sum of every worker's value: the same number on all, so all decide alike."""
        if self.size > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value
