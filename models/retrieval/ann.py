"""Approximate retrieval by FAISS, for catalogues or vectors where the exact search is too slow, with its recall measured."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.base import require
from models.data import Float, Histories
from models.parallel import cores
from models.retrieval.item_vectors import ItemVectors
from models.retrieval.question import Retrieval
from models.topk import TopK, top_k_factors
from outfitter.errors import ModelError

Kind = Literal["hnsw", "ivf"]
KINDS = ("hnsw", "ivf")
LINKS, BUILD_EFFORT = 32, 100  # of an HNSW graph: links an item, and how many items are looked at to choose them
LISTS = 4.0  # of an IVF index, times the root of the number of items: FAISS's advice below a million
POINTS = 39  # items a list at least, by the same advice
TINY = np.finfo(np.float32).tiny
LONGEST = 200  # seen items that are fetched on top of k; whoever has seen more and comes out short is searched for exactly


@dataclass(frozen=True)
class AnnIndex:
    """An index of FAISS over item vectors; its numbers are places in ``items``.

    ``hnsw``: a graph of neighbours by inner product (Malkov and Yashunin, 2018). ``ivf``: lists around the centres of k-means, over
    vectors that one more dimension makes equally long, so that the nearest has the largest product (Bachrach et al., "Speeding up
    the Xbox recommender system using a Euclidean transformation for inner-product spaces", 2014). The more ``effort`` the better
    the recall and the longer the search: the items a graph search keeps open, or the lists that are looked at.
    """

    items: ItemVectors
    index: Any
    kind: Kind
    effort: int

    @classmethod
    def build(cls, vectors: Float | ItemVectors, kind: Kind = "hnsw", effort: int = 64, seed: int = 0) -> AnnIndex:
        """The index of vectors float32[n_items, d]. On one thread, so that the same vectors give the same index.

        Raises ModelError for an unknown kind, an effort below 1, and for what ``ItemVectors.of`` refuses.
        """
        require(kind in KINDS, f"kind must be one of {', '.join(KINDS)}, not '{kind}'")
        require(effort > 0, f"effort must be positive, not {effort}")
        items = vectors if isinstance(vectors, ItemVectors) else ItemVectors.of(vectors)
        require(len(items.order) > 0, "there are no items to index")
        faiss().omp_set_num_threads(1)
        index = _graph(items) if kind == "hnsw" else _lists(items, seed)
        return cls(items, index, kind, effort)

    def search(self, queries: Float, k: int, available: NDArray[np.bool_] | None = None, seen: Histories | None = None) -> TopK:
        """As ``top_k_factors``, and with the same scores, but an item may be missed.

        As many more are fetched as a user has seen; whoever still ends with fewer than k is searched for exactly. Raises ModelError
        for what ``top_k_factors`` refuses.
        """
        asked = Retrieval.of(queries, self.items, k, available, seen)
        wanted = min(len(self.items.order), k + min(int(np.diff(asked.indptr).max(initial=0)), LONGEST))
        if wanted and len(asked.queries):
            asked.offer(slice(0, len(asked.queries)), self._nearest(asked, wanted))
        asked.settle(np.flatnonzero(asked.found[:, -1] < 0))
        return TopK(asked.found, asked.scores)

    def recall(
        self, queries: Float, k: int, available: NDArray[np.bool_] | None = None, seen: Histories | None = None
    ) -> NDArray[np.float64]:
        """float64[n]: the share of each user's exact list that ``search`` finds; 1 where that list is empty."""
        found = self.search(queries, k, available, seen).items
        exact = top_k_factors(queries, self.items, k, available, seen).items
        both = [len(np.intersect1d(one[one >= 0], other)) for one, other in zip(exact, found, strict=True)]
        sizes = (exact >= 0).sum(axis=1)
        return np.where(sizes, both / np.maximum(sizes, 1), 1.0)

    def to_array(self) -> NDArray[np.uint8]:
        """The index as bytes, for an artifact."""
        return np.asarray(faiss().serialize_index(self.index), dtype=np.uint8)

    @classmethod
    def from_array(cls, vectors: Float | ItemVectors, array: NDArray[np.uint8], effort: int = 64) -> AnnIndex:
        """The index that ``to_array`` wrote, over the same vectors. Raises ModelError when it is no such index, or one of other vectors."""
        items, library = vectors if isinstance(vectors, ItemVectors) else ItemVectors.of(vectors), faiss()
        try:
            index = library.deserialize_index(np.ascontiguousarray(array, np.uint8))
        except RuntimeError as error:
            raise ModelError(f"the index cannot be read: {str(error).splitlines()[0]}", "Build it again") from error
        kind: Kind = "hnsw" if isinstance(index, library.IndexHNSWFlat) else "ivf"
        dims = items.vectors.shape[1] + (kind == "ivf")
        known = isinstance(index, library.IndexHNSWFlat | library.IndexIVFFlat)
        fits = known and (index.d, index.ntotal) == (dims, len(items.order)) and _holds(index, items)
        require(fits, "the index is not of these item vectors: build it again")
        return cls(items, index, kind, effort)

    def _nearest(self, asked: Retrieval, wanted: int) -> NDArray[np.int64]:
        """int64[n, wanted]: the places that FAISS finds among the available ones, padded with -1."""
        library = faiss()
        library.omp_set_num_threads(cores())
        available = library.IDSelectorBitmap(np.packbits(asked.allowed[self.items.order], bitorder="little"))
        chosen = None if asked.allowed.all() else available
        effort = self.effort / max(asked.allowed.mean(), 1 / len(asked.allowed))  # what is passed over must not count as looked at
        if self.kind == "hnsw":
            parameters = library.SearchParametersHNSW(sel=chosen, efSearch=int(effort) + wanted)
            return np.asarray(self.index.search(asked.queries, wanted, params=parameters)[1])
        parameters = library.SearchParametersIVF(sel=chosen, nprobe=min(int(effort), self.index.nlist))
        longest = self.items.lengths.max() / np.maximum(asked.lengths, TINY)
        scaled = np.column_stack([asked.queries * longest[:, None], np.zeros(len(asked.queries))]).astype(np.float32)
        return np.asarray(self.index.search(scaled, wanted, params=parameters)[1])


def faiss() -> Any:
    """The library, imported where it is used; the types it declares are those of C++ and leave out half of its Python side."""
    return import_module("faiss")


def _holds(index: Any, items: ItemVectors) -> bool:
    """Whether the first and the last vector are where they should be."""
    if hasattr(index, "make_direct_map"):
        index.make_direct_map()  # without it an IVF index does not know where a vector lies
    ends = [0, len(items.order) - 1]
    return all(np.array_equal(index.reconstruct(place)[: items.vectors.shape[1]], items.vectors[place]) for place in ends)


def _graph(items: ItemVectors) -> Any:
    index = faiss().IndexHNSWFlat(items.vectors.shape[1], LINKS, faiss().METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_EFFORT
    index.add(items.vectors)
    return index


def _lists(items: ItemVectors, seed: int) -> Any:
    lengths = items.lengths
    missing = np.sqrt(np.maximum(lengths.max(initial=0) ** 2 - lengths**2, 0))
    level = np.column_stack([items.vectors, missing]).astype(np.float32)
    n_lists = max(1, min(int(LISTS * np.sqrt(len(level))), len(level) // POINTS))
    index = faiss().index_factory(level.shape[1], f"IVF{n_lists},Flat", faiss().METRIC_L2)
    index.cp.seed = seed
    index.train(level)
    index.add(level)
    return index
