"""Two processes that share every batch make the steps that one would make."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.training.sharing import Workers
from outfitter.errors import ModelError
from tests.models.small_fit import SCHEDULE, Told, fit, network, rows, without_seconds


def test_two_processes_are_as_one(tmp_path: Path) -> None:
    """101 rows make batches that two cannot halve, and still each row counts once: losses, rates and weights are those of one process."""
    command = [sys.executable, "-m", "tests.models.shared_fit"]
    workers = [subprocess.Popen([*command, str(rank), str(tmp_path)], cwd=Path(__file__).parents[2]) for rank in (0, 1)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    told = Told()
    _, alone = fit(network(dropout=0, norm=False), SCHEDULE, data=rows(0, 101), run=told)
    for name, weight in alone.items():
        assert torch.equal(first[name], second[name]), "both have made the same steps"
        np.testing.assert_allclose(first[name].numpy(), weight.numpy(), atol=1e-4)
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        for (_, metrics, _, _), (_, wanted, _, _) in zip(found, without_seconds(told), strict=True):
            assert metrics == pytest.approx(wanted, rel=1e-4)


def test_parts_are_the_whole_batch() -> None:
    batch = rows(0, 11)
    parts = [Workers(rank, 3).part(batch).items for rank in range(3)]
    assert sorted(torch.cat(parts).tolist()) == list(range(11))
    assert [len(part) for part in parts] == [4, 4, 3]
    assert Workers(0, 1).part(batch) is batch


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    @dataclass(frozen=True)
    class Whole:
        items: torch.Tensor

        def __len__(self) -> int:
            return len(self.items)

    with pytest.raises(ModelError, match="Whole has no method 'pick'"):
        Workers(0, 2).part(Whole(torch.arange(4)))
    with pytest.raises(ModelError, match="a batch of 2 rows cannot be shared by 3 workers"):
        Workers(0, 3).part(rows(0, 2))
