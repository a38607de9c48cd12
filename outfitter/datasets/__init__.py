"""The sources Outfitter reads: one adapter a format, imported when asked for, so that importing this package stays cheap."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from outfitter.datasets.base import Adapter, Frames, SourceFile
from outfitter.errors import SourceError

if TYPE_CHECKING:
    from outfitter.settings import Settings

__all__ = ["ADAPTERS", "Adapter", "Frames", "SourceFile", "adapter"]


class _Adapters(Mapping[str, type[Adapter]]):
    """Adapter classes by name; looking one up imports its module."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> type[Adapter]:
        module, _, attribute = self._places[name].rpartition(".")
        found: type[Adapter] = getattr(import_module(module), attribute)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:  # Mapping's own would import the adapter only to say yes
        return name in self._places


ADAPTERS: Mapping[str, type[Adapter]] = _Adapters(
    {
        "synthetic": "outfitter.datasets.synthetic.adapter.SyntheticAdapter",
        "hm": "outfitter.datasets.hm.HMAdapter",
        "vibrent": "outfitter.datasets.vibrent.VibrentAdapter",
        "renttherunway": "outfitter.datasets.renttherunway.RentTheRunwayAdapter",
        "amazon": "outfitter.datasets.amazon.AmazonAdapter",
        "movielens": "outfitter.datasets.movielens.MovieLensAdapter",
        "sequences": "outfitter.datasets.sequences.SequencesAdapter",
        "mapped": "outfitter.datasets.mapped.MappedAdapter",
    }
)


def adapter(name: str, settings: Settings | None = None) -> Adapter:
    """The adapter called ``name``, as ``settings`` want it.

    Raises SourceError, listing the known ones, when there is none, and when the settings lack what it needs.
    """
    if name not in ADAPTERS:
        near = difflib.get_close_matches(name, ADAPTERS, n=1)
        hint = f"Known sources: {', '.join(sorted(ADAPTERS))}"
        raise SourceError(f"there is no source called {name!r}", f"{hint}. Did you mean {near[0]!r}?" if near else hint)
    return ADAPTERS[name].configured(settings) if settings else ADAPTERS[name]()
