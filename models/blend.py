"""Several models that answer as one: their scores, or the places in their lists, are weighted and added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import USER_BLOCK, Recipe, Recommender, blocks_of, require
from models.data import Float, Histories, TrainingData
from models.topk import TopK, tiles, top_k

DEPTH = 200  # places of a list that count
K = 60  # added to a place, as in the paper

ROUNDING = 1e-6  # of a mean: what float32 leaves of a spread where there is none

Params = tuple[tuple[str, Any], ...]
Part = Callable[[slice], Float]  # the scores of a block of users for a run of items


@dataclass
class Blend(Recommender):
    """A weighted sum over ``members``, each the name of a model and its hyper-parameters.

    by: ``score`` adds each member's scores for a user after taking their mean over all items off and dividing by their standard
    deviation; ``rank`` adds 1 / (60 + place) for the first 200 places of each member's list (Cormack, Clarke and Buettcher,
    "Reciprocal rank fusion", 2009). The members are fitted with the blend; ``Blend.of`` takes those that are fitted already, which
    is the way for models that read features.
    """

    name: ClassVar[str] = "blend"

    members: tuple[tuple[str, Params], ...] = (("item_knn", ()), ("als", ()))
    weights: tuple[float, ...] = (0.5, 0.5)
    by: Literal["score", "rank"] = "score"

    def __post_init__(self) -> None:
        self.members, self.weights = _tuples(self.members), _tuples(self.weights)
        require(len(self.members) > 0, "members must name at least one model")
        fitting = f"weights must be one for each of the {len(self.members)} members, not {len(self.weights)}"
        require(len(self.weights) == len(self.members), fitting)
        require(all(weight >= 0 for weight in self.weights) and any(self.weights), f"weights must be positive, not {self.weights}")
        require(self.by in ("score", "rank"), f"by must be 'score' or 'rank', not '{self.by}'")

    @classmethod
    def of(cls, members: Sequence[Recommender], weights: Sequence[float], by: Literal["score", "rank"] = "score") -> Self:
        """The blend of fitted models. Raises ModelError when they do not know the same items."""
        recipes = tuple((member.name, Recipe.of(member).params) for member in members)
        blend = cls(recipes, tuple(weights), by)
        require(len({member.item_ids for member in members}) == 1, "the members of a blend must know the same items in the same order")
        blend.item_ids, blend.prior = members[0].item_ids, members[0].prior
        blend.fit_until = max(member.fit_until for member in members)
        blend._keep(members)
        return blend

    def _parts(self, histories: Histories, k: int, available: NDArray[np.bool_] | None, exclude_seen: bool) -> list[TopK]:
        """With a member of torch block by block: it uses every core as it is."""
        if any(member.uses_torch for member in self._fitted):
            return [self._by_scores(block, k, available, exclude_seen) for block in blocks_of(histories, USER_BLOCK)]
        return super()._parts(histories, k, available, exclude_seen)

    def _fit(self, data: TrainingData) -> None:
        from models.families import build

        self._keep([build(Recipe(name, params)).fit(data) for name, params in self.members])

    def _keep(self, members: Sequence[Recommender]) -> None:
        self._fitted = list(members)
        held = [{**member.arrays, "prior": member.prior} for member in members]
        self.arrays = {f"{place}.{name}": array for place, arrays in enumerate(held) for name, array in arrays.items()}

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> Self:
        """The blend of an artifact, and its members."""
        from models.families import family

        blend = super().restore(arrays, meta)
        blend._fitted = []
        for place, (name, params) in enumerate(blend.members):
            own = {key.removeprefix(f"{place}."): array for key, array in arrays.items() if key.startswith(f"{place}.")}
            blend._fitted.append(family(name).restore(own, {**meta, "params": dict(params)}))
        return blend

    def encode(self, histories: Histories) -> list[Part]:
        """What ``score`` adds up: of each member, or the places of all of them together."""
        return self._query(histories, None, None)

    def _query(self, histories: Histories, available: NDArray[np.bool_] | None, seen: Histories | None) -> list[Part]:
        """Places are those among what may be shown: else the places of a list could all go to what may not."""
        parts = [_part(member, member.encode(histories)) for member in self._fitted]
        n_users, n_items = histories.n_users, len(self.item_ids)
        if self.by == "score":
            return [_standardised(part, n_users, n_items, weight) for part, weight in zip(parts, self.weights, strict=True)]
        places = sum(weight * _places(part, n_users, n_items, available, seen) for part, weight in zip(parts, self.weights, strict=True))
        by_item = sparse.csc_matrix(places)
        return [lambda items: by_item[:, items].toarray()]

    def score(self, query: list[Part], items: slice) -> Float:
        """float32[n_users, len(items)]: the weighted sum."""
        return np.asarray(sum(part(items) for part in query), dtype=np.float32)


def _part(member: Recommender, query: Any) -> Part:
    return lambda items: member.score(query, items)


def _standardised(part: Part, n_users: int, n_items: int, weight: float) -> Part:
    """The scores with a mean of 0 and a standard deviation of ``weight`` over all items; 0 where all are equal."""
    total, squares = np.zeros((2, n_users, 1))
    for tile in tiles(n_users, n_items):
        scores = part(tile).astype(np.float64)
        total += scores.sum(axis=1, keepdims=True)
        squares += (scores**2).sum(axis=1, keepdims=True)
    mean = total / n_items
    spread = np.sqrt(np.maximum(squares / n_items - mean**2, 0))
    scale = np.divide(weight, spread, out=np.zeros_like(spread), where=spread > ROUNDING * np.abs(mean))
    return lambda items: np.asarray((part(items) - mean) * scale, dtype=np.float32)


def _places(part: Part, n_users: int, n_items: int, available: NDArray[np.bool_] | None, seen: Histories | None) -> sparse.csr_matrix:
    """float32[n_users, n_items], sparse: 1 / (60 + place) for the first places of each user's list."""
    listed = top_k(part, n_users, n_items, min(DEPTH, n_items), available, seen).items
    users, places = (listed >= 0).nonzero()
    return sparse.csr_matrix((1 / (K + 1 + places), (users, listed[users, places])), shape=(n_users, n_items), dtype=np.float32)


def _tuples(value: Any) -> Any:
    """Lists as tuples, all the way down: an artifact's JSON knows no tuples, and a recipe must be hashable."""
    return tuple(_tuples(one) for one in value) if isinstance(value, list | tuple) else value
