"""The compiled loops. In one file because numba's cache notices a change of the caller's file, not of a callee's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from models.data import Float, Positions

F = TypeVar("F", bound=Callable[..., Any])
CHUNK = 64
USERS, TILE = 256, 1024  # a tile of products: 1 MB, so that it is scanned while it is still in the cache
LEAST = 1e-34  # more than a sum of 10,000 products can lose where numbers near 0 are rounded to it


def compiled(function: F) -> F:
    """``function`` as machine code that lets go of the GIL; compiled at the first call, then read from numba's cache."""
    return cast(F, numba.njit(nogil=True, cache=True)(function))


def reordered(function: F) -> F:
    """As ``compiled``, and sums may be taken in any order, which lets them be vectorised; of no use where a NaN has a meaning."""
    return cast(F, numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})(function))


@compiled
def push(items: Positions, scores: Float, item: int, score: np.float32) -> None:
    """Put an item into a list kept best first and, of equal scores, lowest position first; nothing happens if it is none of the best."""
    place = len(scores)
    while place > 0 and (score > scores[place - 1] or (score == scores[place - 1] and item < items[place - 1])):
        place -= 1
    for behind in range(len(scores) - 1, place, -1):
        scores[behind] = scores[behind - 1]
        items[behind] = items[behind - 1]
    if place < len(scores):
        scores[place] = score
        items[place] = item


@compiled
def contains(ordered: Positions, item: int) -> bool:
    """Whether the ascending array ``ordered`` holds ``item``."""
    place = np.searchsorted(ordered, item)
    return bool(place < len(ordered) and ordered[place] == item)


@compiled
def sort_rows(indptr: NDArray[np.int64], items: Positions) -> None:
    """Sort each CSR row in place."""
    for row in range(len(indptr) - 1):
        items[indptr[row] : indptr[row + 1]].sort()


@compiled
def merge_tile(
    block: Float,
    first: int,
    available: NDArray[np.bool_],
    seen_indptr: NDArray[np.int64],
    seen: Positions,
    items: Positions,
    scores: Float,
) -> bool:
    """Merge the scores of the items from position ``first`` on into each user's running k best; False when a score is NaN.

    A user's k-th best is the threshold: a chunk in which nothing passes it costs one vectorised comparison. The comparison is
    written as "not lower or equal" so that a NaN passes it too. Items come in ascending order, so a later tie never displaces.
    """
    n_users, width = block.shape
    for user in range(n_users):
        row, best_items, best = block[user], items[user], scores[user]
        hidden = seen[seen_indptr[user] : seen_indptr[user + 1]]
        for start in range(0, width, CHUNK):
            stop = min(start + CHUNK, width)
            threshold = best[-1]
            passing = 0
            for column in range(start, stop):
                passing += not (row[column] <= threshold)
            if passing == 0:
                continue
            for column in range(start, stop):
                value = row[column]
                if value <= best[-1]:
                    continue
                if np.isnan(value):
                    return False
                if available[first + column] and not contains(hidden, first + column):
                    push(best_items, best, first + column, value)
    return True


@compiled
def nearest(
    indptr: NDArray[np.int64],
    users: Positions,
    values: Float,
    row_indptr: NDArray[np.int64],
    row_items: Positions,
    row_values: Float,
    norms: Float,
    shrink: float,
    start: int,
    items: Positions,
    scores: Float,
) -> None:
    """The nearest items of ``start:start + len(items)``, by product over both norms times n / (n + shrink) for n common users.

    indptr, users, values: the users of each item (CSC); row_*: the items of each user (CSR). Both outputs are filled in place,
    best first; an item is no neighbour of itself.
    """
    n_items = len(norms)
    dots = np.zeros(n_items, np.float64)
    counts = np.zeros(n_items, np.int64)
    touched = np.empty(n_items, np.int64)
    for row in range(len(items)):
        item = start + row
        met = 0
        for entry in range(indptr[item], indptr[item + 1]):
            user = users[entry]
            for other in range(row_indptr[user], row_indptr[user + 1]):
                position = row_items[other]
                if counts[position] == 0:
                    touched[met] = position
                    met += 1
                counts[position] += 1
                dots[position] += values[entry] * row_values[other]
        for position in np.sort(touched[:met]):
            if position != item and dots[position] > 0:
                cosine = dots[position] / (norms[item] * norms[position])
                value = np.float32(cosine * counts[position] / (counts[position] + shrink))
                if value > scores[row, -1]:
                    push(items[row], scores[row], position, value)
            dots[position] = 0.0
            counts[position] = 0


