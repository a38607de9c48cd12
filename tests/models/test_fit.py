"""What the one training loop promises every model: when it stops, what it keeps, whom it tells, and what it refuses."""

from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.fit import Schedule, choose_device, train
from models.training.batches import Rows
from models.training.schedule import learning_rate, plateaus
from models.training.watch import watched
from outfitter.errors import ModelError
from tests.models.small_fit import CPU, SCHEDULE, Told, fit, network, rows, squared

PLAIN = Schedule(epochs=4, batch_size=25, learning_rate=0.01, weight_decay=0.0, patience=4, seed=0)


def test_the_score_decides_when_it_is_given() -> None:
    """The validation loss falls all the time, the score is best in the second epoch: training stops two epochs later."""
    made, scores, weights = network(dropout=0), iter([0.1, 0.4, 0.4, 0.3, 0.9]), []

    def score() -> float:
        weights.append({name: value.clone() for name, value in made.state_dict().items()})
        assert not made.training
        assert not torch.is_grad_enabled()
        return next(scores)

    schedule = replace(PLAIN, epochs=9, patience=2)
    fitted = train(made, squared(made), rows(0), rows(9, 40), schedule, CPU, score=score)
    assert fitted.scores == (0.1, 0.4, 0.4, 0.3)
    assert fitted.best_epoch == 2
    assert fitted.validation[3] < fitted.validation[1]
    for name, value in made.state_dict().items():
        assert torch.equal(value, weights[1][name])


def test_without_validation_every_epoch_is_run_and_the_last_kept() -> None:
    made = network(dropout=0)
    fitted = train(made, squared(made), rows(0), None, replace(PLAIN, patience=1), CPU)
    assert (len(fitted.training), fitted.validation, fitted.scores, fitted.best_epoch) == (4, (), (), 4)


def test_the_loss_is_the_mean_over_rows() -> None:
    """At a rate too small to change a weight, each epoch's loss is the plain mean over the rows, however the batches fall."""
    made = network(dropout=0).eval()
    made.train = lambda mode=True: made  # type: ignore[method-assign, assignment]  # the batch norm's statistics stay as they are
    with torch.no_grad():
        wanted = [float(squared(made)(part)) for part in (rows(0, 103), rows(9, 41))]
    fitted = train(made, squared(made), rows(0, 103), rows(9, 41), replace(PLAIN, learning_rate=1e-12), CPU)
    assert fitted.training == pytest.approx([wanted[0]] * 4, rel=1e-5)
    assert fitted.validation == pytest.approx([wanted[1]] * 4, rel=1e-5)


def test_a_gradient_is_clipped_to_norm_one() -> None:
    made = nn.Linear(4, 1)
    train(made, lambda batch: 1e4 * made(batch.user_features).mean(), rows(0), None, PLAIN, CPU)
    grads = torch.cat([parameter.grad.reshape(-1) for parameter in made.parameters() if parameter.grad is not None])
    assert float(grads.norm()) == pytest.approx(1, rel=1e-4)


def test_weight_decay_is_adamws() -> None:
    """Decoupled: a weight without a gradient still shrinks by rate times decay a step."""
    made = nn.Linear(4, 1)
    nn.init.ones_(made.weight)
    train(made, lambda batch: made(batch.user_features).mean() * 0, rows(0), None, replace(PLAIN, weight_decay=0.5), CPU)
    assert made.weight.detach().numpy() == pytest.approx((1 - 0.01 * 0.5) ** 16, rel=1e-5)


def test_plateaus_are_those_of_torch() -> None:
    """Against ``ReduceLROnPlateau`` on random losses, for several waiting times."""
    rng = np.random.default_rng(0)
    for wait in (1, 2, 3):
        losses = rng.random(60).round(1).tolist()
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=wait - 1, threshold=0, eps=0)
        for epoch, value in enumerate(losses, start=1):
            torchs.step(value)
            assert 0.5 ** plateaus(losses[:epoch], wait) == optimizer.param_groups[0]["lr"]


def test_the_cosine_is_that_of_torch() -> None:
    schedule = replace(PLAIN, decay="cosine")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=schedule.learning_rate)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40)
    for step in range(40):
        assert learning_rate(schedule, step / 40, []) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        torchs.step()


def test_the_rate_warms_up_from_zero() -> None:
    schedule = replace(PLAIN, warmup=0.2, decay="cosine")
    rates = [learning_rate(schedule, progress, []) for progress in (0.0, 0.05, 0.2, 0.6, 1.0)]
    assert rates == pytest.approx([0, 0.0025, 0.01, 0.005, 0], abs=1e-12)


def test_the_rate_halves_while_nothing_gets_better() -> None:
    """Scores that never rise: half of a patience of four passes, the rate is halved; then training stops."""
    made, told = network(dropout=0), Told()
    schedule = replace(PLAIN, epochs=20, decay="plateau")
    train(made, squared(made), rows(0), None, schedule, CPU, score=lambda: 0.0, run=told)
    assert told.each("learning_rate") == [0.01, 0.01, 0.01, 0.005, 0.005]


