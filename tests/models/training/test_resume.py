"""A training that is killed and run again ends in the weights of one that was not, to the last bit."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from models.fit import Fitted, train
from models.training import resume
from models.training.watch import Checkpoints, watched
from outfitter.errors import ModelError
from tests.models.killed_fit import two_towers
from tests.models.small_fit import CPU, SCHEDULE, Killed, Told, fit, network, rows, squared, without_seconds

BATCHES = 7  # an epoch of 100 rows in batches of at most 16
STEPS = SCHEDULE.epochs * BATCHES
Undisturbed = tuple[Fitted, dict[str, Tensor], Told]


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def killed(folder: Path, step: int, every: float = 0.0, of: str = "test") -> None:
    with pytest.raises(Killed), watched(checkpoints=Checkpoints(folder, of, every)):
        fit(network(), die_at=step)


@pytest.fixture(scope="module")
def undisturbed() -> Undisturbed:
    told = Told()
    fitted, weights = fit(network(), run=told)
    assert len(told.epochs) == SCHEDULE.epochs, "the steps at which the tests kill would never come"
    return fitted, weights, told


@pytest.mark.parametrize("step", [1, BATCHES, BATCHES + 1, STEPS, *random.Random(3).sample(range(2, STEPS), 6)])
def test_killed_at_a_step_and_run_again(step: int, undisturbed: Undisturbed, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    killed(tmp_path, step)
    told = Told()
    with caplog.at_level(logging.INFO, "outfitter.fit"), watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
        fitted, weights = fit(network(), run=told)
    epoch, batch = divmod(step - 1, BATCHES)
    assert (f"in epoch {epoch + 1}, after {batch} batches" in caplog.text) == (step > 1)
    assert fitted == undisturbed[0]
    same(weights, undisturbed[1])
    assert without_seconds(told) == without_seconds(undisturbed[2]), "whoever watches sees all epochs, from the first"


def test_killed_again_and_again(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """With a checkpoint a step, each attempt comes a few steps further."""
    attempts = 0
    while True:
        attempts += 1
        try:
            with watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
                fitted, weights = fit(network(), die_at=5)
            break
        except Killed:
            assert attempts < STEPS
    assert attempts > STEPS // 5
    assert fitted == undisturbed[0]
    same(weights, undisturbed[1])


def test_what_was_trained_since_the_checkpoint_is_trained_again(
    undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock stands still but for one moment: the only checkpoint is of step 10, and the kill comes at step 24."""
    now = 0.0
    monkeypatch.setattr(resume.time, "monotonic", lambda: now)
    steps = 0

    def clock() -> None:
        nonlocal now, steps
        steps += 1
        now = 61.0 if steps == 10 else now

    made = network()
    made[0].register_forward_hook(lambda *_: clock() if made.training else None)
    with pytest.raises(Killed), watched(checkpoints=Checkpoints(tmp_path, "test", 60)):
        fit(made, die_at=24)
    with safe_open(tmp_path / "training-1.safetensors", "pt") as found:
        progress = json.loads(found.metadata()["progress"])
    assert (progress["epoch"], progress["batch"]) == (2, 10 - BATCHES)
    with watched(checkpoints=Checkpoints(tmp_path, "test", 60)):
        fitted, weights = fit(network())
    assert fitted == undisturbed[0]
    same(weights, undisturbed[1])


def test_a_finished_training_is_not_run_again(undisturbed: Undisturbed, tmp_path: Path) -> None:
    with watched(checkpoints=Checkpoints(tmp_path, "test", 3600)):
        fit(network())
    with watched(checkpoints=Checkpoints(tmp_path, "test", 3600)):
        fitted, weights = fit(network(), die_at=1)
    assert fitted == undisturbed[0]
    same(weights, undisturbed[1])


def test_the_second_training_of_a_fit_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    """Killed in its second training, a fit does not run the first again."""
    with watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
        fit(network(1))
        with pytest.raises(Killed):
            fit(network(2), die_at=9)
    with watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
        fit(network(1), die_at=1)
        _, weights = fit(network(2))
    same(weights, fit(network(2))[1])


