"""What a person reads in the Prefect UI: one Markdown artifact a flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact


def leave(flow: str, title: str, facts: Mapping[str, Any], text: str = "") -> None:
    """Leave the artifact of a flow: a table of facts and, below it, whatever else is worth reading."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    create_markdown_artifact(key=f"outfitter-{flow}", description=title, markdown=f"# {title}\n\n| | |\n|---|---|\n{rows}\n\n{text}")
