"""Losses of an item that was taken against sampled items that were not, by their scores: float32[b], one an example.

taken float32[b]; others float32[b, s]; strange bool[b, s]: which of the others the user never had to do with, the rest counting for
nothing.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def bce(taken: Tensor, others: Tensor, strange: Tensor) -> Tensor:
    """Binary cross-entropy: 1 for the item taken, 0 for the others (He et al., "Neural collaborative filtering", 2017, equation 7)."""
    return functional.softplus(-taken) + (functional.softplus(others) * strange).sum(dim=1)


def bpr(taken: Tensor, others: Tensor, strange: Tensor) -> Tensor:
    """-log sigmoid(taken - other), the mean over the others (Rendle et al., "BPR", UAI 2009, section 4.1)."""
    return (functional.softplus(others - taken[:, None]) * strange).sum(dim=1) / strange.sum(dim=1).clamp(min=1)
