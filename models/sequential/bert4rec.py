"""BERT4Rec: self-attention both ways, taught to fill in events that were hidden from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from models.base import require
from models.sequential.base import SequentialRecommender

if TYPE_CHECKING:
    from models.sequential.networks import Body


@dataclass
class BERT4Rec(SequentialRecommender):
    """Sun et al., "BERT4Rec: sequential recommendation with bidirectional encoder representations from transformer" (CIKM 2019).

    Half of the windows hide a ``masked`` share of their events, the other half the last one alone.
    """

    name: ClassVar[str] = "bert4rec"

    heads: int = 2
    masked: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.heads > 0, f"heads must be positive, not {self.heads}")
        require(0 < self.masked < 1, f"masked must be a share between 0 and 1, not {self.masked}")

    def _body(self) -> Body:
        from models.sequential.networks import Cloze
        from models.sequential.readers import Transformer

        reader = Transformer(self.length, self.dim, self.layers, self.heads, self.dropout, self.gaps)
        return Cloze(reader, self.length, self.dim, self.masked)
