"""Models that read a history in its order: GRU4Rec, SASRec and BERT4Rec."""

from models.sequential.bert4rec import BERT4Rec
from models.sequential.gru4rec import GRU4Rec
from models.sequential.sasrec import SASRec

__all__ = ["BERT4Rec", "GRU4Rec", "SASRec"]
