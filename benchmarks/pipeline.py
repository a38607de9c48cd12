"""Wall time and peak memory of the main job: a first run in a fresh home, and a second that finds nothing new.

    .venv/bin/python benchmarks/pipeline.py [outfitter run's options]

Memory is the sum of the resident sets of the command and all its children (the Prefect server among them), sampled ten times a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

COMMAND = [sys.executable, "-c", "from outfitter.cli.app import main; main()", "run"]
SAMPLE_SECONDS = 0.1


def resident(process: psutil.Process) -> int:
    """Bytes in memory of a process and its descendants; those that end meanwhile count as nothing."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def measure(home: Path, options: list[str]) -> tuple[float, float, float]:
    """Seconds on the wall, CPU seconds of the command itself, and the peak in MiB."""
    started, peak, cpu = time.perf_counter(), 0, 0.0
    run = subprocess.Popen(
        [*COMMAND, *options], env={**os.environ, "OUTFITTER_HOME": str(home)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    watched = psutil.Process(run.pid)
    while run.poll() is None:
        try:
            peak, cpu = max(peak, resident(watched)), sum(watched.cpu_times()[:2])
        except psutil.NoSuchProcess:
            break
        time.sleep(SAMPLE_SECONDS)
    _, errors = run.communicate()
    if run.returncode:
        raise SystemExit(errors.decode())
    return time.perf_counter() - started, cpu, peak / 2**20


def main() -> None:
    sys.stdout.write(f"{'run':<12} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9}\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            wall, cpu, peak = measure(Path(folder) / "home", sys.argv[1:])
            sys.stdout.write(f"{name:<12} {wall:>8.1f} {cpu:>8.1f} {peak:>9.0f}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
