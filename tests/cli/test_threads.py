"""The setting ``threads`` reaches the libraries that compute, because it is exported before they are imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

ASK = """
import json
from outfitter.settings import load_settings
load_settings().activate()
import numba, polars, torch
print(json.dumps([numba.config.NUMBA_NUM_THREADS, polars.thread_pool_size(), torch.get_num_threads()]))
"""
READ_BY_LIBRARIES = ("OMP_", "OPENBLAS_", "MKL_", "NUMBA_", "POLARS_")


@pytest.mark.parametrize("threads", [1, 3])
def test_the_setting_reaches_the_libraries(threads: int) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(READ_BY_LIBRARIES)}
    command = [sys.executable, "-c", ASK]
    environment = {**plain, "OUTFITTER_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    numba, polars, torch = json.loads(done.stdout)
    assert numba == polars == threads
    assert torch == min(threads, os.cpu_count() or 1)  # it never takes more than there are