@reordered
def product(left: Float, right: Float) -> np.float32:
    """The product of two vectors, summed in float64 and rounded once."""
    total = 0.0
    for place in range(len(left)):
        total += np.float64(left[place]) * np.float64(right[place])
    return np.float32(total)


@compiled
def search(
    queries: Float,
    reach: NDArray[np.float64],
    vectors: Float,
    lengths: NDArray[np.float64],
    order: Positions,
    available: NDArray[np.bool_],
    seen_indptr: NDArray[np.int64],
    seen: Positions,
    slack: float,
    prune: bool,
    active: NDArray[np.int64],
    items: Positions,
    scores: Float,
) -> None:
    """The best items of the queries ``active``, by ``product``, among ``vectors``, which stand longest first.

    reach, lengths: the lengths of queries and vectors; order: the position of each vector; both outputs start as padding. The BLAS
    multiplies tiles in float32, and ``slack`` times both lengths is more than it can be wrong by: what may belong to a list by that
    is scored again. No product exceeds both lengths multiplied (Cauchy and Schwarz), so a query for which that is under its k-th best
    score is done.
    """
    gathered = np.empty((USERS, queries.shape[1]), np.float32)
    room = np.empty(USERS * TILE, np.float32)
    for first in range(0, len(vectors), TILE):
        tile = vectors[first : first + TILE]
        if prune:
            active = active[reach[active] * lengths[first] * (1 + slack) + LEAST >= scores[active, -1]]
        for start in range(0, len(active), USERS):
            users = active[start : start + USERS]
            for row in range(len(users)):
                gathered[row] = queries[users[row]]
            block = room[: len(users) * len(tile)].reshape((len(users), len(tile)))
            np.dot(gathered[: len(users)], tile.T, block)
            for row in range(len(users)):
                user = users[row]
                hidden = seen[seen_indptr[user] : seen_indptr[user + 1]]
                margin = slack * reach[user] * lengths[first] + LEAST
                scan(block[row], margin, queries[user], tile, order[first:], available, hidden, items[user], scores[user])


@compiled
def scan(
    row: Float,
    margin: float,
    query: Float,
    tile: Float,
    order: Positions,
    available: NDArray[np.bool_],
    hidden: Positions,
    items: Positions,
    scores: Float,
) -> None:
    """Merge one query's approximate scores of a tile, right to ``margin``, into its list; what is far from it is skipped by the chunk."""
    threshold = np.float32(scores[-1] - margin)
    for start in range(0, len(row), CHUNK):
        stop = min(start + CHUNK, len(row))
        passing = False
        for column in range(start, stop):
            passing |= row[column] >= threshold
        if not passing:
            continue
        for column in range(start, stop):
            if row[column] >= threshold and available[order[column]] and not contains(hidden, order[column]):
                push(items, scores, order[column], product(query, tile[column]))
                threshold = np.float32(scores[-1] - margin)


@compiled
def score_again(
    queries: Float,
    vectors: Float,
    order: Positions,
    places: NDArray[np.int64],
    available: NDArray[np.bool_],
    seen_indptr: NDArray[np.int64],
    seen: Positions,
    items: Positions,
    scores: Float,
) -> None:
    """Merge the vectors at each query's ``places``, int64[n, m] padded with -1, into its list by ``product``, where they are admissible."""
    for user in range(len(queries)):
        hidden = seen[seen_indptr[user] : seen_indptr[user + 1]]
        for place in places[user]:
            if place >= 0 and available[order[place]] and not contains(hidden, order[place]):
                push(items[user], scores[user], order[place], product(queries[user], vectors[place]))
