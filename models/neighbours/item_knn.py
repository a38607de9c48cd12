"""Item-based neighbours: what is bought by the customers who bought what you bought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from models.base import Recommender, require
from models.data import Float, Histories, Positions, TrainingData
from models.held import Held, Layout
from models.kernels import nearest
from models.parallel import in_slices
from models.topk import TopK

BLOCK = 512  # items a task: small enough that the few popular, slow ones spread over the threads
K1, B = 1.2, 0.75  # the usual constants of BM25


@dataclass
class ItemKNN(Recommender):
    """Each item lends its weight in the history to its nearest items; the history is halved every ``half_life`` events back.

    weighting: how a user counts within an item before the cosine. ``cosine`` takes the summed event weights; ``tfidf`` and ``bm25``
    read an item as a document whose words are its users, so that who takes everything says little. A similarity is damped by
    n / (n + shrink) for n common users (Bell and Koren, "Scalable collaborative filtering with jointly derived neighborhood
    interpolation weights", 2007). Items without any vote follow the others in order of recent popularity, scored below 0.
    """

    name: ClassVar[str] = "item_knn"
    asked_with: ClassVar[frozenset[str]] = frozenset({"half_life"})
    layout: ClassVar[Layout] = {
        "neighbours": Held(("items", "near"), places_in="items", padded=True),
        "similarities": Held(("items", "near")),
    }

    neighbours: int = 100
    shrink: float = 5.0
    weighting: Literal["cosine", "tfidf", "bm25"] = "tfidf"
    half_life: float = 3.0

    def __post_init__(self) -> None:
        require(self.neighbours > 0, f"neighbours must be positive, not {self.neighbours}")
        require(self.shrink >= 0, f"shrink must not be negative, as {self.shrink} is")
        require(self.half_life > 0, f"half_life must be positive, not {self.half_life}")
        require(self.weighting in _WEIGHTINGS, f"weighting must be one of {', '.join(_WEIGHTINGS)}, not '{self.weighting}'")

    def _fit(self, data: TrainingData) -> None:
        weighted = _WEIGHTINGS[self.weighting](data.histories.matrix(data.n_items))
        found = similar_items(weighted, _lengths(weighted, self.weighting), self.neighbours, self.shrink)
        self.arrays = {"neighbours": found.items, "similarities": np.where(found.items < 0, np.float32(0), found.scores)}

    def encode(self, histories: Histories) -> sparse.csc_matrix:
        """float32[n_users, n_items], sparse: the votes of each user's decayed history."""
        met, columns = np.unique(histories.items, return_inverse=True)
        shape = (histories.n_users, len(met))
        history = sparse.csr_matrix((histories.decayed(self.half_life), columns, histories.indptr), shape=shape)
        return (history @ self._votes(met)).tocsc()

    def score(self, query: sparse.csc_matrix, items: slice) -> Float:
        """float32[n_users, len(items)]: the votes, or recent popularity shifted into [-1, 0) where there are none."""
        votes: Float = query[:, items].toarray()
        rest = self.prior[items] / (self.prior.max() + np.float32(1)) - np.float32(1)
        return np.where(votes > 0, votes, rest)

    def _votes(self, met: Positions) -> sparse.csr_matrix:
        """float32[len(met), n_items], sparse: the similarities of the items ``met``; padding adds 0 to item 0."""
        listed = np.maximum(self.arrays["neighbours"][met], 0)
        similarities = self.arrays["similarities"][met]
        starts = np.arange(len(met) + 1) * listed.shape[1]
        return sparse.csr_matrix((similarities.ravel(), listed.ravel(), starts), shape=(len(met), len(self.item_ids)))


def similar_items(weighted: sparse.csr_matrix, norms: Float, neighbours: int, shrink: float) -> TopK:
    """The nearest items of every item: products of columns of float32[n_users, n_items] over ``norms`` float32[n_items], shrunk."""
    columns = weighted.tocsc()
    found = TopK.empty(len(norms), min(neighbours, len(norms)))
    by_item = (columns.indptr.astype(np.int64), columns.indices.astype(np.int32), columns.data)
    by_user = (weighted.indptr.astype(np.int64), weighted.indices.astype(np.int32), weighted.data)

    def fill(rows: slice) -> None:
        nearest(*by_item, *by_user, norms, shrink, rows.start, found.items[rows], found.scores[rows])

    in_slices(fill, len(norms), BLOCK)
    return found


def _lengths(weighted: sparse.csr_matrix, weighting: str) -> Float:
    """float32[n_items]: what a product is divided by. BM25 has its own damping of length, and a cosine would undo it."""
    if weighting == "bm25":
        return np.ones(weighted.shape[1], dtype=np.float32)
    return np.sqrt(np.bincount(weighted.indices, weights=weighted.data**2, minlength=weighted.shape[1])).astype(np.float32)


def cosine(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The summed weights as they are."""
    return matrix


def tfidf(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The root of the weight times log((1 + items) / (1 + items of the user))."""
    out = matrix.copy()
    out.data = np.sqrt(out.data) * _rarity(matrix)
    return out


def bm25(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Okapi BM25 (Robertson and Zaragoza, "The probabilistic relevance framework", 2009), an item being the document."""
    out = matrix.copy()
    length = np.bincount(matrix.indices, weights=matrix.data, minlength=matrix.shape[1])
    room = K1 * (1 - B + B * length / length[length > 0].mean())
    out.data = (out.data * (K1 + 1) / (out.data + room[matrix.indices]) * _rarity(matrix)).astype(np.float32)
    return out


def _rarity(matrix: sparse.csr_matrix) -> Float:
    """float32[nnz]: for each entry, how little its user's presence is to be expected."""
    counts = np.diff(matrix.indptr)
    return np.repeat(np.log((1 + matrix.shape[1]) / (1 + counts)), counts).astype(np.float32)


_WEIGHTINGS = {"cosine": cosine, "tfidf": tfidf, "bm25": bm25}
