"""Batches are copied ahead in order and no further than promised; what a batch is made of is found in any class."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy import sparse

from models.training.batches import Rows
from models.training.nested import changed, digest, nbytes, tensors
from models.training.prefetch import ahead, within_reach
from tests.models.small_fit import CPU, rows


def test_ahead_keeps_the_order() -> None:
    assert list(ahead(iter([[number] for number in range(7)]), lambda batch: [*batch, -1])) == [[number, -1] for number in range(7)]
    assert list(ahead(iter([]), lambda batch: batch)) == []


def test_ahead_is_ahead_and_not_further() -> None:
    """While the first batch is worked on, two more are prepared and no third."""
    asked: list[int] = []

    def source() -> Iterator[list[int]]:
        for number in range(10):
            asked.append(number)
            yield [number]

    batches = ahead(source(), lambda batch: batch, depth=2)
    next(batches)
    batches.close()  # which waits for the thread
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("where", ["source", "prepare"])
def test_what_ahead_raises_is_raised_here(where: str) -> None:
    def source() -> Iterator[list[int]]:
        yield [0]
        if where == "source":
            raise ValueError("third batch")
        yield [1]

    def prepare(batch: list[int]) -> list[int]:
        if batch == [1]:
            raise ValueError("third batch")
        return batch

    batches = ahead(source(), prepare)
    assert next(batches) == [0]
    with pytest.raises(ValueError, match="third batch"):
        next(batches)


def test_on_a_cpu_rows_stay_where_they_are() -> None:
    data = rows(0)
    assert within_reach(data, CPU).user_features.data_ptr() == data.user_features.data_ptr()  # type: ignore[attr-defined]


Pair = namedtuple("Pair", "left right")


@dataclass(frozen=True)
class Mixed:
    """All that a batch may be made of."""

    pair: Pair
    each: list[torch.Tensor]
    by_name: dict[str, torch.Tensor]
    seed: int


def test_every_tensor_of_a_batch_is_changed() -> None:
    one = torch.ones(2)
    mixed = changed(Mixed(Pair(one, "left alone"), [one], {"a": one}, 3), lambda tensor: tensor * 2)
    assert [tensor.tolist() for _, tensor in tensors(mixed)] == [[2, 2]] * 3
    assert (mixed.pair.right, mixed.seed, type(mixed.pair)) == ("left alone", 3, Pair)
    assert isinstance(changed(rows(0), lambda tensor: tensor), Rows)


def test_tensors_are_found_by_name_and_counted() -> None:
    class Plain:
        def __init__(self) -> None:
            self.matrix = sparse.csr_matrix(np.eye(3, dtype=np.float32))
            self.note = "text"

    names = {name for name, _ in tensors(Plain())}
    assert names == {"matrix.data", "matrix.indices", "matrix.indptr"}
    assert nbytes(rows(0, 10)) == 10 * (4 * 4 + 8 + 4)


def test_a_digest_knows_any_change() -> None:
    data = rows(0)
    other = data.user_features.clone()
    other[-1, -1] += 1e-6
    variants = [
        data,
        rows(1),
        replace(data, user_features=other),
        replace(data, user_features=data.user_features.reshape(50, 8)),
        replace(data, items=data.items.int()),
        data.pick(slice(0, 99)),
        None,
    ]
    assert len({digest(variant) for variant in variants}) == len(variants)
    assert digest(data) == digest(rows(0))
    assert digest({"a": 1, "b": 2.0}) != digest({"a": 1, "b": 2})
    assert digest(torch.ones(2, dtype=torch.bfloat16)) != digest(torch.ones(2))
