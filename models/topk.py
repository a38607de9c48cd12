"""The best k of many items for each user, exactly, without ever holding the whole score matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Float, Histories, Positions
from models.kernels import merge_tile
from models.retrieval.gpu import gpu, offer_products
from models.retrieval.item_vectors import ItemVectors
from models.retrieval.question import Retrieval, admissible, hidden_rows
from outfitter.errors import ModelError

TILE_CELLS = 1 << 18  # scores alive at once: 1 MB, so that a tile is scanned while it is still in the cache
MIN_TILE = 256
MANY = 2048  # users from which bringing the items to a GPU is worth it
FEW = 64  # users up to which passing over what is unavailable costs less than leaving it out


@dataclass(frozen=True)
class TopK:
    """The best items of n users, best first.

    items int32[n, k], padded with -1; scores float32[n, k], padded with -inf.
    """

    items: Positions
    scores: Float

    @staticmethod
    def empty(n_users: int, k: int) -> TopK:
        """Nothing but padding."""
        return TopK(np.full((n_users, k), -1, dtype=np.int32), np.full((n_users, k), -np.inf, dtype=np.float32))

    @staticmethod
    def concatenate(parts: Sequence[TopK], k: int) -> TopK:
        """The users of all ``parts``, one after the other; ``k`` is the width when there are none."""
        if not parts:
            return TopK.empty(0, k)
        return TopK(np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts]))


def top_k(
    score: Callable[[slice], Float],
    n_users: int,
    n_items: int,
    k: int,
    available: NDArray[np.bool_] | None = None,
    seen: Histories | None = None,
) -> TopK:
    """The ``k`` best available and unseen items of each user; of equal scores the lower item position comes first.

    score(items) gives float32[n_users, len(items)] for a contiguous run of positions; -inf means "never". It is not called for runs
    in which nothing is available. available: bool[n_items], all when None. Raises ModelError when k < 1, when a shape does not
    fit, or when a score is NaN.
    """
    allowed = admissible(k, available, n_items)
    best = TopK.empty(n_users, k)
    indptr, hidden = hidden_rows(seen, n_users)
    for tile in tiles(n_users, n_items):
        if n_users and allowed[tile].any():
            block = _checked(score(tile), (n_users, tile.stop - tile.start))
            if not merge_tile(block, tile.start, allowed, indptr, hidden, best.items, best.scores):
                raise ModelError(f"a score among the items {tile.start} to {tile.stop - 1} is not a number")
    return best


def top_k_factors(
    queries: Float,
    vectors: Float | ItemVectors,
    k: int,
    available: NDArray[np.bool_] | None = None,
    seen: Histories | None = None,
    prune: bool = True,
) -> TopK:
    """As ``top_k`` where a score is the product of a query and an item vector; a bias is one more dimension, met with a 1.

    queries float32[n, d]; vectors float32[n_items, d], or made ready by ``ItemVectors.of`` when they serve more than once. A score is
    summed in float64 and rounded once, so a user's list is the same alone and among others. ``prune=False`` computes every product,
    for the same result. On all cores, or on the GPU when there is one. Raises ModelError for what ``top_k`` refuses, and for values
    or scores that are not finite in float32.
    """
    asked = Retrieval.of(queries, vectors, k, available, seen)
    device = gpu() if len(queries) >= MANY else None
    if device is not None or len(queries) > FEW:
        asked = asked.without_unavailable()
    asked.settle(np.arange(len(queries)) if device is None else offer_products(device, asked), prune)
    return TopK(asked.found, asked.scores)


def tiles(n_users: int, n_items: int) -> list[slice]:
    """Runs of item positions, wide enough to be worth a matrix product and small enough for the cache."""
    width = max(MIN_TILE, TILE_CELLS // max(n_users, 1))
    return [slice(first, min(first + width, n_items)) for first in range(0, n_items, width)]


def _checked(block: Float, shape: tuple[int, int]) -> Float:
    if block.shape != shape:
        raise ModelError(f"scores have shape {block.shape} where {shape} was asked for")
    return np.ascontiguousarray(block, dtype=np.float32)
