"""The arrays a model trains on and answers from. Users are rows, items are positions in ``item_ids``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from outfitter.errors import ModelError

Float = NDArray[np.float32]
Positions = NDArray[np.int32]


@dataclass(frozen=True)
class Histories:
    """What each of n users did, oldest first, as CSR rows; an item may stand in a row more than once.

    indptr int64[n+1]; items int32[nnz] positions; weights float32[nnz] > 0, the event's confidence; ages float32[nnz] >= 0, days
    before the moment the question is asked; features float32[n, F] the users' profile in the order of the feature list, or None;
    taken bool[nnz]: whether the user took the item (a target event) rather than looked at it, all when None. events int8[nnz]: which of
    ``outfitter.schema.EVENTS`` it was, not known when None. values float32[nnz]: a rating's stars, NaN where the event has none.
    """

    indptr: NDArray[np.int64]
    items: Positions
    weights: Float
    ages: Float
    features: Float | None = None
    taken: NDArray[np.bool_] | None = None
    events: NDArray[np.int8] | None = None
    values: Float | None = None

    @property
    def n_users(self) -> int:
        return len(self.indptr) - 1

    def check(self, n_items: int) -> None:
        """Raises ModelError, naming the event, for what the compiled loops would take for memory: they check nothing themselves."""
        self._check_rows()
        faults = {
            f"names an item that is none of 0 to {n_items - 1}": (self.items < 0) | (self.items >= n_items),
            "has a weight that is no positive number": ~(np.isfinite(self.weights) & (self.weights > 0)),
            "has an age that is no number of days": ~np.isfinite(self.ages),
        }
        for what, wrong in faults.items():
            if wrong.any():
                event = int(np.argmax(wrong))
                values = f"item {self.items[event]}, weight {self.weights[event]}, age {self.ages[event]}"
                user = int(np.searchsorted(self.indptr, event, side="right")) - 1
                raise ModelError(f"event {event}, of user {user}, {what}: {values}")

    def _check_rows(self) -> None:
        said = {name: getattr(self, name) for name in ("items", "weights", "ages", "taken", "events", "values")}
        sizes = {name: len(array) for name, array in said.items() if array is not None}
        if set(sizes.values()) != {int(self.indptr[-1])} or self.indptr[0] != 0 or (np.diff(self.indptr) < 0).any():
            raise ModelError(f"indptr must divide the events from 0 to {self.indptr[-1]}, of which there are {sizes}")

    def rows(self, start: int, stop: int) -> Histories:
        """The users ``start:stop``, without a copy of their items."""
        first, last = int(self.indptr[start]), int(self.indptr[stop])
        features = None if self.features is None else self.features[start:stop]
        return self._cut(self.indptr[start : stop + 1] - first, slice(first, last), features)

    def only_taken(self) -> Histories:
        """The same users with nothing but what they took: what exclusion is about. A look does not rule an item out."""
        if self.taken is None:
            return self
        before = np.concatenate([[0], np.cumsum(self.taken)])
        return replace(self._cut(before[self.indptr], self.taken, self.features), taken=None)

    def _cut(self, indptr: NDArray[np.int64], kept: slice | NDArray[np.bool_], features: Float | None) -> Histories:
        """Rows of the events ``kept``, which ``indptr`` divides."""
        return Histories(
            indptr,
            self.items[kept],
            self.weights[kept],
            self.ages[kept],
            features,
            None if self.taken is None else self.taken[kept],
            None if self.events is None else self.events[kept],
            None if self.values is None else self.values[kept],
        )

    def matrix(self, n_items: int) -> sparse.csr_matrix:
        """float32[n_users, n_items]: the summed weight of each user and item that met."""
        matrix = sparse.csr_matrix((self.weights.copy(), self.items.copy(), self.indptr.copy()), shape=(self.n_users, n_items))
        matrix.sum_duplicates()
        return matrix

    def decayed(self, half_life: float) -> Float:
        """float32[nnz]: the weights, halved with every ``half_life`` events that the user did afterwards."""
        later = np.repeat(self.indptr[1:], np.diff(self.indptr)) - 1 - np.arange(len(self.items))
        return np.asarray(self.weights * np.exp2(-later / half_life), dtype=np.float32)

    def latest(self, length: int) -> Positions:
        """int32[n_users, length]: the last items of each user, oldest first, padded on the left with -1."""
        out = np.full((self.n_users, length), -1, dtype=np.int32)
        counts = np.minimum(np.diff(self.indptr), length)
        users = np.repeat(np.arange(self.n_users), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        source = np.repeat(self.indptr[1:] - counts, counts) + within
        out[users, np.repeat(length - counts, counts) + within] = self.items[source]
        return out


@dataclass(frozen=True)
class ItemTable:
    """The catalogue as a model sees it, one row an item position.

    features float32[n_items, F]; codes int32[n_items, C], one column for each of ``code_names`` (category, colour, brand, ...),
    0 meaning unknown; code_sizes: how many codes each column has, the 0 included.
    """

    features: Float
    codes: Positions
    code_names: tuple[str, ...]
    code_sizes: tuple[int, ...]


@dataclass(frozen=True)
class TrainingRows:
    """Feature rows joined point in time, in the order of time: row r is a user as known just before they took ``items[r]``.

    user_features float32[m, Fu]; item_features float32[m, Fi]; items int32[m]; latest int32[m, L] positions of the user's last
    items then, oldest first, padded on the left with -1; weights float32[m] the event's confidence.
    """

    user_features: Float
    item_features: Float
    items: Positions
    latest: Positions
    weights: Float


@dataclass(frozen=True)
class TrainingData:
    """All that ``fit`` may look at: nothing in it is later than ``until``.

    attributes: float32[n_items, n_attributes] of 0 and 1, sparse: what the catalogue says of each item, all kinds side by side.
    """

    item_ids: tuple[str, ...]
    histories: Histories
    until: datetime
    rows: TrainingRows | None = None
    item_table: ItemTable | None = None
    attributes: sparse.csr_matrix | None = None

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    def check(self) -> None:
        """Raises ModelError for histories, ids or attributes that no model can be fitted to."""
        if len(set(self.item_ids)) < self.n_items:
            twice = next(item for item, times in Counter(self.item_ids).items() if times > 1)
            raise ModelError(f"the item '{twice}' is there twice")
        self.histories.check(self.n_items)
        if self.attributes is None:
            return
        if self.attributes.shape[0] != self.n_items:
            raise ModelError(f"there are attributes of {self.attributes.shape[0]} items, and {self.n_items} items")
        wrong = ~np.isfinite(self.attributes.data)
        if wrong.any():
            item = int(np.searchsorted(self.attributes.indptr, np.argmax(wrong), side="right")) - 1
            raise ModelError(f"the item '{self.item_ids[item]}' has an attribute that is no number")
