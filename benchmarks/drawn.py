"""A shop of H&M's size, drawn by the recipe of ``README.md``: who took what, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import Histories, TrainingData

USERS, ITEMS, INTERACTIONS = 1_371_980, 105_542, 31_788_324
SHIFT = 90.0  # of the popularity's rank
ACTIVITY = 1.2  # sigma of the log-normal
GROUPS, LIKED, FROM_LIKED = 200, 3, 0.7
CHUNK = 2_000_000  # interactions drawn at once, so that drawing needs less memory than fitting


def shop(folder: Path, seed: int = 0) -> TrainingData:
    """The shop as ``fit`` reads it. It is drawn once; afterwards it lies in ``folder``."""
    if not (folder / "items.npy").exists():
        folder.mkdir(parents=True, exist_ok=True)
        counts, items = draw(np.random.default_rng(seed))
        np.save(folder / "counts.npy", counts)
        np.save(folder / "items.npy", items)
    counts, items = np.load(folder / "counts.npy"), np.load(folder / "items.npy")
    indptr = np.concatenate([[0], np.cumsum(counts)])
    histories = Histories(indptr, items, np.ones(len(items), np.float32), np.zeros(len(items), np.float32))
    return TrainingData(tuple(str(item) for item in range(ITEMS)), histories, datetime(2020, 9, 23, tzinfo=UTC))


def draw(rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """int64[USERS] interactions a user, and int32[INTERACTIONS] items, user by user."""
    weight = rng.lognormal(sigma=ACTIVITY, size=USERS)
    counts = 1 + rng.multinomial(INTERACTIONS - USERS, weight / weight.sum())
    group = rng.integers(GROUPS, size=ITEMS)
    liked = rng.integers(GROUPS, size=(USERS, LIKED))
    order = np.argsort(group, kind="stable")
    popularity = rng.permutation(1 / (np.arange(ITEMS) + 1 + SHIFT))[order]
    reached = np.cumsum(popularity / popularity.sum())  # one ruler on which every group, and the catalogue, is an interval
    ends = np.concatenate([[0], reached[np.cumsum(np.bincount(group, minlength=GROUPS)) - 1]])
    users = np.repeat(np.arange(USERS, dtype=np.int32), counts)
    items = np.empty(INTERACTIONS, np.int32)
    for start in range(0, INTERACTIONS, CHUNK):
        who = users[start : start + CHUNK]
        chosen = liked[who, rng.integers(LIKED, size=len(who))]
        own = rng.random(len(who)) < FROM_LIKED
        low, high = np.where(own, ends[chosen], 0.0), np.where(own, ends[chosen + 1], reached[-1])
        places = np.searchsorted(reached, low + rng.random(len(who)) * (high - low), side="right")
        items[start : start + CHUNK] = order[places.clip(max=ITEMS - 1)]
    return counts, items
