"""Wall time and peak memory of the main job: a first run in a fresh home, and a second that finds nothing new.

    .venv/bin/python benchmarks/pipeline.py [outfitter run's options]

Memory is the sum of the resident sets of the command and all its children (the Prefect server among them), sampled ten times a second.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measuring import measure

COMMAND = [sys.executable, "-c", "from outfitter.cli.app import main; main()", "run"]


def main() -> None:
    sys.stdout.write(f"{'run':<12} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9}\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            cost = measure([*COMMAND, *sys.argv[1:]], {"OUTFITTER_HOME": str(Path(folder) / "home")})
            sys.stdout.write(f"{name:<12} {cost.seconds:>8.1f} {cost.cpu:>8.1f} {cost.peak:>9.0f}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
