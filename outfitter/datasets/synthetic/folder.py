"""A folder that appears when it is complete, and says what it was made from."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from outfitter.errors import HomeError, SettingsError

Progress = Callable[[str, int, int], None]
"""Is told a stage (``month``, ``image``), how much of it is done and of how much."""
KNOBS_FILE = "shop.json"


def write_whole(out: Path, knobs: Mapping[str, object], fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write into a folder beside ``out`` and rename that; ``knobs`` is left in it as ``shop.json``.

    A run that died leaves nothing to read and is simply repeated; a folder made from the same ``knobs`` is left alone. Raises
    SettingsError when ``out`` holds anything else, HomeError when it cannot be written.
    """
    record = json.dumps(knobs, indent=2) + "\n"
    if _already_there(out, record):
        return
    partial = out.parent / f".{out.name}.partial"
    try:
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        fill(partial)
        (partial / KNOBS_FILE).write_text(record, encoding="utf-8", newline="\n")
        os.replace(partial, out)
    except OSError as error:
        raise HomeError(f"the synthetic shop cannot be written to {out}: {error.strerror or error}", "Give another folder") from error


def silent(_stage: str, _done: int, _total: int) -> None:
    """Progress that nobody wants to hear."""


def _already_there(out: Path, record: str) -> bool:
    if not out.exists():
        return False
    if not out.is_dir():
        raise SettingsError(f"{out} is not a folder", "Give a new folder for the synthetic shop")
    recorded = out / KNOBS_FILE
    if recorded.is_file() and recorded.read_text(encoding="utf-8") == record:
        return True
    if any(out.iterdir()):
        raise SettingsError(f"{out} holds other files", "Give a new or empty folder for the synthetic shop, or remove this one")
    return False