OTHERS: dict[str, Callable[[], tuple[object, dict[str, Tensor]]]] = {
    "schedule": lambda: fit(network(), replace(SCHEDULE, learning_rate=0.03)),
    "training data": lambda: fit(network(), data=rows(1)),
    "network": lambda: fit(network(2)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_checkpoint_of_another_training_is_left_alone(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    killed(tmp_path, 20)
    with caplog.at_level(logging.WARNING, "outfitter.fit"), watched(checkpoints=Checkpoints(tmp_path, "test")):
        fitted, weights = OTHERS[kind]()
    assert f"is of another training (by its {kind}): training starts anew" in caplog.text
    alone = OTHERS[kind]()
    assert fitted == alone[0]
    same(weights, alone[1])


def test_so_is_one_of_another_recipe_or_version(
    undisturbed: Undisturbed, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(tmp_path, 20, of="temperature 0.1")
    monkeypatch.setattr(resume, "FORMAT", "0")
    with caplog.at_level(logging.WARNING, "outfitter.fit"), watched(checkpoints=Checkpoints(tmp_path, "temperature 0.2")):
        _, weights = fit(network())
    assert "(by its fit, format)" in caplog.text
    same(weights, undisturbed[1])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a checkpoint", None])
def test_a_damaged_checkpoint_is_told_and_left_alone(
    content: bytes | None, undisturbed: Undisturbed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed(tmp_path, 20)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-10] if content is None else content)
    with caplog.at_level(logging.WARNING, "outfitter.fit"), watched(checkpoints=Checkpoints(tmp_path, "test")):
        _, weights = fit(network())
    assert "cannot be read" in caplog.text
    same(weights, undisturbed[1])


def test_a_write_that_fails_leaves_the_last_checkpoint_whole(
    undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the fifth checkpoint: the file is half-written, and the fourth is still there."""
    written, real = 0, os.fsync

    def full(handle: int) -> None:
        nonlocal written
        written += 1
        if written == 5:
            os.truncate(handle, 100)
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(resume.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
        fit(network())
    with safe_open(tmp_path / "training-1.safetensors", "pt") as found:
        assert json.loads(found.metadata()["progress"])["batch"] == 4
    with watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
        _, weights = fit(network())
    same(weights, undisturbed[1])


class Tied(nn.Module):
    """Two layers that share their weight, as sequential models share the items' embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.first.weight.data = torch.eye(4)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))  # type: ignore[no-any-return]


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    with pytest.raises(Killed), watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
        fit(Tied(), die_at=20)
    made = Tied()
    with watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
        _, weights = fit(made)
    same(weights, fit(Tied())[1])
    assert made.first.weight is made.second.weight


def test_a_diverged_training_leaves_no_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    made, steps = network(), 0
    loss = squared(made)

    def diverging(batch: object) -> Tensor:
        nonlocal steps
        steps += 1
        return loss(batch) * (float("nan") if steps == 4 else 1)  # type: ignore[arg-type]

    with pytest.raises(ModelError, match="diverged"), watched(checkpoints=Checkpoints(tmp_path, "test", 0)):
        train(made, diverging, rows(0), None, SCHEDULE, CPU)
    with safe_open(tmp_path / "training-1.safetensors", "pt") as found:
        assert json.loads(found.metadata()["progress"])["batch"] == 3
        assert all(torch.isfinite(found.get_tensor(name)).all() for name in found.keys())  # noqa: SIM118


def test_killed_with_sigkill(tmp_path: Path) -> None:
    """A process that fits two towers is killed in the first training, another in the second; this one finishes."""
    for step in (7, 25):
        command = [sys.executable, "-m", "tests.models.killed_fit", str(tmp_path / "checkpoints"), str(step)]
        assert subprocess.run(command, check=False, timeout=120, cwd=Path(__file__).parents[2]).returncode == -signal.SIGKILL
    assert sorted(file.name for file in (tmp_path / "checkpoints").iterdir()) == ["training-1.safetensors", "training-2.safetensors"]
    alone = two_towers(tmp_path / "none").save(tmp_path / "alone")
    resumed = two_towers(tmp_path / "checkpoints").save(tmp_path / "resumed")
    for file in alone.iterdir():
        assert (resumed / file.name).read_bytes() == file.read_bytes()
