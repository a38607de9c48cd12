"""Fits two towers with a checkpoint a step and ends with SIGKILL at a step: ``python -m tests.models.killed_fit CHECKPOINTS STEP``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from models.base import Recommender
from models.neural.two_tower import TwoTower
from models.training import losses
from models.training.watch import Checkpoints, watched
from tests.models.worlds import blocks


def two_towers(checkpoints: Path) -> Recommender:
    with watched(checkpoints=Checkpoints(checkpoints, "two towers", every=0)):
        return TwoTower(dim=16, epochs=3, batch_size=256, latest=10, seed=3).fit(blocks().data)


def main(checkpoints: str, step: str) -> None:
    real, steps = losses.sampled_softmax, 0

    def fatal(*args: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == int(step):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args)

    losses.sampled_softmax = fatal
    two_towers(Path(checkpoints))


if __name__ == "__main__":
    main(*sys.argv[1:])
