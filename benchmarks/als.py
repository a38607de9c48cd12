"""ALS on a drawn shop of H&M's size, in a process of its own: ``python benchmarks/als.py FOLDER``.

The drawn arrays and the fitted model stay in FOLDER, where ``topk.py`` finds them.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from drawn import shop
from scipy import sparse

from models.data import Float
from models.factorization.als import ImplicitALS, gram

READ = 20_000  # users whose loss is computed at once


@dataclass
class Whole(ImplicitALS):
    """Keeps the factors of the users, which the loss needs."""

    name: ClassVar[str] = "als"

    def _alternate(self, confidence: sparse.csr_matrix) -> tuple[Float, Float]:
        self.confidence = confidence
        self.both = super()._alternate(confidence)
        return self.both


def fit(folder: Path) -> dict[str, float]:
    """What ``fit`` cost: seconds of the wall and of all threads, and the most that the whole process had in memory; and the loss."""
    data = shop(folder)
    model = Whole()
    started, computed = time.perf_counter(), time.process_time()
    model.fit(data)
    cost = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - computed, "peak_mb": peak()}
    model.save(folder / "als")
    return {**cost, "loss": loss(model)}


def peak() -> float:
    """MB: the most this process has had in memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def loss(model: Whole) -> float:
    """Sum over all cells of c (p - x.y)^2, p being 1 where a user and an item met, and of the penalty; equation 3 of the paper."""
    users, items = model.both
    total = float((gram(users, 0) * gram(items, 0)).sum())
    for start in range(0, len(users), READ):
        met = model.confidence[start : start + READ].tocoo()
        scores = np.einsum("nd,nd->n", users[start + met.row], items[met.col], dtype=np.float64)
        total += float((met.data * (1 - scores) ** 2 - scores**2).sum())
    return total + model.regularization * float(np.square(users, dtype=np.float64).sum() + np.square(items, dtype=np.float64).sum())


def main(folder: Path) -> None:
    shop(folder)
    command = [sys.executable, __file__, str(folder), "fit"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    sys.stdout.write(f"{'seconds':>9}{'cpu s':>8}{'peak MB':>9}{'loss':>16}\n")
    sys.stdout.write(f"{found['seconds']:>9.1f}{found['cpu']:>8.1f}{found['peak_mb']:>9.0f}{found['loss']:>16.0f}\n")


if __name__ == "__main__":
    if sys.argv[2:]:
        sys.stdout.write(json.dumps(fit(Path(sys.argv[1]))))
    else:
        main(Path(sys.argv[1]))