def test_a_step_is_made_at_the_rate_of_its_middle() -> None:
    """Four epochs of four steps: the last step of each lies half a step before a quarter of the way."""
    made, told = network(), Told()
    train(made, squared(made), rows(0), None, replace(PLAIN, decay="cosine"), CPU, run=told)
    assert told.each("learning_rate") == pytest.approx(
        [0.01 * (1 + math.cos(math.pi * (4 * epoch - 0.5) / 16)) / 2 for epoch in (1, 2, 3, 4)]
    )


def test_every_epoch_is_told_once() -> None:
    """To the run that is given and to those around; a label goes before the names."""
    given, inner, outer = Told(), Told(), Told()
    made = network()
    with watched(outer), watched(inner):
        fitted = train(made, squared(made), rows(0), rows(9, 40), PLAIN, CPU, score=lambda: 0.5, run=given, label="refit_")
    train(made, squared(made), rows(0), None, PLAIN, CPU)
    assert given.epochs == inner.epochs == outer.epochs
    assert [(number, done, total) for number, _, done, total in given.epochs] == [(epoch, epoch, 4) for epoch in (1, 2, 3, 4)]
    assert tuple(given.each("refit_training_loss")) == fitted.training
    assert tuple(given.each("refit_validation_loss")) == fitted.validation
    assert given.each("refit_score") == [0.5] * 4
    assert set(given.epochs[0][1]) == {
        f"refit_{name}" for name in ("training_loss", "validation_loss", "score", "learning_rate", "seconds")
    }


def test_the_device_is_stated_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "outfitter.fit"):
        fit(network())
    assert "training on cpu: 100 rows, 65 parameters" in caplog.text
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_torch_is_left_as_it_was() -> None:
    """Its threads and its generator, whatever dropout has drawn."""
    made, within = network(), []
    loss = squared(made)
    torch.manual_seed(11)
    state, threads = torch.get_rng_state(), torch.get_num_threads()

    def watching(batch: Rows) -> Tensor:
        within.append(torch.get_num_threads())
        return loss(batch)

    train(made, watching, rows(0), None, replace(PLAIN, threads=2), CPU)
    assert set(within) == {2}
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_side_by_side_is_as_alone() -> None:
    """Dropout of two trainings in two threads, whatever torch's generator is at."""
    alone = fit(network())[1]
    made = [network(), network()]  # before any thread draws from torch's generator, as making them does
    with ThreadPoolExecutor(2) as threads:
        found = [future.result()[1] for future in [threads.submit(fit, one) for one in made]]
    for weights in found:
        assert all(torch.equal(weights[name], value) for name, value in alone.items())
    assert not all(torch.equal(value, fit(network(), replace(SCHEDULE, seed=6))[1][name]) for name, value in alone.items())


def test_gaps_in_the_rows_are_named() -> None:
    data = rows(0)
    data.user_features[3, 1], data.user_features[8, 0] = math.nan, math.inf
    with pytest.raises(ModelError, match="'user_features' of the training rows holds 2 values that are not finite"):
        fit(network(), data=data)


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_divergence_is_told(factor: float) -> None:
    made = network()
    with pytest.raises(ModelError, match=r"training diverged: the loss is not a number. Lower the learning rate"):
        train(made, lambda batch: squared(made)(batch) * factor, rows(0), None, PLAIN, CPU)


def test_so_are_a_weight_and_a_score_that_are_no_numbers() -> None:
    """The last step spoils a weight that no later loss would show."""
    made, steps = nn.Linear(4, 1), 0

    def loss(batch: Rows) -> Tensor:
        nonlocal steps
        steps += 1
        return (made(batch.user_features) * 0).sum().sqrt() if steps == 16 else made(batch.user_features).mean()  # the slope of a root at 0

    with pytest.raises(ModelError, match="the weight 'weight' is not a number"):
        train(made, loss, rows(0), None, PLAIN, CPU)
    made = network()
    with pytest.raises(ModelError, match="the score is not a number"):
        train(made, squared(made), rows(0), None, PLAIN, CPU, score=lambda: math.nan)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in ("epochs", "batch_size", "patience", "threads", "learning_rate", "clip")),
        ("weight_decay", -1.0),
        ("warmup", 1.0),
        ("decay", "linear"),
    ],
)
def test_a_schedule_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ModelError, match=name):
        replace(PLAIN, **{name: value})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("share", [0.5, 0.0])
def test_a_gpu_comes_to_the_same(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """To bfloat16's three digits, with the rows in its memory and with batches copied ahead."""
    monkeypatch.setattr("models.training.prefetch.SHARE", share)
    losses = []
    for device in (CPU, torch.device("cuda")):
        made = network(dropout=0)
        losses.append(train(made, squared(made), rows(0), rows(9, 40), PLAIN, device).validation)
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
