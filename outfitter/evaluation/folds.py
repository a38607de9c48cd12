"""Ways to part a data set into what is known and what is to be found: by the last item of each user, or by time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.data import Float, Histories, Positions, TrainingData
from models.metrics import Truth
from outfitter.errors import NotEnoughData, SettingsError
from outfitter.evaluation.datasets import Dataset, Moments, as_datetime, as_moment

DAY = np.timedelta64(86_400_000_000, "us")
ASKED = 3
"""Items that a user must have taken to be asked for the last: one for the test, one for the validation, and a history."""
CHECKS = 3
"""Validation windows of a rolling split: settings that did well in one window only were lucky."""


@dataclass(frozen=True)
class Rated:
    """Ratings to be foretold: n users, asked on the strength of ``asked``, gave m of them.

    users int32[n]: who they are; indptr int64[n+1], items int32[m], values float32[m]: what each of them rated and how, as CSR rows.
    """

    asked: Histories
    users: Positions
    indptr: NDArray[np.int64]
    items: Positions
    values: Float


@dataclass(frozen=True)
class Fold:
    """What may be learnt, and n users who are asked on the strength of ``asked`` and went on to take what ``truth`` says.

    users int32[n]: who they are, the clusters of a bootstrap over several folds. moments datetime64[us][n]: when each was asked.
    available bool[n_items]: what was known of by then; whatever else they took counts as missed. rated: None without ratings.
    """

    name: str
    training: TrainingData
    asked: Histories
    truth: Truth
    users: Positions
    moments: Moments
    available: NDArray[np.bool_]
    rated: Rated | None

    @property
    def known(self) -> NDArray[np.bool_]:
        """bool[n]: whether a user has any history."""
        return np.diff(self.asked.indptr) > 0


class Split(Protocol):
    """A way to part a data set. What ``tests`` ask for does not occur in ``validations``, so that settings may be chosen on them."""

    @property
    def name(self) -> str: ...

    @property
    def repeats(self) -> bool:
        """Whether what a user already took may be recommended, and is then asked for."""

    def tests(self, data: Dataset) -> Iterator[Fold]: ...

    def validations(self, data: Dataset) -> Iterator[Fold]: ...


@dataclass(frozen=True)
class LeaveLastOut:
    """Each user's last item is the test and the one before it the validation (Kang and McAuley, "Self-attentive sequential
    recommendation", 2018, and most papers since).

    Only the first taking of an item is asked for, unless ``repeats`` may be recommended. Users who took fewer than ``ASKED`` items are
    learnt from and not asked. A model may have learnt from what others did later, as it may in the papers: only a split by time shows
    what production would meet.
    """

    repeats: bool = False
    name = "leave-last-out"

    def tests(self, data: Dataset) -> Iterator[Fold]:
        """The fold that asks for last items. Raises NotEnoughData when nobody took enough."""
        yield self._fold(data, "test", 1)

    def validations(self, data: Dataset) -> Iterator[Fold]:
        """The fold that asks for the items before the last; those and whatever came later does not occur in it."""
        yield self._fold(data, "validation", 2)

    def _fold(self, data: Dataset, name: str, back: int) -> Fold:
        users, target = self._targets(data, back)
        end = np.full(data.n_users, len(data.user))
        end[users] = target
        kept = np.flatnonzero(np.arange(len(data.user)) < end[data.user])
        newest, own = data.timestamp[kept].max(), _next_day(data, kept)
        own[users] = data.timestamp[target]
        # positions mean nothing across users, so there everybody's ages count from their own next step
        moments = own if data.synthetic_time else np.full(data.n_users, newest)
        training = _training(data, kept, moments, newest)
        truth = Truth(np.arange(len(users) + 1), data.item[target])
        available = np.ones(data.items.height, dtype=np.bool_)
        asked = _histories(data, kept, users, own)
        return Fold(name, training, asked, truth, users, own[users], available, _rated(data, kept, target, own))

    def _targets(self, data: Dataset, back: int) -> tuple[Positions, NDArray[np.int64]]:
        """The users who are asked, and the place in ``data`` of the item that is ``back`` from the end of theirs."""
        candidates = np.flatnonzero(data.taken if self.repeats else first_takings(data))
        counts = np.bincount(data.user[candidates], minlength=data.n_users)
        users = np.flatnonzero(counts >= ASKED).astype(np.int32)
        if not len(users):
            raise NotEnoughData(f"nobody took {ASKED} different items", "Leave-last-out asks nobody else; split by time instead.")
        return users, candidates[np.cumsum(counts)[users] - back]


@dataclass(frozen=True)
class ByTime:
    """``windows`` tests of ``days`` each, one after the other up to the newest event: before each of them the model learns anew.

    Everyone who takes something new in a window is asked, with or without a history. Validation windows lie before the first test, so
    nothing is chosen on what any test asks for.
    """

    days: int
    windows: int = 1
    repeats: bool = False

    @property
    def name(self) -> str:
        return "global-time" if self.windows == 1 else "rolling"

    def tests(self, data: Dataset) -> Iterator[Fold]:
        """The test windows, oldest first. Raises SettingsError for positions that stand for times, NotEnoughData for an empty window."""
        return (self._window(data, ends) for ends in reversed(range(self.windows)))

    def validations(self, data: Dataset) -> Iterator[Fold]:
        """One window before a single test, ``CHECKS`` before several. Raises as ``tests`` does."""
        checks = 1 if self.windows == 1 else CHECKS
        return (self._window(data, self.windows + ends) for ends in reversed(range(checks)))

    def _window(self, data: Dataset, ends: int) -> Fold:
        """The window that ends ``ends`` windows before the newest event."""
        if data.synthetic_time:
            raise SettingsError(f"source '{data.source}' has no times, only an order", "Choose --split leave-last-out.")
        until = data.newest - timedelta(days=self.days * ends)
        asked_at = until - timedelta(days=self.days)
        start, stop = as_moment(asked_at), as_moment(until)
        kept = np.flatnonzero(data.timestamp <= start)
        inside = (data.timestamp > start) & (data.timestamp <= stop)
        users, truth = _taken(data, inside & (data.taken if self.repeats else first_takings(data)))
        if not len(kept) or not len(users):
            what = "took anything new in" if len(kept) else "had done anything before"
            raise NotEnoughData(f"nobody {what} the window from {asked_at:%Y-%m-%d} to {until:%Y-%m-%d}", "Choose fewer or other windows.")
        moments = np.full(data.n_users, start)
        available = (data.items["known_from"] <= asked_at).fill_null(value=False).to_numpy()
        asked = _histories(data, kept, users, moments)
        rated = _rated(data, kept, np.flatnonzero(inside), moments)
        training = _training(data, kept, moments, start)
        return Fold(f"{asked_at:%Y-%m-%d}", training, asked, truth, users, moments[users], available, rated)


def first_takings(data: Dataset) -> NDArray[np.bool_]:
    """bool[n]: whether this is where a user takes an item for the first time."""
    taken = np.flatnonzero(data.taken)
    _, first = np.unique(_pairs(data, taken), return_index=True)
    found = np.zeros(len(data.user), dtype=np.bool_)
    found[taken[first]] = True
    return found


def _pairs(data: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[len(rows)]: a number for each user and item, in order of user."""
    return data.user[rows].astype(np.int64) * data.items.height + data.item[rows]


