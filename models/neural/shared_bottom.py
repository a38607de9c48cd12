"""The network of the multi-task model: what all tasks share, and one head each."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class SharedBottom(nn.Module):
    """One item embedding and one user representation for all tasks, a matrix and item biases of its own for each (Caruana, "Multitask
    learning", 1997).

    A head's score is a product with the item embedding, so any weighted sum of heads is one too.
    """

    def __init__(self, n_items: int, n_tasks: int, dim: int) -> None:
        """Weights are not set: ``initialise`` or an artifact sets them."""
        super().__init__()
        self.item = nn.Parameter(torch.empty(n_items, dim))
        self.inner = nn.Parameter(torch.empty(2 * dim, dim))
        self.inner_offset = nn.Parameter(torch.empty(2 * dim))
        self.outer = nn.Parameter(torch.empty(dim, 2 * dim))
        self.heads = nn.Parameter(torch.empty(n_tasks, dim, dim))
        self.biases = nn.Parameter(torch.empty(n_tasks, n_items))
        self.log_variances = nn.Parameter(torch.empty(n_tasks))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every weight from ``generator``; the heads start alike, as the plain product of user and item."""
        nn.init.normal_(self.item, std=1 / math.sqrt(self.item.shape[1]), generator=generator)
        nn.init.xavier_uniform_(self.inner, generator=generator)
        for zero in (self.inner_offset, self.outer, self.biases, self.log_variances):
            nn.init.zeros_(zero)
        with torch.no_grad():
            self.heads.copy_(torch.eye(self.heads.shape[1]))

    def users(self, before: Tensor, shares: Tensor) -> Tensor:
        """float32[b, dim]: what the tasks share of users who did items int64[b, w], which count by float32[b, w]."""
        return self.shared(functional.embedding_bag(before, self.item, per_sample_weights=shares, mode="sum"))

    def shared(self, pooled: Tensor) -> Tensor:
        """float32[b, dim]: the pooled history and what a layer makes of it."""
        return pooled + functional.relu(pooled @ self.inner.T + self.inner_offset) @ self.outer.T

    def forward(self, users: Tensor, items: Tensor, tasks: Tensor) -> Tensor:
        """float32[b, s]: the log-odds of each user float32[b, dim] doing their task int64[b] with each of their items int64[b, s]."""
        queries = torch.einsum("bd,ted->bte", users, self.heads)[torch.arange(len(tasks), device=tasks.device), tasks]
        return (queries[:, None] * self.item[items]).sum(dim=-1) + self.biases[tasks[:, None], items]

    def uncertain(self, losses: Tensor, present: Tensor) -> Tensor:
        """The sum of exp(-s) loss + s / 2 over the tasks that are present bool[t], s the log variance that is learnt for each (Kendall, Gal
        and Cipolla 2018, equation 10 and section 3.2). Without a loss to hold it a variance would fall for ever."""
        return ((torch.exp(-self.log_variances) * losses + self.log_variances / 2) * present).sum()
