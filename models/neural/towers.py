"""The network of the two-tower model: one tower reads a user, the other an item, and they meet in a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Layer = TypeVar("Layer", bound=nn.Module)


@dataclass(frozen=True)
class Shape:
    """All that the network's size depends on; ``length`` is how many of the latest items the user tower reads."""

    n_items: int
    code_sizes: tuple[int, ...]
    user_features: int
    item_features: int
    length: int
    dim: int


class Towers(nn.Module):
    """An item is the sum of an embedding of its own and of those of its codes; a user is a recency-weighted mean of items.

    Each tower adds to that what a two-layer perceptron makes of it together with the standardised features, so an untrained network
    already recommends items alike those in the history.
    """

    codes: Tensor

    def __init__(self, shape: Shape, codes: Tensor) -> None:
        """codes int64[n_items, C]: the item table's codes."""
        super().__init__()
        offsets = torch.tensor([sum(shape.code_sizes[:column]) for column in range(len(shape.code_sizes))], dtype=torch.int64)
        self.register_buffer("codes", codes + offsets)
        self.item = _undrawn(nn.Embedding, shape.n_items, shape.dim)
        self.code = _undrawn(nn.Embedding, max(sum(shape.code_sizes), 1), shape.dim)
        self.recency = nn.Parameter(torch.empty(shape.length))
        self.user_tower = _perceptron(shape.dim + shape.user_features, shape.dim)
        self.item_tower = _perceptron(shape.dim + shape.item_features, shape.dim)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight from ``generator``, so that neither reads nor moves torch's global state."""
        for name, parameter in self.named_parameters():
            if name == "recency":
                # exp(-rank / 3), the newest item standing last, is where learning starts
                parameter.data = -torch.arange(len(parameter) - 1, -1, -1, dtype=torch.float32) / 3
            elif name in {"item.weight", "code.weight"}:
                nn.init.normal_(parameter, std=1 / math.sqrt(parameter.shape[1]), generator=generator)
            elif parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                nn.init.zeros_(parameter)

    def embed(self, items: Tensor) -> Tensor:
        """float32[..., dim]: the embeddings of item positions int64[...]."""
        return self.item(items) + self.code(self.codes[items]).sum(dim=-2)  # type: ignore[no-any-return]

    def users(self, latest: Tensor, features: Tensor) -> Tensor:
        """float32[b, dim] of length one, from positions int64[b, length] padded with -1 and standardised float32[b, Fu]."""
        known = latest >= 0
        weights = torch.exp(self.recency) * known
        pooled = (self.embed(latest.clamp(min=0)) * weights[..., None]).sum(dim=1)
        pooled = pooled / weights.sum(dim=1, keepdim=True).clamp(min=1e-6)
        return functional.normalize(pooled + self.user_tower(torch.cat([pooled, features], dim=1)), dim=1)

    def items(self, positions: Tensor, features: Tensor) -> Tensor:
        """float32[b, dim] of length one, from positions int64[b] and standardised features float32[b, Fi]."""
        own = self.embed(positions)
        return functional.normalize(own + self.item_tower(torch.cat([own, features], dim=1)), dim=1)


def _perceptron(width: int, dim: int) -> nn.Sequential:
    return nn.Sequential(_undrawn(nn.Linear, width, 2 * dim), nn.GELU(), _undrawn(nn.Linear, 2 * dim, dim))


def _undrawn(kind: type[Layer], *sizes: int) -> Layer:
    """A layer with no weights set yet: ``initialise`` or an artifact sets them all, and drawing would move torch's global state."""
    return cast(Layer, nn.utils.skip_init(kind, *sizes))  # type: ignore[no-untyped-call]
