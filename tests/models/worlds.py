"""Small worlds with a planted answer, in the arrays that models read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from models.data import Histories, ItemTable, TrainingData, TrainingRows

UNTIL = datetime(2024, 6, 30, tzinfo=UTC)
LENGTH = 20


def histories(sequences: Sequence[Sequence[int]], age_step: float = 1.0) -> Histories:
    """One row a sequence, oldest first; the newest event is ``age_step`` days old."""
    counts = [len(sequence) for sequence in sequences]
    ages = [age_step * (count - place) for count in counts for place in range(count)]
    items = np.array([item for sequence in sequences for item in sequence], dtype=np.int32)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Histories(indptr, items, np.ones(len(items), dtype=np.float32), np.array(ages, dtype=np.float32))


def rows_of(sequences: Sequence[Sequence[int]], item_features: np.ndarray) -> TrainingRows:
    """A training row for each event but a user's first, in the order of their place in the sequence."""
    pairs = [(place, user) for user, sequence in enumerate(sequences) for place in range(1, len(sequence))]
    pairs.sort()
    taken = np.array([sequences[user][place] for place, user in pairs], dtype=np.int32)
    latest = np.full((len(pairs), LENGTH), -1, dtype=np.int32)
    for row, (place, user) in enumerate(pairs):
        before = sequences[user][max(0, place - LENGTH) : place]
        latest[row, LENGTH - len(before) :] = before
    profile = np.array([[place] for place, _ in pairs], dtype=np.float32)
    return TrainingRows(profile, item_features[taken], taken, latest, np.ones(len(pairs), dtype=np.float32))


@dataclass(frozen=True)
class World:
    """Users take items of their own block only; one such item of each was held out."""

    data: TrainingData
    held_out: np.ndarray
    block_of_item: np.ndarray


def blocks(n_users: int = 240, n_items: int = 48, n_blocks: int = 4, taken: int = 8, seed: int = 0) -> World:
    """The checkerboard: user u belongs to block u % n_blocks and so does item i."""
    rng = np.random.default_rng(seed)
    block_of_item = np.arange(n_items) % n_blocks
    whole = [rng.permutation(np.flatnonzero(block_of_item == user % n_blocks))[: taken + 1].tolist() for user in range(n_users)]
    sequences = [sequence[:-1] for sequence in whole]
    features = rng.normal(size=(n_items, 2)).astype(np.float32)
    codes = rng.integers(0, 3, size=(n_items, 1)).astype(np.int32)
    table = ItemTable(features, codes, ("colour",), (3,))
    ids = tuple(f"0{item:05d}" for item in range(n_items))
    known = histories(sequences)
    stars = rng.integers(1, 6, size=len(known.items)).astype(np.float32)  # drawn: who ranks by anything else must not care
    data = TrainingData(ids, replace(known, values=stars), UNTIL, rows_of(sequences, features), table)
    return World(data, np.array([sequence[-1] for sequence in whole], dtype=np.int32), block_of_item)
