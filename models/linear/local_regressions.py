"""A regression for each item on the few items that tell most about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.base import require
from models.data import Float, Positions
from models.kernels import compiled, reordered
from models.linear.normal_equations import NormalEquations
from models.parallel import in_slices

PRECISION, MOST_STEPS = 1e-6, 200  # of a solution: what float32 can tell
GROUP_BITS = 20  # of a float32, those that tell apart numbers within an eighth of each other
BLOCK = 64  # items a task: at 105,542 items its columns of the normal equations take 52 MiB


@dataclass(frozen=True)
class Listed:
    """A few entries of each column of a matrix: items int32[n, m], ascending positions, and their values float32[n, m]."""

    items: Positions
    values: Float

    @classmethod
    def empty(cls, n_items: int, kept: int) -> Listed:
        return cls(np.empty((n_items, kept), dtype=np.int32), np.empty((n_items, kept), dtype=np.float32))


def strongest(equations: NormalEquations, diagonal: Float, kept: int) -> tuple[Listed, Listed]:
    """Of each column of G and of C the ``kept`` entries whose square over ``diagonal`` is the greatest, never an item's own.

    Raises ModelError when one is no number.
    """
    n_items = len(diagonal)
    related, predictors = Listed.empty(n_items, kept), Listed.empty(n_items, kept)

    def fill(block: slice) -> None:
        gram, target = np.empty((2, block.stop - block.start, n_items), dtype=np.float32)
        equations.columns(block.start, gram, target)
        for values, listed in ((gram, related), (target, predictors)):
            kept_all = keep(values, diagonal, block.start, listed.items[block], listed.values[block])
            require(kept_all, "the items' co-occurrences are not all numbers")

    in_slices(fill, n_items, BLOCK)
    return related, predictors


def solve_each(related: Listed, diagonal: Float, predictors: Listed) -> None:
    """Replace each column of ``predictors``, entries of C, by the solution of its system, whose matrix are entries of G."""

    def solve(block: slice) -> None:
        regress(related.items, related.values, diagonal, predictors.items[block], predictors.values[block])

    in_slices(solve, len(diagonal), BLOCK)


@compiled
def ranked(strengths: Float, rank: int) -> np.float32:
    """The value of a rank from 1, the greatest, where all above 0 are concerned; else 0.

    The upper bits of positive floats are in their order: one pass counts by them, and only one group is then sorted.
    """
    groups = strengths.view(np.int32) >> GROUP_BITS
    counts = np.zeros(1 << (31 - GROUP_BITS), np.int64)
    for entry in range(len(groups)):
        if strengths[entry] > 0:
            counts[groups[entry]] += 1
    group = len(counts)
    above = 0
    while group > 0 and above < rank:
        group -= 1
        above += counts[group]
    if above < rank:
        return np.float32(0)
    last = np.sort(strengths[(groups == group) & (strengths > 0)])
    return np.float32(last[above - rank])


@compiled
def keep(values: Float, diagonal: Float, start: int, items: Positions, kept: Float) -> bool:
    """Keep the greatest of each row of ``values``, by their square over ``diagonal``; of equal ones the first.

    The rows are columns from ``start`` on of a square matrix; its diagonal is never kept. False when something that is no number left a
    row of ``items`` unfilled: it must not be read then.
    """
    room, full = items.shape[1], True
    for row in range(len(values) if room else 0):
        strengths = values[row] * values[row] / diagonal
        strengths[start + row] = -1
        least = ranked(strengths, room)
        equal = room - (strengths > least).sum()
        place = 0
        for entry in range(len(strengths)):
            if strengths[entry] > least or (strengths[entry] == least and equal > 0):
                equal -= strengths[entry] == least
                items[row, place] = entry
                kept[row, place] = values[row, entry]
                place += 1
        full = full and place == room
    return full


@reordered
def conjugate_gradients(system: Float, target: Float) -> None:
    """Solve ``system`` x = ``target`` in place by conjugate gradients (Hestenes and Stiefel, 1952) from x = 0.

    They end when the residual is ``PRECISION`` of ``target``, or when the matrix turns out not to be positive definite: then x is the
    best found so far (Steihaug, "The conjugate gradient method and trust regions in large scale optimization", 1983).
    """
    solution, residual, direction = np.zeros_like(target), target.copy(), target.copy()
    norm = np.dot(residual, residual)
    enough = norm * PRECISION**2
    for _ in range(MOST_STEPS):
        if norm <= enough:
            break
        image = np.dot(system, direction)
        curvature = np.dot(direction, image)
        if curvature <= 0:
            break
        step = norm / curvature
        solution += step * direction
        residual -= step * image
        before, norm = norm, np.dot(residual, residual)
        direction = residual + norm / before * direction
    target[:] = solution


@compiled
def regress(related: Positions, entries: Float, diagonal: Float, predictors: Positions, values: Float) -> None:
    """Solve each row's system: right-hand side ``values``, at the items ``predictors``; the solution takes its place.

    An entry of G, which has no negative ones, is known when either item lists the other, and 0 otherwise. The systems are scaled to a
    diagonal of 1.
    """
    size = predictors.shape[1]
    place = np.full(len(related), size, np.int32)  # whoever is not among the predictors goes to a column that nobody reads
    found, system = np.empty((size, size + 1), np.float32), np.empty((size, size), np.float32)
    for row in range(len(predictors)):
        chosen = predictors[row]
        scale = 1 / np.sqrt(diagonal[chosen])
        place[chosen] = np.arange(size)
        found[:] = 0
        for one in range(size):
            item = chosen[one]
            for entry in range(size):
                found[one, place[related[item, entry]]] = entries[item, entry]
        place[chosen] = size
        for one in range(size):
            for other in range(one):
                system[one, other] = max(found[one, other], found[other, one]) * scale[one] * scale[other]
                system[other, one] = system[one, other]
            system[one, one] = 1
        values[row] *= scale
        conjugate_gradients(system, values[row])
        values[row] *= scale
