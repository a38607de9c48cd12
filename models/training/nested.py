"""The tensors within training rows and batches, whatever classes hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What ``value`` is made of, by name: a tensor, an array or a plain value is itself; anything else is taken apart."""
    for part, inner in _parts(value):
        yield from leaves(inner, f"{name}.{part}".strip("."))
    if _is_leaf(value):
        yield name, value


def tensors(value: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors among the leaves; arrays count as such and share their memory."""
    for name, leaf in leaves(value):
        if isinstance(leaf, Tensor):
            yield name, leaf
        elif isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biuf":
            yield name, torch.from_numpy(leaf)


def nbytes(value: Any) -> int:
    """Bytes of all tensors in it."""
    return sum(tensor.nbytes for _, tensor in tensors(value))


def digest(value: Any) -> str:
    """16 hex digits of BLAKE2 over all leaves: equal for equal content, in whatever process."""
    found = hashlib.blake2b(digest_size=8)
    for name, leaf in leaves(value):
        found.update(f"{name}:{leaf!r};".encode() if not isinstance(leaf, Tensor | np.ndarray) else _content(name, leaf))
    return found.hexdigest()


def changed(value: T, change: Callable[[Tensor], Tensor]) -> T:
    """A copy of a batch (a tensor, or a dataclass, tuple, list or mapping of batches) with ``change`` made to every tensor."""
    if isinstance(value, Tensor):
        return change(value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: changed(getattr(value, field.name), change) for field in fields(value) if field.init})
    if isinstance(value, Mapping):
        return type(value)({key: changed(inner, change) for key, inner in value.items()})  # type: ignore[call-arg]
    if isinstance(value, list | tuple):
        inner = [changed(one, change) for one in value]
        return type(value)(*inner) if hasattr(value, "_fields") else type(value)(inner)
    return value


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(place), inner) for place, inner in enumerate(value))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in fields(value))
    elif not _is_leaf(value) and hasattr(value, "__dict__"):
        yield from vars(value).items()


def _is_leaf(value: Any) -> bool:
    return value is None or isinstance(value, Tensor | np.ndarray | np.generic | str | bytes | bool | int | float)


def _content(name: str, leaf: Tensor | np.ndarray[Any, Any]) -> bytes:
    array = (
        leaf.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy() if isinstance(leaf, Tensor) else np.ascontiguousarray(leaf)
    )
    return f"{name}:{leaf.dtype}{tuple(leaf.shape)};".encode() + array.tobytes()
