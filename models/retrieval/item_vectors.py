"""Item vectors laid out for exact retrieval, which is done once a model and not once a request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Float, Positions
from outfitter.errors import ModelError

ROUNDING = 2.0**-24  # the relative error of one float32 operation
BLOCK = 4096  # vectors measured at once, because they are measured in float64


@dataclass(frozen=True)
class ItemVectors:
    """The items longest first: long vectors have the high scores, and what is too short for a user need not be looked at.

    vectors float32[m, d]; lengths float64[m], falling; order int32[m]: their positions; n_items: the size of the whole catalogue.
    """

    vectors: Float
    lengths: NDArray[np.float64]
    order: Positions
    n_items: int

    @classmethod
    def of(cls, vectors: Float) -> ItemVectors:
        """float32[n_items, d] in order of position. Raises ModelError when it is no matrix or an entry is not a finite number."""
        if vectors.ndim != 2:
            raise ModelError(f"item vectors have shape {vectors.shape}, which is no matrix")
        lengths = measured(vectors, "item vector")
        order = np.argsort(-lengths, kind="stable").astype(np.int32)
        return cls(np.asarray(vectors, np.float32)[order], lengths[order], order, len(vectors))

    def only(self, available: NDArray[np.bool_]) -> ItemVectors:
        """Those whose position is available; itself when all are."""
        kept = available[self.order]
        return self if kept.all() else ItemVectors(self.vectors[kept], self.lengths[kept], self.order[kept], self.n_items)

    def places(self) -> NDArray[np.int64]:
        """int64[n_items]: where each position stands in ``order``, -1 when it does not."""
        places = np.full(self.n_items, -1, dtype=np.int64)
        places[self.order] = np.arange(len(self.order))
        return places

    def checked(self, queries: Float) -> tuple[Float, NDArray[np.float64]]:
        """Queries float32[n, d] and their lengths.

        Raises ModelError for another shape, for a value that is not finite, and where a score may be too large for float32.
        """
        if queries.ndim != 2 or queries.shape[1] != self.vectors.shape[1]:
            raise ModelError(f"queries have shape {queries.shape} where item vectors have {self.vectors.shape[1]} dimensions")
        lengths = measured(queries, "query")
        if lengths.max(initial=0) * self.lengths.max(initial=0) >= np.finfo(np.float32).max:
            raise ModelError("queries and item vectors are so long that a score may be too large for float32")
        return np.ascontiguousarray(queries, np.float32), lengths

    @property
    def slack(self) -> float:
        """More than a float32 product may be wrong by, in any order of summation, relative to both lengths.

        Higham, "Accuracy and stability of numerical algorithms" (2002), equation 3.5, doubled; 4 is for the roundings around it.
        """
        return 2 * ROUNDING * (int(self.vectors.shape[1]) + 4)


def measured(vectors: Float, name: str) -> NDArray[np.float64]:
    """float64[n]: the lengths of the rows. Raises ModelError, naming the first, when one holds something that is no finite number."""
    lengths = np.empty(len(vectors))
    for start in range(0, len(vectors), BLOCK):
        block = np.asarray(vectors[start : start + BLOCK], np.float64)
        lengths[start : start + BLOCK] = np.sqrt(np.einsum("nd,nd->n", block, block))
    if not np.isfinite(lengths).all():
        raise ModelError(f"{name} {np.flatnonzero(~np.isfinite(lengths))[0]} holds a value that is not a number")
    return lengths
