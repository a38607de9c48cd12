"""One question to many item vectors: who asks, what may be answered, and the lists as they are filled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.data import Float, Histories, Positions
from models.kernels import score_again, search, sort_rows
from models.parallel import cores, in_slices
from models.retrieval.item_vectors import ItemVectors
from outfitter.errors import ModelError

SLICE = 4096  # users a thread takes at a time: many, since few of them are left where the items are short
FEW = 64  # users a thread takes at least


@dataclass(frozen=True)
class Retrieval:
    """The best k items of n users, in the making.

    queries float32[n, d] and their lengths float64[n]; allowed bool[n_items]; indptr, hidden: in CSR rows, ascending, the positions
    a user must not be given; found int32[n, k] and scores float32[n, k]: the lists, which start as padding.
    """

    items: ItemVectors
    queries: Float
    lengths: NDArray[np.float64]
    allowed: NDArray[np.bool_]
    indptr: NDArray[np.int64]
    hidden: Positions
    found: Positions
    scores: Float

    @classmethod
    def of(
        cls, queries: Float, vectors: Float | ItemVectors, k: int, available: NDArray[np.bool_] | None, seen: Histories | None
    ) -> Retrieval:
        """Raises ModelError for what does not fit together and for what is not finite."""
        items = vectors if isinstance(vectors, ItemVectors) else ItemVectors.of(vectors)
        allowed = admissible(k, available, items.n_items)
        queries, lengths = items.checked(queries)
        n_users = len(queries)
        lists = np.full((n_users, k), -1, dtype=np.int32), np.full((n_users, k), -np.inf, dtype=np.float32)
        return cls(items, queries, lengths, allowed, *hidden_rows(seen, n_users), *lists)

    def without_unavailable(self) -> Retrieval:
        """The same question to fewer vectors, for the same lists: worth a copy of them where many ask."""
        return replace(self, items=self.items.only(self.allowed))

    def offer(self, users: slice, places: NDArray[np.int64]) -> None:
        """Put the vectors at ``places``, int64[len(users), m] padded with -1, into the lists where they are admissible."""
        rows = self.indptr[users.start : users.stop + 1]
        lists = self.found[users], self.scores[users]
        score_again(self.queries[users], self.items.vectors, self.items.order, places, self.allowed, rows, self.hidden, *lists)

    def settle(self, users: NDArray[np.int64], prune: bool = True) -> None:
        """Find the exact lists of ``users``, whatever was offered to them, on all cores."""
        self.found[users], self.scores[users] = -1, -np.inf

        def work(some: slice) -> None:
            search(
                self.queries,
                self.lengths,
                self.items.vectors,
                self.items.lengths,
                self.items.order,
                self.allowed,
                self.indptr,
                self.hidden,
                self.items.slack,
                prune,
                users[some],
                self.found,
                self.scores,
            )

        in_slices(work, len(users), min(SLICE, max(FEW, -(-len(users) // cores()))))


def admissible(k: int, available: NDArray[np.bool_] | None, n_items: int) -> NDArray[np.bool_]:
    """bool[n_items]: all when nothing is said. Raises ModelError for another shape, and when k < 1."""
    if not isinstance(k, int | np.integer) or k < 1:
        raise ModelError(f"{k} items were asked for", "Ask for a whole number of them, at least one")
    allowed = np.ones(n_items, dtype=np.bool_) if available is None else np.ascontiguousarray(available, dtype=np.bool_)
    if allowed.shape != (n_items,):
        raise ModelError(f"availability has shape {allowed.shape}, the model knows {n_items} items")
    return allowed


def hidden_rows(seen: Histories | None, n_users: int) -> tuple[NDArray[np.int64], Positions]:
    """CSR rows of the positions in ``seen``, ascending. Raises ModelError for another number of users."""
    if seen is None:
        return np.zeros(n_users + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    if seen.n_users != n_users:
        raise ModelError(f"histories of {seen.n_users} users were given for {n_users} users")
    ordered = seen.items.copy()
    sort_rows(seen.indptr, ordered)
    return seen.indptr, ordered
