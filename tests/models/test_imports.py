"""What is light to import stays light: the command line lists models without waiting for torch."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["models", "models.topk", "models.families", "models.metrics"])
def test_torch_and_implicit_are_not_imported(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'implicit')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
