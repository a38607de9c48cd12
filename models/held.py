"""What the arrays of an artifact must be like to be read: compiled loops trust them, and an artifact may come from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outfitter.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Held:
    """One array: numbers that are finite, unless they are places or starts.

    axes: how long each axis is. A name stands for one length wherever it is written; ``items`` is the catalogue's, and ``users+1`` is
    one more than ``users``. places_in: the axis that its whole numbers are places in, where ``padded`` with -1 for none; starts_of: the
    axis that it divides into runs, as the pointers of CSR do.
    """

    axes: tuple[int | str, ...]
    places_in: str | None = None
    padded: bool = False
    starts_of: str | None = None

    @property
    def kinds(self) -> str:
        """Of numpy's dtypes, those that it may have."""
        return "iu" if self.places_in or self.starts_of else "fiub"


Layout = Mapping[str, Held]


def check(model: str, layout: Layout, arrays: Arrays, lengths: Mapping[str, int]) -> None:
    """Raises ModelError, naming the model and the array, for one that is missing or is not as ``layout`` says.

    lengths: of the axes that are known beforehand, from the catalogue and the hyper-parameters; the others must agree with each other.
    """
    sizes = dict(lengths)
    for name, held in layout.items():
        problem = "is missing" if name not in arrays else _shape(held, arrays[name], sizes)
        if problem:
            raise _unfit(model, f"'{name}' {problem}")
    for name, held in layout.items():
        if problem := _content(held, arrays[name], sizes):
            raise _unfit(model, f"'{name}' {problem}")


def load_weights(model: str, network: nn.Module, arrays: Arrays, prefix: str) -> None:
    """Put the arrays that begin with ``prefix`` into a torch network. Raises ModelError when one is missing or of another shape."""
    import torch

    for name, weight in network.named_parameters():
        array = arrays.get(prefix + name)
        if array is None or array.shape != tuple(weight.shape) or array.dtype.kind != "f":
            found = "is missing" if array is None else f"has shape {array.shape} and kind {array.dtype}, not {tuple(weight.shape)}"
            raise _unfit(model, f"'{prefix}{name}' {found}")
        with torch.no_grad():
            weight.copy_(torch.from_numpy(array))


def _unfit(model: str, problem: str) -> ModelError:
    return ModelError(f"in the artifact of '{model}' the array {problem}", "It is damaged or of another version: fit the model again")


def _shape(held: Held, array: NDArray[Any], sizes: dict[str, int]) -> str:
    """What is wrong with an array's kind or lengths; a name that is met for the first time gets its length in ``sizes``."""
    if array.dtype.kind not in held.kinds:
        return f"holds {array.dtype}"
    if array.ndim != len(held.axes):
        return f"has {array.ndim} axes, not {len(held.axes)}"
    for axis, length in zip(held.axes, array.shape, strict=True):
        name, _, more = str(axis).partition("+")
        wanted = axis if isinstance(axis, int) else sizes.setdefault(name, length - int(more or 0)) + int(more or 0)
        if length != wanted or wanted < int(more or 0):
            return f"has shape {array.shape}, where {axis} {'is' if isinstance(axis, str) else 'are'} {wanted}"
    return ""


def _content(held: Held, array: NDArray[Any], sizes: Mapping[str, int]) -> str:
    """What is wrong with an array's numbers."""
    if held.places_in and array.size and not (array.min() >= -held.padded and array.max() < sizes[held.places_in]):
        return f"names places from {array.min()} to {array.max()} among {sizes[held.places_in]} {held.places_in}"
    if held.starts_of:
        whole = array[0] == 0 and array[-1] == sizes[held.starts_of] and (array[1:] >= array[:-1]).all()
        return "" if whole else f"does not divide {sizes[held.starts_of]} {held.starts_of} into runs"
    return "" if np.isfinite(array).all() else "holds something that is not a number"
