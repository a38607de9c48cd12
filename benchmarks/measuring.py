"""Wall time, CPU time and peak memory of a command and everything it starts."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Cost:
    """seconds on the wall; cpu: seconds of the command itself; peak: MiB resident, the command and all its descendants together."""

    seconds: float
    cpu: float
    peak: float
    stdout: str


def resident(process: psutil.Process) -> int:
    """Bytes in memory of a process and its descendants; those that end meanwhile count as nothing."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def measure(command: Sequence[str], variables: Mapping[str, str]) -> Cost:
    """Run a command with further environment variables. Raises SystemExit with its standard error when it fails."""
    started, peak, cpu = time.perf_counter(), 0, 0.0
    environment = {**os.environ, **variables}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watched = psutil.Process(run.pid)
    while True:
        try:
            stdout, errors = run.communicate(timeout=SAMPLE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            try:
                peak, cpu = max(peak, resident(watched)), sum(watched.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}\n{errors}")
    return Cost(time.perf_counter() - started, cpu, peak / 2**20, stdout)
