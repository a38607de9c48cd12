"""Training examples of the models that pool histories: an event, what its user had done before, and items they never had to do with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import Histories

HALF_LIVES = 10  # of a history are read in training: what lies further back has less than a thousandth of the newest event's weight

MIN_HELD_OUT = 20  # examples; below that their loss is noise and every epoch is run


@dataclass(frozen=True)
class Batch:
    """b events to be foretold from what came before them.

    items int64[b]; kinds int64[b]: a label each, here always 0 or the task; weights float32[b]; before int64[b, w]: the items of the
    user's earlier events, newest first; shares float32[b, w]: how much each counts, 1 in sum, 0 in the padding; others int64[b, s]: sampled
    items; strange bool[b, s]: whether the user never had to do with them.
    """

    items: Tensor
    kinds: Tensor
    weights: Tensor
    before: Tensor
    shares: Tensor
    others: Tensor
    strange: Tensor

    def __len__(self) -> int:
        return len(self.items)

    def pick(self, which: slice) -> Batch:
        """The events that a slice names."""
        return Batch(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True)
class Examples:
    """Some events of all users, each an example; ``batches`` draws the sampled items anew each time.

    items int64[nnz], weights float32[nnz] and kinds int64[nnz]: of all events, users one after the other; places int64[m]: which of them
    are the examples; begins int64[nnz]: where the user of each event begins; met int64[...]: user * n_items + item of all that met,
    ascending, and users int64[nnz]; chances float64[n_items]: cumulated, of being sampled; decay float32[w]: the weight of the newest
    event, the one before it, and so on; sampled: how many items each example is given.
    """

    items: Tensor
    weights: Tensor
    kinds: Tensor
    users: Tensor
    begins: Tensor
    met: Tensor
    chances: Tensor
    decay: Tensor
    places: Tensor
    sampled: int

    @classmethod
    def of(cls, histories: Histories, kinds: NDArray[np.int64], n_items: int, half_life: float, sampled: int, power: float) -> Self:
        """Every event with a kind that is not negative. Items are sampled in proportion to how often they were met, to the ``power``."""
        counts = np.diff(histories.indptr)
        users = np.repeat(np.arange(histories.n_users), counts)
        items = histories.items.astype(np.int64)
        popularity = np.bincount(items, minlength=n_items) ** power
        width = max(1, min(int(counts.max(initial=0)), int(np.ceil(HALF_LIVES * half_life))))
        return cls(
            torch.from_numpy(items),
            torch.from_numpy(histories.weights.astype(np.float32)),
            torch.from_numpy(kinds.astype(np.int64)),
            torch.from_numpy(users),
            torch.from_numpy(np.repeat(histories.indptr[:-1], counts)),
            torch.from_numpy(np.unique(users * n_items + items)),
            torch.from_numpy(np.cumsum(popularity / popularity.sum())),
            torch.from_numpy(np.exp2(-np.arange(width) / half_life).astype(np.float32)),
            torch.from_numpy(np.flatnonzero(kinds >= 0)),
            sampled,
        )

    def __len__(self) -> int:
        return len(self.places)

    def split(self, share: float, seed: int) -> tuple[Examples, Examples | None]:
        """The last example of about a ``share`` of the users, held out, and all others; nothing is when that would be too few to tell."""
        users = self.users[self.places]
        ends, goes_on = torch.ones(len(users), dtype=torch.bool), torch.zeros(len(users), dtype=torch.bool)
        ends[:-1], goes_on[1:] = users[1:] != users[:-1], users[1:] == users[:-1]
        chosen = torch.rand(len(users), generator=torch.Generator().manual_seed(seed)) < share
        held_out = ends & goes_on & chosen  # who has one example only keeps it
        if int(held_out.sum()) < MIN_HELD_OUT:
            return self, None
        return replace(self, places=self.places[~held_out]), replace(self, places=self.places[held_out])

    def to(self, device: torch.device) -> Examples:
        """The same examples on ``device``."""
        moved = {field.name: getattr(self, field.name).to(device) for field in fields(self) if field.name != "sampled"}
        return replace(self, **moved)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """Every example once, in runs of at most ``size``; order and sampled items from ``generator``, without one always the same."""
        order = torch.arange(len(self)) if generator is None else torch.randperm(len(self), generator=generator)
        drawing = torch.Generator().manual_seed(0) if generator is None else generator
        for part in torch.tensor_split(order, max(1, -(-len(self) // size))):
            yield self._batch(self.places[part.to(self.places.device)], torch.rand(len(part), self.sampled, generator=drawing))

    def _batch(self, places: Tensor, drawn: Tensor) -> Batch:
        events = self.items[places], self.kinds[places], self.weights[places]
        return Batch(*events, *self._before(places), *self._sampled(self.users[places], drawn))

    def _before(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """The items before each of ``places``, and their shares."""
        source = places[:, None] - 1 - torch.arange(len(self.decay), device=places.device)
        real = source >= self.begins[places][:, None]
        source = source.clamp(min=0)
        counts = torch.where(real, self.weights[source] * self.decay, 0)
        # a user's first event has nothing before it, and nothing over nothing is to be nothing
        shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        return torch.where(real, self.items[source], 0), shares

    def _sampled(self, users: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """The items that numbers between 0 and 1 stand for, and whether each is strange to its user."""
        others = torch.searchsorted(self.chances, drawn.to(self.chances)).clamp(max=len(self.chances) - 1)
        pairs = users[:, None] * len(self.chances) + others
        nearest = torch.searchsorted(self.met, pairs).clamp(max=len(self.met) - 1)
        return others, self.met[nearest] != pairs
