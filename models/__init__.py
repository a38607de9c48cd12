"""Recommenders behind one interface, the retrieval kernel and the metrics: torch, numpy and scipy, no orchestration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.families import build, load

__all__ = ["build", "load"]


def __getattr__(name: str) -> Any:
    """``models.build`` and ``models.load``, looked up at first use so that importing a part of the package costs that part only."""
    if name not in __all__:
        raise AttributeError(f"module 'models' has no attribute '{name}'")
    from models import families

    return getattr(families, name)
