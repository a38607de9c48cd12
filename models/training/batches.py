"""Training rows as tensors on one device, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass, fields
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from models.data import Float, TrainingRows

Batch_co = TypeVar("Batch_co", bound=Sized, covariant=True)


class Batched(Protocol[Batch_co]):
    """What the training loop learns from: rows that come in batches, made of tensors and plain values.

    A batch has a length, its rows; with a method ``pick(slice)`` as well, several workers can share it.
    """

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Batched[Batch_co]:
        """The same rows on ``device``."""

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch_co]:
        """Every row once, in runs of at most ``size``. All that is random (the order, negatives) is drawn from ``generator``.

        Without one, in validation, the batches are the same each time.
        """


@dataclass(frozen=True)
class Rows:
    """m training rows.

    user_features float32[m, Fu]; item_features float32[m, Fi]; items int64[m]; latest int64[m, L]; weights float32[m].
    """

    user_features: Tensor
    item_features: Tensor
    items: Tensor
    latest: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.items)

    def pick(self, which: Tensor | slice) -> Rows:
        """The rows that an index tensor or a slice names."""
        return Rows(*(getattr(self, field.name)[which] for field in fields(self)))

    def to(self, device: torch.device) -> Rows:
        """The same rows on ``device``."""
        return Rows(*(getattr(self, field.name).to(device) for field in fields(self)))

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Rows]:
        """Every row once, in runs of at most ``size`` and of nearly equal length; shuffled by ``generator`` when given.

        Equal lengths because a last batch of one row would have nothing to be told apart from.
        """
        order = torch.arange(len(self)) if generator is None else torch.randperm(len(self), generator=generator)
        for part in torch.tensor_split(order.to(self.items.device), max(1, -(-len(self) // size))):
            yield self.pick(part)


@dataclass(frozen=True)
class Scale:
    """How one set of features is standardised: mean and deviation, float32[F] each, as found in the training rows."""

    mean: Float
    deviation: Float

    @classmethod
    def of(cls, features: Float) -> Scale:
        """The scale of float32[m, F]; gaps are left out, and a constant or empty column counts as having deviation 1."""
        known = np.isfinite(features)
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, features, 0).sum(axis=0, dtype=np.float64) / counts
        spread = np.sqrt((np.where(known, features - mean, 0) ** 2).sum(axis=0) / counts)
        return cls(mean.astype(np.float32), np.where(spread > 1e-6, spread, 1).astype(np.float32))

    def apply(self, features: Float) -> Float:
        """Standardised features, 0 for a gap, cut at 5 deviations so that one outlier cannot steer a tower."""
        standard = (features - self.mean) / self.deviation
        return np.clip(np.where(np.isfinite(features), standard, 0), -5, 5).astype(np.float32)


def tensors(rows: TrainingRows, user_scale: Scale, item_scale: Scale, length: int) -> Rows:
    """``rows`` with standardised features and the last ``length`` items, on the CPU; fewer known items are padded on the left."""
    latest = rows.latest[:, -length:].astype(np.int64)
    latest = np.pad(latest, ((0, 0), (length - latest.shape[1], 0)), constant_values=-1)
    return Rows(
        torch.from_numpy(user_scale.apply(rows.user_features)),
        torch.from_numpy(item_scale.apply(rows.item_features)),
        torch.from_numpy(rows.items.astype(np.int64)),
        torch.from_numpy(latest),
        torch.from_numpy(rows.weights.astype(np.float32)),
    )
