"""One fold as an error analysis sees it: who was asked, what they took, and what is known of users and items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.data import Float
from models.metrics import Truth
from outfitter.evaluation.segments import Segmentation


@dataclass(frozen=True)
class Case:
    """What was asked of the models, and what is known of those who were asked; n users, and items by the models' positions.

    taken_before int64[n]: how much each user had taken. takers int64[n_items]: how many of the ``n_known`` users of the past took each
    item. available bool[n_items]: what could be shown. attributes [n_items, d]: what makes items alike. user_names and item_names are for
    people to read. clusters int[n]: rows of one label are the same user (``bootstrap.intervals``). A truth position beyond n_items is an
    item that no model knows.
    """

    truth: Truth
    segments: Sequence[Segmentation]
    taken_before: NDArray[np.int64]
    takers: NDArray[np.int64]
    n_known: int
    available: NDArray[np.bool_]
    attributes: Float | sparse.csr_matrix
    user_names: Sequence[str]
    item_names: Sequence[str]
    clusters: NDArray[np.integer] | None = None
