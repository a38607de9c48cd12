"""The network of neural collaborative filtering: a product of user and item, and a perceptron that reads both."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class NeuMF(nn.Module):
    """Generalised matrix factorisation beside a multi-layer perceptron, their outputs added up (He et al. 2017, section 3.4).

    The first layer of the perceptron is kept in two halves, one that reads the user and one that reads the item: what each comes to is
    the same for all pairs, so it is computed once a user and once an item.
    """

    def __init__(self, n_items: int, dim: int, layers: tuple[int, ...], dropout: float) -> None:
        """Weights are not set: ``initialise`` or an artifact sets them."""
        super().__init__()
        self.item = nn.Parameter(torch.empty(n_items, dim))
        self.product = nn.Parameter(torch.empty(dim))
        self.user_half = nn.Parameter(torch.empty(layers[0], dim))
        self.item_half = nn.Parameter(torch.empty(layers[0], dim))
        self.item_offset = nn.Parameter(torch.empty(layers[0]))
        widths = (*layers, 1)
        self.weights = nn.ParameterList(torch.empty(narrow, wide) for wide, narrow in pairwise(widths))
        self.offsets = nn.ParameterList(torch.empty(width) for width in widths[1:])
        self.dropout = dropout

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight from ``generator``; the product starts as the plain one."""
        for name, parameter in self.named_parameters():
            if name == "item":
                nn.init.normal_(parameter, std=1 / math.sqrt(parameter.shape[1]), generator=generator)
            elif parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                nn.init.constant_(parameter, 1.0 if name == "product" else 0.0)

    def users(self, before: Tensor, shares: Tensor) -> Tensor:
        """float32[b, dim]: the pooled embeddings of items int64[b, w] by float32[b, w]."""
        return functional.embedding_bag(before, self.item, per_sample_weights=shares, mode="sum")

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """float32[b, s]: the score of each user float32[b, dim] with each of its items int64[b, s]."""
        vectors = self.item[items]
        state = (users @ self.user_half.T)[:, None] + vectors @ self.item_half.T + self.item_offset
        for weight, offset in zip(self.weights, self.offsets, strict=True):
            state = functional.dropout(functional.relu(state), self.dropout, self.training)
            state = functional.linear(state, weight, offset)
        return state[..., 0] + ((users * self.product)[:, None] * vectors).sum(dim=-1)
