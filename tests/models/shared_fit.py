"""One worker of a training shared by two processes: ``python -m tests.models.shared_fit RANK FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from safetensors.torch import save_file
from torch import distributed

from tests.models.small_fit import SCHEDULE, Told, fit, network, rows, without_seconds


def main(rank: str, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=int(rank), world_size=2)
    told = Told()
    _, weights = fit(network(dropout=0, norm=False), SCHEDULE, data=rows(0, 101), run=told)
    save_file(weights, Path(folder) / f"{rank}.safetensors")
    (Path(folder) / f"{rank}.json").write_text(json.dumps(without_seconds(told)))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
