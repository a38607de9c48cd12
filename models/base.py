"""One interface for every model: ``fit / recommend / save / load``. Models keep items only; the caller brings the users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from models import checkpoint
from models.data import Float, Histories, TrainingData
from models.held import Held, Layout, check
from models.parallel import in_threads
from models.retrieval.item_vectors import ItemVectors
from models.topk import TopK, top_k, top_k_factors
from outfitter import __version__
from outfitter.errors import ModelError, NotEnoughData

USER_BLOCK = 1024  # users encoded at once
USER_SLAB = 64 * USER_BLOCK  # users whose queries are in memory at once


class Recommender(ABC):
    """A history in, a list out.

    A subclass is a dataclass of its hyper-parameters and implements ``_fit``, ``encode`` and ``score``; what it learnt is in
    ``arrays`` (name to numpy array), so saving and loading are the same for all.
    """

    name: ClassVar[str]
    uses_torch: ClassVar[bool] = False
    reads_features: ClassVar[bool] = False  # needs the joined rows and the item table
    item_vectors_name: ClassVar[str | None] = None  # in ``arrays``, float32[n_items, d], where a score is ``encode() @ vectors.T``

    asked_with: ClassVar[frozenset[str]] = frozenset()  # hyper-parameters that a fit does not read: they count when it is asked

    layout: ClassVar[Layout] = {}  # what ``arrays`` must be like to be read; ``held`` where that depends on hyper-parameters

    item_ids: tuple[str, ...]
    prior: Float
    fit_until: str
    arrays: dict[str, NDArray[Any]]
    _retrieval: tuple[Float, ItemVectors] | None = None

    def fit(self, data: TrainingData) -> Self:
        """Learn from ``data``. Raises NotEnoughData when there is nothing to learn from, ModelError for what is no history."""
        if len(data.histories.items) == 0:
            raise NotEnoughData(f"'{self.name}' cannot be fitted: nobody did anything before {data.until:%Y-%m-%d}")
        data.check()
        self.item_ids = data.item_ids
        self.fit_until = data.until.isoformat()
        self.prior = recent_popularity(data.histories, data.n_items)
        self.arrays = {}
        self._fit(data)
        return self

    @abstractmethod
    def _fit(self, data: TrainingData) -> None: ...

    def asking(self, **params: Any) -> Self:
        """The same fit asked in another way, without copying it. Raises ModelError for what is not among ``asked_with``."""
        if learnt := sorted(set(params) - self.asked_with):
            raise ModelError(f"a fit of '{self.name}' depends on {', '.join(learnt)}", "Fit the model again.")
        other: Self = replace(self, **params)  # type: ignore[type-var]
        other.item_ids, other.fit_until, other.prior, other.arrays = self.item_ids, self.fit_until, self.prior, self.arrays
        return other

    @abstractmethod
    def encode(self, histories: Histories) -> Any:
        """Whatever ``score`` needs to know of a block of users, computed once a block."""

    @abstractmethod
    def score(self, query: Any, items: slice) -> Float:
        """float32[n_users, len(items)]: the block's scores for a contiguous run of item positions."""

    def recommend(self, histories: Histories, k: int, available: NDArray[np.bool_] | None = None, exclude_seen: bool = True) -> TopK:
        """The best ``k`` items for each of n users.

        available: bool[n_items], all when None. Users whose history is empty get what sold most recently. Rows with fewer than k
        admissible items are padded with item -1 and score -inf. Raises ModelError for what ``Histories.check`` and ``top_k`` refuse.
        """
        histories.check(len(self.item_ids))
        return TopK.concatenate(self._parts(histories, k, available, exclude_seen), k)

    def _parts(self, histories: Histories, k: int, available: NDArray[np.bool_] | None, exclude_seen: bool) -> list[TopK]:
        """The answers block by block. Torch and the search by vectors use every core as it is."""
        if self.item_vectors_name is not None:
            return [self._by_vectors(slab, k, available, exclude_seen) for slab in blocks_of(histories, USER_SLAB)]
        blocks = list(blocks_of(histories, USER_BLOCK))
        if self.uses_torch:
            return [self._by_scores(block, k, available, exclude_seen) for block in blocks]
        return in_threads(lambda block: self._by_scores(block, k, available, exclude_seen), blocks)

    def _by_scores(self, block: Histories, k: int, available: NDArray[np.bool_] | None, exclude_seen: bool) -> TopK:
        seen = block.only_taken() if exclude_seen else None
        query = self._query(block, available, seen)
        known = np.diff(block.indptr) > 0

        def score(items: slice) -> Float:
            scores = self.score(query, items)
            return scores if known.all() else np.where(known[:, None], scores, self.prior[items])

        return top_k(score, block.n_users, len(self.item_ids), k, available, seen)

    def _query(self, block: Histories, available: NDArray[np.bool_] | None, seen: Histories | None) -> Any:  # noqa: ARG002 - some ask
        """What ``score`` is to be given: ``encode``'s answer, unless scores depend on what may be shown."""
        return self.encode(block)

    def _by_vectors(self, block: Histories, k: int, available: NDArray[np.bool_] | None, exclude_seen: bool) -> TopK:
        known = np.diff(block.indptr) > 0
        if not known.all():
            return self._with_popular(block, known, k, available, exclude_seen)
        queries = np.concatenate([self.encode(part) for part in blocks_of(block, USER_BLOCK)])
        return self._retrieve(queries, k, available, block.only_taken() if exclude_seen else None)

    def _retrieve(self, queries: Float, k: int, available: NDArray[np.bool_] | None, seen: Histories | None) -> TopK:
        """The items that ``queries`` score highest, exactly; a model with an index of its own asks that."""
        return top_k_factors(queries, self.item_vectors(), k, available, seen)

    def _with_popular(
        self, block: Histories, known: NDArray[np.bool_], k: int, available: NDArray[np.bool_] | None, exclude_seen: bool
    ) -> TopK:
        popular = top_k(lambda items: self.prior[None, items], 1, len(self.item_ids), k, available)
        best = TopK(popular.items.repeat(block.n_users, axis=0), popular.scores.repeat(block.n_users, axis=0))
        if known.any():
            found = self._by_vectors(_with_history(block, known), k, available, exclude_seen)
            best.items[known], best.scores[known] = found.items, found.scores
        return best

    def item_vectors(self) -> ItemVectors:
        """What ``item_vectors_name`` names, made ready for retrieval at the first call. Raises ModelError when it names nothing."""
        require(self.item_vectors_name is not None, f"'{self.name}' does not score by item vectors")
        vectors = self.arrays[str(self.item_vectors_name)]
        if self._retrieval is None or self._retrieval[0] is not vectors:
            self._retrieval = (vectors, ItemVectors.of(vectors))
        return self._retrieval[1]

    def held(self) -> Layout:
        """What ``arrays`` must be like to be read."""
        return self.layout

    def lengths(self) -> dict[str, int]:
        """Of the layout's axes, how long those are that the hyper-parameters say."""
        return {}

    @property
    def foretells_stars(self) -> bool:
        """Whether ``predict`` can be asked, which is known once the model is fitted."""
        return False

    def predict(self, histories: Histories, users: NDArray[np.integer], items: NDArray[np.integer]) -> Float:  # noqa: ARG002 - who can, does
        """float32[m]: the stars that row ``users[r]`` of ``histories`` would give ``items[r]``, -1 for an item that is not known.

        Raises ModelError when the model foretells none, when the two differ in length, or for a row or position that does not exist.
        """
        raise ModelError(f"'{self.name}' foretells no stars", "Choose a model of ratings, or data that has some.")

    def params(self) -> dict[str, Any]:
        """The hyper-parameters, as given."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def save(self, path: Path) -> Path:
        """Write the artifact (safetensors and ``meta.json``) into the folder ``path``."""
        of_code = {"model": self.name, "params": self.params(), "version": __version__}
        meta = {**of_code, "fit_until": self.fit_until, "item_ids": list(self.item_ids)}
        return checkpoint.write(path, {**self.arrays, "prior": self.prior}, meta)

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> Self:
        """The model of an artifact that ``checkpoint.read`` has opened. Raises ModelError when the artifact is of another make."""
        from models.families import build

        told = checkpoint.Told.of(cls.name, meta)
        try:
            model = cast(Self, build(Recipe(cls.name, tuple(told.params.items()))))
        except ModelError as error:
            raise ModelError(f"{told.whose} has parameters that this version does not take: {error}", "Fit the model again") from error
        model.item_ids, model.fit_until = told.item_ids, told.fit_until
        check(cls.name, {"prior": Held(("items",)), **model.held()}, arrays, {"items": len(model.item_ids), **model.lengths()})
        model.prior = arrays["prior"]
        model.arrays = {name: array for name, array in arrays.items() if name != "prior"}
        return model


@dataclass(frozen=True)
class Recipe:
    """A model by name and hyper-parameters: what is fitted, compared, promoted and fitted again."""

    model: str
    params: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, model: Recommender) -> Recipe:
        return cls(model.name, tuple(sorted(model.params().items())))


def require(condition: bool, problem: str) -> None:
    """Raises ModelError with ``problem`` unless ``condition`` holds."""
    if not condition:
        raise ModelError(problem)


def blocks_of(histories: Histories, size: int) -> Iterator[Histories]:
    """The users, ``size`` at a time."""
    for start in range(0, histories.n_users, size):
        yield histories.rows(start, min(start + size, histories.n_users))


def _with_history(histories: Histories, known: NDArray[np.bool_]) -> Histories:
    """The users ``known``, outside of whom nobody did anything."""
    indptr = np.append(histories.indptr[:-1][known], histories.indptr[-1])
    return replace(histories, indptr=indptr, features=None if histories.features is None else histories.features[known])


def recent_popularity(histories: Histories, n_items: int, half_life: float = 14.0) -> Float:
    """float32[n_items]: weight an item gathered, as ``aged`` tells it."""
    return np.bincount(histories.items, weights=aged(histories, half_life), minlength=n_items).astype(np.float32)


def aged(histories: Histories, half_life: float) -> Float:
    """float32[nnz]: the weights of the events, halved every ``half_life`` days before the newest of them all.

    By age alone nothing would be left in float32 of what is 150 half-lives old, and a shop that has been closed so long had no order.
    """
    since = (histories.ages - histories.ages.min(initial=np.inf)).astype(np.float64)
    with np.errstate(over="ignore"):  # so many half-lives are nothing left
        return np.asarray(histories.weights * np.exp2(-since / half_life), dtype=np.float32)
