"""The losses of the sequential models against the formulas of the papers, their gradients against torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.training import losses
from models.training.losses import bce, full_softmax, gbce, softmax_over_negatives

N_ITEMS, DIM, ASKED = 30, 6, 17


def drawn(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, item vectors, targets and weights."""
    generator = torch.Generator().manual_seed(seed)
    queries, vectors = torch.randn(ASKED, DIM, generator=generator), torch.randn(N_ITEMS, DIM, generator=generator)
    return queries, vectors, torch.randint(N_ITEMS, (ASKED,), generator=generator), torch.rand(ASKED, generator=generator)


def sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


@pytest.mark.parametrize("cells", [1, N_ITEMS * 5, 1 << 22])
def test_full_softmax_and_its_gradients_are_torchs_cross_entropy(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether in runs of one query, of five, or all at once."""
    monkeypatch.setattr(losses, "CELLS", cells)
    queries, vectors, targets, weights = drawn()
    ours, theirs = [[tensor.clone().requires_grad_() for tensor in (queries * 3, vectors)] for _ in range(2)]
    found = full_softmax(*ours, targets, weights)
    each = functional.cross_entropy(theirs[0] @ theirs[1].T, targets, reduction="none")
    expected = (each * weights).sum() / weights.sum()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    (2 * found).backward()
    (2 * expected).backward()
    for left, right in zip(ours, theirs, strict=True):
        assert left.grad is not None
        torch.testing.assert_close(left.grad, right.grad)


def test_full_softmax_of_enormous_scores_stays_a_number() -> None:
    queries, vectors, targets, weights = drawn()
    queries = (queries * 1e4).requires_grad_()
    loss = full_softmax(queries, vectors, targets, weights)
    loss.backward()
    assert torch.isfinite(loss)
    assert queries.grad is not None
    assert torch.isfinite(queries.grad).all()


def test_every_item_as_a_negative_is_the_full_softmax() -> None:
    what = drawn()
    uniform = torch.full((N_ITEMS,), 1 / N_ITEMS).log()
    assert softmax_over_negatives(*what, torch.arange(N_ITEMS), uniform).item() == pytest.approx(full_softmax(*what).item(), rel=1e-5)


def test_the_estimated_sum_is_unbiased_whatever_the_chances() -> None:
    """exp(loss) * exp(score of the target) is the sum over all items; its mean over many draws comes to the true one."""
    queries, vectors, targets, _ = drawn()
    one = queries[:1], vectors, targets[:1], torch.ones(1)
    chances = torch.linspace(1, 5, N_ITEMS) / torch.linspace(1, 5, N_ITEMS).sum()
    generator = torch.Generator().manual_seed(1)
    sums = []
    for _ in range(1500):
        negatives = torch.multinomial(chances, 8, replacement=True, generator=generator)
        sums.append(softmax_over_negatives(*one, negatives, chances[negatives].log()).exp().item())
    standard_error = np.std(sums) / np.sqrt(len(sums))
    assert np.mean(sums) == pytest.approx(full_softmax(*one).exp().item(), abs=4 * standard_error)
    assert standard_error < 0.05 * np.mean(sums)


def test_gbce_by_hand() -> None:
    """Three of six items are negatives, one of them the target of the second query."""
    scores = np.array([[1.0, -0.5, 0.2, 0.7, 0.1, 2.0], [0.3, 0.4, -1.0, 0.0, 0.5, 1.5]])
    negatives, targets, weights, calibration = [1, 2, 3], [0, 3], np.array([1.0, 3.0]), 0.6
    rate = 3 / 5
    power = rate * (calibration * (1 - 1 / rate) + 1 / rate)
    unknown = np.log(power / 3)
    expected = [
        -(np.log(sigmoid(1.0 + unknown) ** power) + sum(np.log(1 - sigmoid(s + unknown)) for s in (-0.5, 0.2, 0.7))) / 4,
        -(np.log(sigmoid(0.0 + unknown) ** power) + sum(np.log(1 - sigmoid(s + unknown)) for s in (0.4, -1.0))) / 4,
    ]
    found = gbce(
        torch.tensor(scores).float(), torch.eye(6), torch.tensor(targets), torch.tensor(weights), torch.tensor(negatives), calibration
    )
    assert found.item() == pytest.approx(np.average(expected, weights=weights), rel=1e-5)


def test_uncalibrated_gbce_is_binary_cross_entropy() -> None:
    queries, vectors, _, weights = drawn()
    targets, negatives = torch.zeros(ASKED, dtype=torch.int64), torch.arange(1, 9)
    scores = queries @ vectors[: len(negatives) + 1].T + np.log(1 / len(negatives))
    labels = torch.eye(len(negatives) + 1)[targets]
    each = functional.binary_cross_entropy_with_logits(scores, labels, reduction="none").mean(dim=1)
    found = gbce(queries, vectors, targets, weights, negatives, 0.0)
    assert found.item() == pytest.approx(((each * weights).sum() / weights.sum()).item(), rel=1e-5)


def test_fully_calibrated_gbce_foretells_the_chance_of_an_item() -> None:
    """What the paper proves: at calibration 1 the best score of an item is the log-odds of its chance, however few negatives are drawn."""
    chances = torch.tensor([0.5, 0.25, 0.125, 0.125])
    bias = torch.zeros(4, 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([bias], max_iter=40)
    one, items = torch.ones(1, 1), torch.arange(4)[:, None]

    def expected() -> Tensor:
        """Of one negative, of equal chance among the items that are not the target."""
        optimizer.zero_grad()
        pairs = [(target, negative) for target in range(4) for negative in range(4) if negative != target]
        each = [chances[target] / 3 * gbce(one, bias, items[target], one[0], items[negative], 1.0) for target, negative in pairs]
        total = torch.stack(each).sum()
        total.backward()
        return total

    optimizer.step(expected)
    torch.testing.assert_close(torch.sigmoid(bias.detach()[:, 0] + np.log(1 / 3)), chances, atol=0.01, rtol=0)


def test_gbce_does_not_begin_by_moving_all_scores() -> None:
    """Where every score is 0 the negatives pull together as strongly as the target does."""
    vectors = torch.zeros(50, 1, requires_grad=True)
    negatives = torch.arange(1, 11)
    gbce(torch.ones(1, 1), vectors, torch.tensor([0]), torch.ones(1), negatives, 0.75).backward()
    assert vectors.grad is not None
    assert vectors.grad[0] < 0
    rate = 10 / 49
    power = rate * (0.75 * (1 - 1 / rate) + 1 / rate)
    pulls = power / (power / 10 + 1), 10 * (power / 10) / (1 + power / 10)  # by hand: power (1 - sigmoid), and ten times sigmoid
    assert pulls[0] == pytest.approx(pulls[1])
    assert vectors.grad.sum().item() == pytest.approx(0, abs=1e-6)


def test_bce_by_hand() -> None:
    scores = np.array([[1.0, -0.5, 0.2], [0.3, 0.4, -1.0]])
    expected = [-np.log(sigmoid(1.0)) - np.log(1 - sigmoid(0.2)), -np.log(sigmoid(0.4))]
    found = bce(
        torch.tensor(scores).float(),
        torch.eye(3),
        torch.tensor([0, 1]),
        torch.tensor([1.0, 2.0]),
        torch.tensor([2, 0]),
        torch.tensor([True, False]),
    )
    assert found.item() == pytest.approx(np.average(expected, weights=[1, 2]), rel=1e-5)


def test_losses_are_taken_in_full_precision_under_autocast() -> None:
    queries, vectors, targets, weights = drawn()
    negatives = torch.arange(5)
    log_q = torch.full((5,), -2.0)

    def all_four() -> list[Tensor]:
        what = queries, vectors, targets, weights
        sampled = softmax_over_negatives(*what, negatives, log_q), gbce(*what, negatives, 0.5)
        return [full_softmax(*what), *sampled, bce(*what, targets.flip(0), targets >= 0)]

    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = all_four()
    for left, right in zip(mixed, all_four(), strict=True):
        assert torch.equal(left, right)


def test_a_batch_that_asks_nothing_teaches_nothing() -> None:
    queries, vectors = torch.zeros(0, DIM, requires_grad=True), torch.ones(N_ITEMS, DIM, requires_grad=True)
    loss = full_softmax(queries, vectors, torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    loss.backward()
    assert loss.item() == 0
    assert vectors.grad is not None
    assert not vectors.grad.any()
