"""Dense linear algebra over the whole catalogue, in place: at 25,000 items one matrix is 2.3 GiB."""

from __future__ import annotations

from scipy.linalg import lapack

from models.base import require
from models.data import Float

TILE = 1024  # rows or columns worked on at once, so that what is temporary stays small beside the matrix
BYTES = 4  # of a float32
LARGEST = 1e18  # whose square is one, too


def require_room(model: str, n_items: int, matrices: int, memory_gib: float, instead: str) -> None:
    """Raises ModelError when ``matrices`` float32[n_items, n_items] take more than ``memory_gib``."""
    needed = matrices * BYTES * n_items**2 / 2**30
    problem = f"'{model}' needs {needed:.1f} GiB for {n_items:,} items and memory_gib allows {memory_gib:g}"
    require(needed <= memory_gib, f"{problem}: raise memory_gib, or {instead}")


def require_in_range(diagonal: Float) -> None:
    """Raises ModelError where sums of products, of which the ``diagonal`` holds the greatest, could not be squared in float32."""
    require(bool((diagonal < LARGEST).all()), "the weights or the settings are so large that their products do not fit into float32")


def invert(gram: Float) -> Float:
    """The inverse of a positive definite float32[n, n], which it overwrites. Raises ModelError when it is not positive definite."""
    # LAPACK wants columns to be contiguous; the transposed view of a symmetric matrix is the same matrix laid out that way
    factor, failed = lapack.spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    require(failed == 0, "the items' co-occurrences cannot be inverted: raise regularization")
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    _mirror(inverse.T)
    return inverse.T  # type: ignore[no-any-return]


def _mirror(upper: Float) -> None:
    """Copy the upper half of a square matrix onto its lower half."""
    for start in range(0, len(upper), TILE):
        stop = min(start + TILE, len(upper))
        corner = upper[start:stop, start:stop]
        for row in range(1, len(corner)):
            corner[row, :row] = corner[:row, row]
        upper[stop:, start:stop] = upper[start:stop, stop:].T


def transpose(square: Float) -> None:
    """Transpose a square matrix in place."""
    for start in range(0, len(square), TILE):
        stop = min(start + TILE, len(square))
        square[start:stop, start:stop] = square[start:stop, start:stop].T.copy()
        for left in range(0, start, TILE):
            right = left + TILE
            below = square[start:stop, left:right].copy()
            square[start:stop, left:right] = square[left:right, start:stop].T
            square[left:right, start:stop] = below.T
