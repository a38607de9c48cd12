"""Every command of the command line by its full name."""

from __future__ import annotations

from typing import Any

import typer

from outfitter.cli.app import app


def every_command() -> dict[str, Any]:
    """Name -> click command; the commands of a group as ``quarantine list``."""
    found: dict[str, Any] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        nested = getattr(command, "commands", None)
        found |= {name: command} if nested is None else {f"{name} {inner}": one for inner, one in nested.items()}
    return found
