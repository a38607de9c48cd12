"""How a sequential model learns: by ``models.fit``, which some users' newest items tell when to stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.data import Histories
from models.sequential.layers import ItemEmbedding
from models.sequential.networks import Body
from models.sequential.windows import Windows, newest

RANKS = 10
"""Training stops by NDCG@10."""
ENCODED = 1 << 15  # events that are read together
SCORED = 512  # users whose scores are held at once


class Network(nn.Module):
    """A body and the item vectors that it reads and is scored against."""

    def __init__(self, items: ItemEmbedding, body: Body) -> None:
        super().__init__()
        self.items, self.body = items, body


@dataclass(frozen=True)
class HeldOut:
    """m users whose newest item is kept from training.

    users int64[m]: their rows; known: what they did before; items int64[m]: what they took then.
    """

    users: NDArray[np.int64]
    known: Histories
    items: NDArray[np.int64]

    @classmethod
    def draw(cls, histories: Histories, most: int, seed: int) -> HeldOut:
        """At most ``most`` users, drawn among those with three events or more of which the newest took an item for the first time."""
        users = np.flatnonzero(_newest_is_new(histories))
        if len(users) > most:
            users = np.sort(np.random.default_rng(seed).choice(users, most, replace=False))
        before = np.diff(histories.indptr)[users] - 1
        indptr = np.concatenate([[0], np.cumsum(before)])
        source = np.repeat(histories.indptr[users] - indptr[:-1], before) + np.arange(indptr[-1])
        taken = None if histories.taken is None else histories.taken[source]
        known = Histories(indptr, histories.items[source], histories.weights[source], histories.ages[source], None, taken)
        return cls(users, known, histories.items[histories.indptr[1:][users] - 1].astype(np.int64))

    def stops(self, histories: Histories) -> NDArray[np.int64]:
        """int64[n_users]: where the events end that training may see."""
        stops = histories.indptr[1:].copy()
        stops[self.users] -= 1
        return stops


def _newest_is_new(histories: Histories) -> NDArray[np.bool_]:
    """bool[n_users]: whether a user's newest event took an item that they had not taken before, and two events are left without it."""
    counts, events = np.diff(histories.indptr), np.arange(len(histories.items))
    taken = np.ones(len(events), dtype=np.bool_) if histories.taken is None else histories.taken
    users = np.repeat(np.arange(histories.n_users), counts)
    last = histories.indptr[1:][users] - 1
    again = taken & (events < last) & (histories.items == histories.items[last])
    found: NDArray[np.bool_] = (counts > 2) & (np.bincount(users[again], minlength=histories.n_users) == 0)
    found[found] = taken[histories.indptr[1:][found] - 1]
    return found


@torch.no_grad()
def encoded(body: Body, vectors: Tensor, asking: Windows) -> Tensor:
    """float32[n, dim]: the state that scores what follows each window; 0 where the window is empty."""
    states = vectors.new_zeros(len(asking.lengths), vectors.shape[1])
    if len(asking):
        for batch in asking.batches(ENCODED):
            states[batch.rows] = body.last(vectors, batch) * (batch.lengths > 0)[:, None]
    return states


class Foretelling:
    """NDCG@10 of a network at foretelling what was held out, ranked among all items but those that the user had taken."""

    def __init__(self, network: Network, held_out: HeldOut, device: torch.device) -> None:
        self.network = network
        self.asking = newest(held_out.known, held_out.known.indptr[1:], network.body.reads).to(device)
        self.items = torch.from_numpy(held_out.items).to(device)
        seen = held_out.known.only_taken()
        self.indptr, self.seen = seen.indptr, torch.from_numpy(seen.items.astype(np.int64)).to(device)

    @torch.no_grad()
    def __call__(self) -> float:
        vectors = self.network.items()
        states = encoded(self.network.body, vectors, self.asking)
        starts = range(0, len(states), SCORED)
        return sum(self._gain(states, vectors, start, min(start + SCORED, len(states))) for start in starts) / len(states)

    def _gain(self, states: Tensor, vectors: Tensor, start: int, stop: int) -> float:
        """The sum over some users of 1 / log2(1 + rank), which is all of NDCG where one item is right; equal scores count as better."""
        scores, right = states[start:stop] @ vectors.T, self.items[start:stop, None]
        rows = np.repeat(np.arange(stop - start), np.diff(self.indptr[start : stop + 1]))
        scores[torch.from_numpy(rows).to(scores.device), self.seen[self.indptr[start] : self.indptr[stop]]] = -torch.inf
        rank = (scores >= scores.gather(1, right)).sum(dim=1)
        return float(((rank <= RANKS) / torch.log2(1.0 + rank)).sum())
