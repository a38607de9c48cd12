"""The model registry: versions and aliases on MLflow, the promotion gate, and the history of what was in production when."""

from __future__ import annotations

from pathlib import Path


def pyfunc_path() -> Path:
    """The file that MLflow stores with each model as its code."""
    return Path(__file__).with_name("pyfunc.py")
