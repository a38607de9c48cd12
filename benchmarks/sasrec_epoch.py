"""CPU seconds that an epoch of SASRec takes on data of MovieLens-100k's size: ``python benchmarks/sasrec_epoch.py [--peer NAME=PYTHON]``.

A peer is ``replay`` or ``rectools``, with the Python of an environment that holds it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from models.data import Histories, TrainingData
from models.sequential import SASRec
from models.training.watch import watched

USERS, ITEMS, INTERACTIONS, FEWEST = 943, 1_682, 100_000, 20  # the published counts
ACTIVITY = 1.0  # sigma of the log-normal: the most active user then has some 1,000 interactions, in MovieLens 737
SETTINGS = {"dim": 64, "blocks": 2, "heads": 2, "length": 50, "users": 128, "dropout": 0.2, "learning_rate": 0.001}


@dataclass
class Clock:
    """CPU seconds of this process at the end of every epoch."""

    marks: list[float] = field(default_factory=list)

    def epoch(self, number: int, metrics: dict[str, float], done: int, total: int) -> None:  # noqa: ARG002 (what models.training.watch calls)
        self.marks.append(time.process_time())


def draw(seed: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """int64[USERS + 1] and int32[INTERACTIONS]: whose interactions, and with which items; popularity as 1 / (rank + 20)."""
    rng = np.random.default_rng(seed)
    weight = rng.lognormal(sigma=ACTIVITY, size=USERS)
    counts = FEWEST + rng.multinomial(INTERACTIONS - FEWEST * USERS, weight / weight.sum())
    popularity = rng.permutation(1 / (np.arange(ITEMS) + 20))
    items = rng.choice(ITEMS, INTERACTIONS, p=popularity / popularity.sum()).astype(np.int32)
    return np.concatenate([[0], np.cumsum(counts)]), items


def newest(indptr: NDArray[np.int64], items: NDArray[np.int32], most: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The same users with their ``most`` newest interactions: all that the other libraries learn from."""
    kept = np.minimum(np.diff(indptr), most)
    place = np.arange(indptr[-1]) - np.repeat(indptr[1:] - kept, np.diff(indptr))
    return np.concatenate([[0], np.cumsum(kept)]), items[place >= 0]


def ours(indptr: NDArray[np.int64], items: NDArray[np.int32], epochs: int, threads: int) -> list[float]:
    """CPU seconds of each epoch but the first, which also warms up. A batch holds as many events as the others' users have places."""
    histories = Histories(indptr, items, np.ones(len(items), np.float32), np.zeros(len(items), np.float32))
    data = TrainingData(tuple(str(item) for item in range(ITEMS)), histories, datetime(1998, 4, 23, tzinfo=UTC))
    model = SASRec(
        dim=SETTINGS["dim"],
        layers=SETTINGS["blocks"],
        heads=SETTINGS["heads"],
        length=SETTINGS["length"],
        dropout=SETTINGS["dropout"],
        learning_rate=SETTINGS["learning_rate"],
        batch_size=SETTINGS["users"] * SETTINGS["length"],
        epochs=epochs,
        validation=0,
        threads=threads,
    )
    clock = Clock()
    with watched(clock):
        model.fit(data)
    return np.diff(clock.marks).tolist()


def theirs(name: str, python: str, data: Path, epochs: int, threads: int) -> list[float]:
    """The same of another library, by a Python that has it."""
    script = Path(__file__).with_name("sasrec_peers.py")
    asked = json.dumps({**SETTINGS, "items": ITEMS, "epochs": epochs, "threads": threads})
    run = subprocess.run([python, str(script), name, str(data), asked], check=True, capture_output=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def show(name: str, seconds: list[float]) -> None:
    sys.stdout.write(f"{name:<44} {mean(seconds):>8.2f} {min(seconds):>8.2f} {max(seconds):>8.2f}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help="replay or rectools, and a Python that has it")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    whole = draw(asked.seed)
    last = newest(*whole, SETTINGS["length"] + 1)
    sys.stdout.write(f"{'CPU seconds an epoch':<44} {'mean':>8} {'least':>8} {'most':>8}\n")
    show(f"outfitter, newest {SETTINGS['length'] + 1} of each user", ours(*last, asked.epochs, asked.threads))
    show(f"outfitter, all {INTERACTIONS:,} interactions", ours(*whole, asked.epochs, asked.threads))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npz"
        np.savez(data, indptr=last[0], items=last[1])
        for peer in asked.peer:
            name, _, python = peer.partition("=")
            show(f"{name}, newest {SETTINGS['length'] + 1} of each user", theirs(name, python, data, asked.epochs, asked.threads))


if __name__ == "__main__":
    main()
