"""Training examples against plain loops over the histories, pooling in training against pooling in use, and the losses by hand."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
import torch

from models.data import Histories
from models.neural.examples import MIN_HELD_OUT, Batch, Examples
from models.neural.pairwise import bce, bpr
from models.neural.pooling import pooled
from tests.models.worlds import histories

N_ITEMS = 9
SEQUENCES = [[3, 1, 4, 1], [], [5], [2, 6, 5, 3, 8]]
WEIGHTS = [1.0, 0.5, 1.0, 0.2, 1.0, 1.0, 0.1, 1.0, 0.3, 1.0]


def known() -> Histories:
    return replace(histories(SEQUENCES), weights=np.array(WEIGHTS, dtype=np.float32))


def examples(kinds: list[int] | None = None, half_life: float = 2.0, sampled: int = 200, power: float = 0.0) -> Examples:
    labels = np.zeros(10, dtype=np.int64) if kinds is None else np.array(kinds)
    return Examples.of(known(), labels, N_ITEMS, half_life, sampled, power)


def whole(found: Examples, generator: torch.Generator | None = None) -> Batch:
    (batch,) = found.batches(1000, generator)
    return batch


def test_an_example_is_an_event_and_what_came_before() -> None:
    batch = whole(examples())
    row = 0
    for start, sequence in zip((0, 4, 4, 5), SEQUENCES, strict=True):
        for place, item in enumerate(sequence):
            assert batch.items[row] == item
            assert batch.weights[row] == pytest.approx(WEIGHTS[start + place])
            counts = {earlier: WEIGHTS[start + earlier] * 0.5 ** ((place - 1 - earlier) / 2) for earlier in range(place)}
            expected = torch.zeros(N_ITEMS)
            for earlier, count in counts.items():
                expected[sequence[earlier]] += count / sum(counts.values())
            found = torch.zeros(N_ITEMS).index_add(0, batch.before[row], batch.shares[row])
            torch.testing.assert_close(found, expected)
            row += 1
    assert row == len(batch) == 10


def test_strange_items_are_those_the_user_never_met_before_or_after() -> None:
    batch = whole(examples())
    owners = [sequence for sequence in SEQUENCES for _ in sequence]
    expected = [[other not in owner for other in row] for owner, row in zip(owners, batch.others.tolist(), strict=True)]
    assert batch.strange.tolist() == expected
    assert set(batch.others.flatten().tolist()) == set(range(N_ITEMS))


@pytest.mark.parametrize("power", [0.0, 0.75, 1.0])
def test_items_are_sampled_by_popularity_to_the_power(power: float) -> None:
    drawn = whole(examples(sampled=20_000, power=power), torch.Generator().manual_seed(1)).others
    counts = np.bincount([item for sequence in SEQUENCES for item in sequence], minlength=N_ITEMS)
    np.testing.assert_allclose(
        np.bincount(drawn.flatten(), minlength=N_ITEMS) / drawn.numel(), counts**power / (counts**power).sum(), atol=0.004
    )


def test_only_events_of_a_kind_are_examples_and_all_are_history() -> None:
    batch = whole(examples([0, -1, 2, -1, -1, 1, -1, -1, -1, 0]))
    assert (batch.items.tolist(), batch.kinds.tolist()) == ([3, 4, 2, 8], [0, 2, 1, 0])
    assert batch.before[1, :2].tolist() == [1, 3]


def test_batches_hold_every_example_once_and_are_drawn_by_the_generator() -> None:
    def drawn(seed: int) -> list[Batch]:
        return list(examples(half_life=100).batches(4, torch.Generator().manual_seed(seed)))

    first, again, other = drawn(1), drawn(1), drawn(2)
    assert [len(batch) for batch in first] == [4, 3, 3]
    events = [row for batch in first for row in zip(batch.items.tolist(), batch.weights.tolist(), strict=True)]
    assert sorted(events) == sorted(zip(known().items.tolist(), known().weights.tolist(), strict=True))
    assert all(torch.equal(a.others, b.others) and torch.equal(a.items, b.items) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a.others, b.others) for a, b in zip(first, other, strict=True))
    assert torch.equal(whole(examples()).others, whole(examples()).others)


def test_the_last_examples_of_some_users_are_held_out() -> None:
    sequences = [[user % 9, 1, 2] for user in range(400)] + [[7]] * 100
    found = Examples.of(histories(sequences), np.zeros(1300, dtype=np.int64), N_ITEMS, 2.0, 1, 0.0)
    training, held_out = found.split(0.25, seed=0)
    assert held_out is not None
    assert 70 < len(held_out) < 130
    assert (held_out.places % 3 == 2).all()
    assert held_out.places.max() < 1200, "who has one example only keeps it"
    assert sorted([*training.places.tolist(), *held_out.places.tolist()]) == list(range(1300))
    again, other = found.split(0.25, seed=0)[1], found.split(0.25, seed=1)[1]
    assert torch.equal(held_out.places, again.places)  # type: ignore[union-attr]
    assert not torch.equal(held_out.places, other.places)  # type: ignore[union-attr]
    none, few = found.split(0.0, seed=0)[1], found.split((MIN_HELD_OUT - 15) / 400, seed=0)[1]
    assert none is few is None


@pytest.mark.parametrize("half_life", [0.3, 2.0, 50.0])
def test_users_are_pooled_in_use_as_in_training(half_life: float) -> None:
    """An event more, whatever it is, has the whole history before it."""
    vectors = np.random.default_rng(0).normal(size=(N_ITEMS, 4)).astype(np.float32)
    used = pooled(known(), vectors, half_life)
    asked = histories([[*sequence, 0] for sequence in SEQUENCES])
    weights = np.ones(14, dtype=np.float32)
    weights[[0, 1, 2, 3, 6, 8, 9, 10, 11, 12]] = WEIGHTS
    last = np.full(14, -1)
    last[asked.indptr[1:] - 1] = 0
    batch = whole(Examples.of(replace(asked, weights=weights), last, N_ITEMS, half_life, 1, 0.0))
    trained = (torch.from_numpy(vectors)[batch.before] * batch.shares[..., None]).sum(dim=1)
    np.testing.assert_allclose(
        used, trained, atol=0.01 if half_life < 1 else 1e-6
    )  # training reads ten half-lives: here three events of four or five
    assert not used[1].any()


def test_losses_by_hand() -> None:
    taken, others = torch.tensor([1.0, -0.5]), torch.tensor([[0.5, 2.0], [1.0, 9.0]])
    strange = torch.tensor([[True, True], [True, False]])
    torch.testing.assert_close(
        bce(taken, others, strange),
        torch.tensor([log(1 + exp(-1)) + log(1 + exp(0.5)) + log(1 + exp(2)), log(1 + exp(0.5)) + log(1 + exp(1))]),
    )
    torch.testing.assert_close(bpr(taken, others, strange), torch.tensor([(log(1 + exp(-0.5)) + log(1 + exp(1))) / 2, log(1 + exp(1.5))]))
    nothing = torch.zeros_like(strange)
    assert bpr(taken, others, nothing).tolist() == [0, 0]
