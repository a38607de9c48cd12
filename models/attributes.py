"""What the catalogue says of items, weighted by how much that tells."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.data import TrainingData


def rarities(data: TrainingData) -> sparse.csr_matrix:
    """float32[n_items, n_attributes], sparse: log(n_items / items that have it) for each attribute of an item, as the IDF of TF-IDF.

    An attribute that all items have says nothing and is left out; without attributes there are no columns.
    """
    if data.attributes is None:
        return sparse.csr_matrix((data.n_items, 0), dtype=np.float32)
    having = np.maximum(data.attributes.getnnz(axis=0), 1)
    weighted = sparse.csr_matrix(data.attributes @ sparse.diags(np.log(data.n_items / having)), dtype=np.float32)
    weighted.eliminate_zeros()
    return weighted
