"""A user as the mean of what they did, the newest counting most: how models without a table of users know whom they answer."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.data import Float, Histories


def pooled(histories: Histories, vectors: Float, half_life: float) -> Float:
    """float32[n_users, d]: the mean of the history's rows of ``vectors`` float32[n_items, d], 0 for an empty history.

    An event counts by its weight, halved with every ``half_life`` events that the user did afterwards.
    """
    counts = np.diff(histories.indptr)
    weights = histories.decayed(half_life)
    totals = np.bincount(np.repeat(np.arange(histories.n_users), counts), weights, histories.n_users)
    shares = (weights / np.repeat(totals, counts)).astype(np.float32)
    history = sparse.csr_matrix((shares, histories.items, histories.indptr), shape=(histories.n_users, len(vectors)))
    return np.asarray(history @ vectors, dtype=np.float32)
