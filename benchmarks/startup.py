"""How long ``outfitter --help`` takes, beside a Python that does nothing: ``python benchmarks/startup.py [RUNS]``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "outfitter --help": ["-c", "from outfitter.cli.app import main; main()", "--help"],
    "outfitter --version": ["-c", "from outfitter.cli.app import main; main()", "--version"],
}


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def measure(runs: int) -> dict[str, list[float]]:
    """Seconds of each command, one of each in turn, so that a busy moment falls on all; a first round warms the file cache."""
    rounds = [{name: seconds(arguments) for name, arguments in COMMANDS.items()} for _ in range(runs + 1)]
    return {name: [one[name] for one in rounds[1:]] for name in COMMANDS}


def table(taken: dict[str, list[float]]) -> str:
    base = statistics.median(taken["python -c pass"])
    lines = [f"{'command':<22}{'median ms':>10}{'least ms':>10}{'ratio':>8}"]
    for name, times in taken.items():
        median = statistics.median(times)
        lines.append(f"{name:<22}{1000 * median:>10.0f}{1000 * min(times):>10.0f}{median / base:>8.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    sys.stdout.write(f"{table(measure(runs))}\n({runs} runs)\n")
