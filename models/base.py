"""One interface for every model: ``fit / recommend / save / load``. Models keep items only; the caller brings the users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from models import checkpoint
from models.data import Float, Histories, TrainingData
from models.topk import TopK, top_k
from outfitter.errors import ModelError, NotEnoughData

USER_BLOCK = 1024


class Recommender(ABC):
    """A history in, a list out.

    A subclass is a dataclass of its hyper-parameters and implements ``_fit``, ``encode`` and ``score``; what it learnt is in
    ``arrays`` (name to numpy array), so saving and loading are the same for all.
    """

    name: ClassVar[str]
    uses_torch: ClassVar[bool] = False
    reads_features: ClassVar[bool] = False  # needs the joined rows and the item table

    item_ids: tuple[str, ...]
    prior: Float
    fit_until: str
    arrays: dict[str, NDArray[Any]]

    def fit(self, data: TrainingData) -> Self:
        """Learn from ``data``. Raises NotEnoughData when there is nothing to learn from."""
        if len(data.histories.items) == 0:
            raise NotEnoughData(f"'{self.name}' cannot be fitted: nobody did anything before {data.until:%Y-%m-%d}")
        self.item_ids = data.item_ids
        self.fit_until = data.until.isoformat()
        self.prior = recent_popularity(data.histories, data.n_items)
        self.arrays = {}
        self._fit(data)
        return self

    @abstractmethod
    def _fit(self, data: TrainingData) -> None: ...

    @abstractmethod
    def encode(self, histories: Histories) -> Any:
        """Whatever ``score`` needs to know of a block of users, computed once a block."""

    @abstractmethod
    def score(self, query: Any, items: slice) -> Float:
        """float32[n_users, len(items)]: the block's scores for a contiguous run of item positions."""

    def recommend(self, histories: Histories, k: int, available: NDArray[np.bool_] | None = None, exclude_seen: bool = True) -> TopK:
        """The best ``k`` items for each of n users.

        available: bool[n_items], all when None. Users whose history is empty get what sold most recently. Rows with fewer than k
        admissible items are padded with item -1 and score -inf. Raises ModelError for a position outside the model's items, and
        for what ``top_k`` refuses.
        """
        newest = int(histories.items.max(initial=-1))
        require(newest < len(self.item_ids), f"a history names item {newest}, the model knows {len(self.item_ids)}")
        blocks = range(0, histories.n_users, USER_BLOCK)
        parts = [
            self._recommend_block(histories.rows(u, min(u + USER_BLOCK, histories.n_users)), k, available, exclude_seen) for u in blocks
        ]
        return TopK.concatenate(parts, k)

    def _recommend_block(self, block: Histories, k: int, available: NDArray[np.bool_] | None, exclude_seen: bool) -> TopK:
        query = self.encode(block)
        known = np.diff(block.indptr) > 0

        def score(items: slice) -> Float:
            scores = self.score(query, items)
            return scores if known.all() else np.where(known[:, None], scores, self.prior[items])

        seen = block.only_taken() if exclude_seen else None
        return top_k(score, block.n_users, len(self.item_ids), k, available, seen)

    def params(self) -> dict[str, Any]:
        """The hyper-parameters, as given."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    def save(self, path: Path) -> Path:
        """Write the artifact (safetensors and ``meta.json``) into the folder ``path``."""
        meta = {"model": self.name, "params": self.params(), "fit_until": self.fit_until, "item_ids": list(self.item_ids)}
        return checkpoint.write(path, {**self.arrays, "prior": self.prior}, meta)

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> Self:
        """The model of an artifact that ``checkpoint.read`` has opened. Raises ModelError when the artifact is of another make."""
        try:
            model = cls(**meta["params"])
            model.item_ids = tuple(meta["item_ids"])
            model.fit_until = meta["fit_until"]
            model.prior = arrays["prior"]
        except TypeError as error:
            raise ModelError(f"the artifact of '{cls.name}' has parameters this version does not know: {error}") from error
        except KeyError as error:
            raise ModelError(f"the artifact of '{cls.name}' lacks {error}") from error
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


def recent_popularity(histories: Histories, n_items: int, half_life: float = 14.0) -> Float:
    """float32[n_items]: weight an item gathered, halved every ``half_life`` days of age."""
    decayed = histories.weights * np.exp2(-histories.ages / np.float32(half_life))
    return np.bincount(histories.items, weights=decayed, minlength=n_items).astype(np.float32)
