"""What a sequential model minimises: one of four losses, and the negatives that three of them sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from models.sequential.networks import Predictions
from models.sequential.windows import Batch
from models.training.losses import bce, full_softmax, gbce, softmax_over_negatives

Loss = Literal["softmax", "sampled_softmax", "gbce", "bce"]


@dataclass(frozen=True)
class Objective:
    """One of the losses. chances float64[n_items]: those of being drawn as a negative; ``negatives``: how many a batch shares."""

    loss: Loss
    chances: Tensor
    negatives: int
    calibration: float

    def __call__(self, asked: Predictions, vectors: Tensor, batch: Batch) -> Tensor:
        """The mean loss over the predictions of a batch, with item vectors float32[n_items, dim]."""
        what = asked.states, vectors, asked.items, asked.weights
        if self.loss == "softmax":
            return full_softmax(*what)
        if self.loss == "bce":
            negatives = self._draw(len(asked.items))
            met = ((batch.items[asked.rows] == negatives[:, None]) & batch.real[asked.rows]).any(dim=1)
            return bce(*what, negatives, ~met)
        negatives = self._draw(self.negatives)
        if self.loss == "gbce":
            return gbce(*what, negatives, self.calibration)
        return softmax_over_negatives(*what, negatives, self.chances[negatives].log().float())

    def _draw(self, count: int) -> Tensor:
        """int64[count]: items drawn by their chances."""
        points = torch.rand(count, dtype=torch.float64, device=self.chances.device)
        return torch.searchsorted(self.chances.cumsum(0), points).clamp(max=len(self.chances) - 1)
