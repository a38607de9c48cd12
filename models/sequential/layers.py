"""The small parts that the sequential models are built of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

Layer = TypeVar("Layer", bound=nn.Module)
DEVIATION = 0.02
"""Of all weights at first, as BERT has it: what a history ends with then passes through the layers, and is not lost in what they make of
the rest of it; and an item that nobody took is little more than its attributes."""


class Dropout(nn.Module):
    """In training a ``share`` of all values becomes 0 and the others grow by as much.

    One random byte decides each value, so the share is rounded to 1/256: on a CPU torch's own takes longer than the layers around it.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.cut = round(256 * share)

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.cut == 0:
            return values
        words = torch.empty(-(-values.numel() // 8), dtype=torch.int64, device=values.device)
        drawn = words.random_(-(2**63), 2**63 - 1).view(torch.uint8)[: values.numel()].view(values.shape)
        return values * (drawn >= self.cut).to(values.dtype).mul_(256 / (256 - self.cut))


class ItemEmbedding(nn.Module):
    """One vector an item, read as input and scored against as output: its own, plus the mean of those of its attributes."""

    names: Tensor
    starts: Tensor

    def __init__(self, n_items: int, dim: int, attributes: sparse.csr_matrix | None) -> None:
        super().__init__()
        self.item = nn.Parameter(torch.empty(n_items, dim))
        self.attribute = None if attributes is None else nn.Parameter(torch.empty(attributes.shape[1], dim))
        if attributes is not None:
            self.register_buffer("names", torch.from_numpy(attributes.indices.astype(np.int64)), persistent=False)
            self.register_buffer("starts", torch.from_numpy(attributes.indptr[:-1].astype(np.int64)), persistent=False)

    def forward(self) -> Tensor:
        """float32[n_items, dim]."""
        if self.attribute is None:
            return self.item
        return self.item + functional.embedding_bag(self.names, self.attribute, self.starts, mode="mean")


def undrawn(kind: Callable[..., Layer], *sizes: int, **options: bool) -> Layer:
    """A layer with no weights set yet: ``initialise`` or an artifact sets them all, and drawing would move torch's global state."""
    return kind(*sizes, **options, device="meta").to_empty(device="cpu")


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight from ``generator``, normal and cut at two deviations; biases begin at 0 and the scales of norms at 1."""
    for module in network.modules():
        for name, weight in module.named_parameters(recurse=False):
            if weight.ndim == 1:
                nn.init.constant_(weight, float(isinstance(module, nn.LayerNorm) and name == "weight"))
            else:
                nn.init.trunc_normal_(weight, std=DEVIATION, a=-2 * DEVIATION, b=2 * DEVIATION, generator=generator)
