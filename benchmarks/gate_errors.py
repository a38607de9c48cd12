"""How often the gate's bootstrap promotes a model that is no better: the table of docs/adr/0002.

    .venv/bin/python benchmarks/gate_errors.py [REPETITIONS]

Two equally good models; each finds something for a user with probability .08, independently, and then scores an NDCG drawn from the values
that one hit among the first ranks gives, spread by how much the user took. A false promotion is a lower .025 bound above zero.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from outfitter.evaluation.bootstrap import interval

USERS = (50, 100, 200, 300, 500, 1000, 3000)
HIT_RATE, SAMPLES = 0.08, 1000
ONE_HIT = 1 / np.log2(np.arange(2, 12))
OF_SEVERAL = (1.0, 0.6, 0.4)


def scores(rng: np.random.Generator, users: int) -> NDArray[np.float64]:
    """float64[users]: one model's NDCG, mostly zero."""
    found = rng.choice(ONE_HIT, users) * rng.choice(OF_SEVERAL, users)
    return np.where(rng.random(users) < HIT_RATE, found, 0.0)


def false_promotions(users: int, repetitions: int) -> float:
    """The share of comparisons of equally good models that end in a promotion."""
    rng = np.random.default_rng(users)
    lower = (interval(scores(rng, users) - scores(rng, users), SAMPLES, seed).low for seed in range(repetitions))
    return sum(low > 0 for low in lower) / repetitions


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    sys.stdout.write(f"{'users':>6} {'false promotions':>17} {'standard error':>15}  ({repetitions} repetitions)\n")
    for users in USERS:
        share = false_promotions(users, repetitions)
        error = (share * (1 - share) / repetitions) ** 0.5
        sys.stdout.write(f"{users:>6} {share:>17.2%} {error:>15.2%}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
