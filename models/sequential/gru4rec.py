"""GRU4Rec: gated recurrence over the history, each event asked for the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from models.sequential.base import SequentialRecommender

if TYPE_CHECKING:
    from models.sequential.networks import Body


@dataclass
class GRU4Rec(SequentialRecommender):
    """Hidasi et al., "Session-based recommendations with recurrent neural networks" (ICLR 2016), whose session is the whole history."""

    name: ClassVar[str] = "gru4rec"

    layers: int = 1

    def _body(self) -> Body:
        from models.sequential.networks import NextItem
        from models.sequential.readers import Recurrence

        return NextItem(Recurrence(self.dim, self.layers, self.dropout, self.gaps), self.length)