def _taken(data: Dataset, which: NDArray[np.bool_]) -> tuple[Positions, Truth]:
    """Those who took something, and the different items that each took."""
    pairs = np.unique(_pairs(data, np.flatnonzero(which)))
    users, counts = np.unique(pairs // data.items.height, return_counts=True)
    return users.astype(np.int32), Truth(_ends(counts), (pairs % data.items.height).astype(np.int32))


def _training(data: Dataset, kept: NDArray[np.int64], moments: Moments, until: np.datetime64) -> TrainingData:
    everybody = _histories(data, kept, np.unique(data.user[kept]), moments)
    return TrainingData(data.item_ids, everybody, as_datetime(until), attributes=data.attributes)


def _histories(data: Dataset, kept: NDArray[np.int64], users: Positions, moments: Moments) -> Histories:
    """What the rows ``kept`` say of ``users`` (ascending), aged as of each one's of the ``moments`` [n_users of the data set]."""
    wanted = np.zeros(data.n_users, dtype=np.bool_)
    wanted[users] = True
    rows = kept[wanted[data.user[kept]]]
    who = data.user[rows]
    return Histories(
        _ends(np.bincount(who, minlength=data.n_users)[users]),
        data.item[rows],
        data.weight[rows],
        ((moments[who] - data.timestamp[rows]) / DAY).astype(np.float32),
        taken=data.taken[rows],
        events=data.event[rows],
        values=data.value[rows],
    )


def _rated(data: Dataset, kept: NDArray[np.int64], asked_for: NDArray[np.int64], moments: Moments) -> Rated | None:
    """The ratings among the rows ``asked_for``, and what was known of those who gave them."""
    rows = asked_for[np.isfinite(data.value[asked_for])]
    if not len(rows):
        return None
    users, counts = np.unique(data.user[rows], return_counts=True)
    return Rated(_histories(data, kept, users, moments), users, _ends(counts), data.item[rows], data.value[rows])


def _next_day(data: Dataset, kept: NDArray[np.int64]) -> Moments:
    """datetime64[n_users]: a day after each user's last row."""
    last = np.zeros(data.n_users, dtype=data.timestamp.dtype)
    last[data.user[kept]] = data.timestamp[kept]  # of several rows of a user the last one written stays
    return last + DAY


def _ends(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
