"""The sequential models as networks: what a batch of windows has to teach, and the state with which a history asks for the next item."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.sequential.readers import Recurrence, Transformer
from models.sequential.windows import Batch

ONLY_LAST = 0.5
"""Share of a cloze's windows in which nothing but the last event is hidden, as it is when somebody asks."""


@dataclass(frozen=True)
class Predictions:
    """p states float32[p, dim] and for each the item int64[p] that should score highest; ``score``, their product with its vector.

    rows int64[p]: the place of its window in the batch; weights float32[p].
    """

    states: Tensor
    items: Tensor
    rows: Tensor
    weights: Tensor


class Body(nn.Module):
    """All of a sequential model but its item vectors, float32[n_items, dim], which its methods take.

    width: events in a training window, of which the last ``overlap`` begin the next one as well; reads: how many of a history's last
    events count when somebody asks.
    """

    width: int
    overlap: int
    reads: int

    @abstractmethod
    def predictions(self, vectors: Tensor, batch: Batch) -> Predictions:
        """What a batch has to teach."""

    @abstractmethod
    def last(self, vectors: Tensor, batch: Batch) -> Tensor:
        """float32[b, dim]: the states that score what follows each window."""


class NextItem(Body):
    """A reader that looks back alone, so that each event can be asked for the next one: GRU4Rec and SASRec."""

    def __init__(self, reader: Recurrence | Transformer, length: int) -> None:
        super().__init__()
        self.reader = reader
        self.width, self.overlap, self.reads = length + 1, 1, length

    def predictions(self, vectors: Tensor, batch: Batch) -> Predictions:
        asked = batch.real[:, 1:]
        states = self.reader(functional.embedding(batch.items[:, :-1], vectors), batch.gaps[:, :-1])
        return Predictions(states[asked], batch.items[:, 1:][asked], asked.nonzero()[:, 0], batch.weights[:, 1:][asked])

    def last(self, vectors: Tensor, batch: Batch) -> Tensor:
        states: Tensor = self.reader(functional.embedding(batch.items, vectors), batch.gaps)
        return states[torch.arange(len(states), device=states.device), batch.lengths - 1]


class Cloze(Body):
    """A reader that looks both ways and fills in events that were hidden from it: BERT4Rec.

    In training a ``masked`` share of the events is hidden, or only the last; whoever asks puts a hidden event behind the history.
    """

    def __init__(self, reader: Transformer, length: int, dim: int, masked: float) -> None:
        super().__init__()
        self.reader = reader
        self.masked = masked
        self.mask = nn.Parameter(torch.empty(1, dim))
        self.width, self.overlap, self.reads = length, 0, length - 1

    def predictions(self, vectors: Tensor, batch: Batch) -> Predictions:
        chance = torch.rand(batch.items.shape, device=batch.items.device)
        last = torch.arange(batch.items.shape[1], device=batch.items.device) == batch.lengths[:, None] - 1
        hidden = torch.where(torch.rand_like(chance[:, :1]) < ONLY_LAST, last, (chance < self.masked) & batch.real)
        states = self._states(vectors, batch.items, batch.gaps, hidden, batch.real)
        return Predictions(states[hidden], batch.items[hidden], hidden.nonzero()[:, 0], batch.weights[hidden])

    def last(self, vectors: Tensor, batch: Batch) -> Tensor:
        place = torch.arange(batch.items.shape[1] + 1, device=batch.items.device)
        asked, real = place == batch.lengths[:, None], place <= batch.lengths[:, None]
        items, gaps = functional.pad(batch.items, (0, 1)), functional.pad(batch.gaps, (0, 1))
        return self._states(vectors, items, gaps, asked, real)[asked]

    def _states(self, vectors: Tensor, items: Tensor, gaps: Tensor, hidden: Tensor, real: Tensor) -> Tensor:
        """Nothing is known of a hidden event, neither its item nor its time."""
        told = torch.where(hidden[..., None], self.mask, functional.embedding(items, vectors))
        states: Tensor = self.reader(told, gaps * ~hidden, real)
        return states
