"""What reads a window from its first event to its last: gated recurrence, or blocks of self-attention.

Both scale up the vectors that they read: scoring wants short ones (Vaswani et al., "Attention is all you need", 2017, section 3.4).
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.sequential.layers import Dropout, undrawn
from models.sequential.windows import GAP_BUCKETS


class Recurrence(nn.Module):
    """Gated recurrent layers, as in GRU4Rec; with ``gaps`` they are told the time since the event before."""

    def __init__(self, dim: int, layers: int, dropout: float, gaps: bool) -> None:
        super().__init__()
        self.gap = nn.Parameter(torch.empty(GAP_BUCKETS, dim)) if gaps else None
        self.layers = nn.ModuleList(undrawn(nn.GRU, dim, dim, batch_first=True) for _ in range(layers))
        self.dropout = Dropout(dropout)
        self.norm = undrawn(nn.LayerNorm, dim)

    def forward(self, vectors: Tensor, gaps: Tensor) -> Tensor:
        """float32[b, w, dim]: what is known after each event, from float32[b, w, dim] and buckets int64[b, w]."""
        told = vectors if self.gap is None else vectors + functional.embedding(gaps, self.gap)
        states = self.dropout(told * math.sqrt(told.shape[2]))
        for layer in self.layers:
            states = self.dropout(layer(states)[0])
        return cast(Tensor, self.norm(states))


class Transformer(nn.Module):
    """Blocks of self-attention over vectors that say which item it was, at which place, and with ``gaps`` how long after the one before."""

    def __init__(self, length: int, dim: int, layers: int, heads: int, dropout: float, gaps: bool) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.empty(length, dim))
        self.gap = nn.Parameter(torch.empty(GAP_BUCKETS, dim)) if gaps else None
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm = undrawn(nn.LayerNorm, dim)

    def forward(self, vectors: Tensor, gaps: Tensor, real: Tensor | None = None) -> Tensor:
        """float32[b, w, dim], from float32[b, w, dim] and buckets int64[b, w].

        With ``real`` bool[b, w] each event looks at all real ones, without it at those up to itself.
        """
        told = vectors + self.place[: vectors.shape[1]]
        told = told if self.gap is None else told + functional.embedding(gaps, self.gap)
        states = self.dropout(told * math.sqrt(told.shape[2]))
        for block in self.blocks:
            states = block(states, real)
        return cast(Tensor, self.norm(states))


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each reading a normalised copy and adding to what came in.

    Pre-norm (Xiong et al., "On layer normalization in the transformer architecture", ICML 2020).
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = undrawn(nn.LayerNorm, dim)
        self.head = -(-dim // heads)  # numbers a head; together the heads may be a little wider than ``dim``
        self.projections = undrawn(nn.Linear, dim, 3 * heads * self.head)
        self.mixed = undrawn(nn.Linear, heads * self.head, dim)
        self.before_feed = undrawn(nn.LayerNorm, dim)
        self.feed = nn.Sequential(undrawn(nn.Linear, dim, 4 * dim), nn.GELU(), Dropout(dropout), undrawn(nn.Linear, 4 * dim, dim))
        self.dropout = Dropout(dropout)

    def forward(self, states: Tensor, real: Tensor | None) -> Tensor:
        """float32[b, w, dim]; ``real`` as in ``Transformer``."""
        states = states + self.dropout(self._attend(self.before_attention(states), real))
        return cast(Tensor, states + self.dropout(self.feed(self.before_feed(states))))

    def _attend(self, states: Tensor, real: Tensor | None) -> Tensor:
        b, w, _ = states.shape
        query, key, value = self.projections(states).view(b, w, 3, self.heads, self.head).permute(2, 0, 3, 1, 4)
        mask = None if real is None else real[:, None, None, :]
        found = functional.scaled_dot_product_attention(query, key, value, mask, is_causal=real is None)
        return cast(Tensor, self.mixed(found.transpose(1, 2).reshape(b, w, self.heads * self.head)))
