"""SASRec: self-attention over the history, each event asked for the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from models.base import require
from models.sequential.base import SequentialRecommender

if TYPE_CHECKING:
    from models.sequential.networks import Body


@dataclass
class SASRec(SequentialRecommender):
    """Kang and McAuley, "Self-attentive sequential recommendation" (ICDM 2018), with ``heads`` of attention in each layer."""

    name: ClassVar[str] = "sasrec"

    heads: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.heads > 0, f"heads must be positive, not {self.heads}")

    def _body(self) -> Body:
        from models.sequential.networks import NextItem
        from models.sequential.readers import Transformer

        return NextItem(Transformer(self.length, self.dim, self.layers, self.heads, self.dropout, self.gaps), self.length)
