"""Training rows for models that read features, of a data set for which none were computed: items, times and codes, no numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.data import Histories, ItemTable, Positions, TrainingData, TrainingRows
from outfitter.evaluation.attributes import CODED, item_codes
from outfitter.evaluation.datasets import Dataset
from outfitter.features.spec import LAST_ITEMS

MOST_ROWS = 2_000_000
"""The newest takings that become rows: with their latest items they take 0.4 GB, and in fashion the newest say most."""


def with_rows(training: TrainingData, data: Dataset) -> TrainingData:
    """``training`` with a row for each taking, and the codes of the catalogue; profiles and features are float32[m, 0]."""
    codes, sizes = item_codes(data.items)
    table = ItemTable(np.zeros((training.n_items, 0), dtype=np.float32), codes, CODED, sizes)
    return replace(training, rows=_rows(training.histories.only_taken()), item_table=table)


def _rows(taken: Histories) -> TrainingRows:
    """A row a taking, in the order of time; of events of the same moment the user that comes first comes first."""
    newest_last = np.argsort(-taken.ages, kind="stable")[-MOST_ROWS:]
    nothing = np.zeros((len(newest_last), 0), dtype=np.float32)
    return TrainingRows(nothing, nothing, taken.items[newest_last], _latest(taken, newest_last), taken.weights[newest_last])


def _latest(taken: Histories, places: NDArray[np.int64]) -> Positions:
    """int32[len(places), LAST_ITEMS]: what the same user took before each place, oldest first, padded on the left with -1."""
    first = np.repeat(taken.indptr[:-1], np.diff(taken.indptr))[places]
    latest = np.full((len(places), LAST_ITEMS), -1, dtype=np.int32)
    for back in range(1, LAST_ITEMS + 1):
        before = places - back
        known = before >= first
        latest[known, LAST_ITEMS - back] = taken.items[before[known]]
    return latest
