"""What is put off until somebody needs it."""

from __future__ import annotations

import subprocess
import sys

ALONE = """
import sys
from outfitter.settings import Settings
Settings().activate()
import feast.feature_store, feast.online_response
assert "torch" not in sys.modules, "Feast has imported torch"
assert feast.online_response.get_torch().tensor([2]).item() == 2
"""


def test_feast_brings_torch_only_when_it_is_asked_for_tensors() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
