"""Several kinds of event at once: what will be clicked, liked and bought, learnt from one another's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.base import Recommender, require
from models.data import Float, Histories, TrainingData
from models.held import Held, Layout
from models.neural.pooling import pooled
from models.training.schedule import Schedule
from outfitter.errors import NotEnoughData
from outfitter.schema import EVENTS

if TYPE_CHECKING:
    # torch takes seconds to import, and whoever only lists the models must not wait for it
    from torch import Tensor

    from models.neural.examples import Batch
    from models.neural.shared_bottom import SharedBottom

TASKS = ("click", "like", "purchase")
PURCHASE = TASKS.index("purchase")
TASK_OF = {"view": 0, "click": 0, "like": 1, "cart": 1, "purchase": PURCHASE, "rent": PURCHASE, "rating": PURCHASE}
"""Which task an event teaches; a return teaches none."""


@dataclass
class MultiTask(Recommender):
    """Three tasks over shared item embeddings and pooled users, one head each, trained together on sampled binary cross-entropy.

    A user is the mean of the item embeddings of their history, halved every ``half_life`` events back. ``click``, ``like`` and
    ``purchase`` weigh the tasks' losses; with ``weighting`` "learnt" the tasks that are predicted less surely weigh less (Kendall, Gal
    and Cipolla, "Multi-task learning using uncertainty", CVPR 2018). When events are not known each counts as a purchase.

    Items are ranked by the sum of the heads' log-odds times ``by_click``, ``by_like`` and ``by_purchase``: by default what will be bought.
    """

    name: ClassVar[str] = "multi_task"
    uses_torch: ClassVar[bool] = True
    item_vectors_name: ClassVar[str | None] = "item_vectors"
    layout: ClassVar[Layout] = {
        "item_vectors": Held(("items", "dim+1")),
        "heads": Held((len(TASKS), "dim", "dim")),
        "biases": Held((len(TASKS), "items")),
        "inner": Held(("hidden", "dim")),
        "inner_offset": Held(("hidden",)),
        "outer": Held(("dim", "hidden")),
    }

    dim: int = 64
    weighting: Literal["fixed", "learnt"] = "fixed"
    click: float = 0.5
    like: float = 0.3
    purchase: float = 0.2
    by_click: float = 0.0
    by_like: float = 0.0
    by_purchase: float = 1.0
    negatives: int = 4
    power: float = 0.0
    half_life: float = 3.0
    epochs: int = 30
    batch_size: int = 1024
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    validation: float = 0.1
    patience: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        require(min(self.dim, self.negatives) > 0, "dim and negatives must be positive")
        require(self.weighting in ("fixed", "learnt"), f"weighting must be fixed or learnt, not '{self.weighting}'")
        require(min(self._weights) >= 0 < sum(self._weights), "click, like and purchase must not be negative, nor all 0")
        require(any(self._ranking), "by_click, by_like and by_purchase must not all be 0")
        require(0 <= self.validation < 1, f"validation must be a share below 1, not {self.validation}")
        require(self.half_life > 0 and self.power >= 0, "half_life must be positive and power must not be negative")
        self._schedule()

    def _fit(self, data: TrainingData) -> None:
        import torch

        from models.fit import choose_device, train
        from models.neural.examples import Examples
        from models.neural.shared_bottom import SharedBottom

        kinds = tasks_of(data.histories)
        if not (kinds >= 0).any():
            raise NotEnoughData("'multi_task' learns from clicks, likes and purchases, and no event is one")
        network = SharedBottom(data.n_items, len(TASKS), self.dim)
        network.initialise(torch.Generator().manual_seed(self.seed))
        examples = Examples.of(data.histories, kinds, data.n_items, self.half_life, self.negatives, self.power)
        parts = examples.split(self.validation, self.seed)
        fitted = train(network, lambda batch: self._loss(network, batch), *parts, self._schedule(), choose_device())
        self._keep({name: parameter.detach().cpu().numpy() for name, parameter in network.named_parameters()})
        self.arrays["training_loss"] = np.asarray(fitted.training, dtype=np.float32)
        self.arrays["validation_loss"] = np.asarray(fitted.validation, dtype=np.float32)

    def _loss(self, network: SharedBottom, batch: Batch) -> Tensor:
        """The mean losses of the tasks that the batch has examples of, weighted and added up."""
        import torch
        from torch.nn import functional

        from models.neural.pairwise import bce

        users = network.users(batch.before, batch.shares)
        scores = network(users, torch.cat([batch.items[:, None], batch.others], dim=1), batch.kinds)
        each = bce(scores[:, 0], scores[:, 1:], batch.strange)
        weights = functional.one_hot(batch.kinds, len(TASKS)) * batch.weights[:, None]
        present = weights.sum(dim=0) > 0
        losses = (each[:, None] * weights).sum(dim=0) / weights.sum(dim=0).where(present, 1)
        return network.uncertain(losses, present) if self.weighting == "learnt" else (losses * losses.new_tensor(self._weights)).sum()

    def _keep(self, weights: dict[str, Float]) -> None:
        """Put the weights into ``arrays``, the item embeddings beside the biases of all heads together: what lists are made of."""
        together = np.tensordot(self._ranking, weights["biases"], 1)
        vectors = np.concatenate([weights.pop("item"), together[:, None]], axis=1)
        self.arrays = {**weights, "item_vectors": vectors.astype(np.float32)}

    def lengths(self) -> dict[str, int]:
        return {"dim": self.dim}

    def encode(self, histories: Histories) -> Float:
        """float32[n_users, dim + 1]: what item embeddings are multiplied with, all heads together, and 1 for the biases."""
        queries = self._shared(histories) @ np.tensordot(self._ranking, self.arrays["heads"], 1).T
        return np.concatenate([queries, np.ones((len(queries), 1))], axis=1).astype(np.float32)

    def score(self, query: Float, items: slice) -> Float:
        """float32[n_users, len(items)]: the heads' log-odds, weighted and added up."""
        return np.asarray(query @ self.arrays["item_vectors"][items].T, dtype=np.float32)

    def log_odds(self, histories: Histories, task: str, items: slice) -> Float:
        """float32[n_users, len(items)]: of doing the task with each item, against the sampled items of training.

        Raises ModelError for a task that is none of ``TASKS``.
        """
        require(task in TASKS, f"there is no task '{task}'; choose one of {', '.join(TASKS)}")
        place = TASKS.index(task)
        queries = self._shared(histories) @ self.arrays["heads"][place].T
        return np.asarray(queries @ self._embeddings[items].T + self.arrays["biases"][place, items], dtype=np.float32)

    @property
    def _embeddings(self) -> Float:
        """float32[n_items, dim]."""
        return self.arrays["item_vectors"][:, :-1]

    def _shared(self, histories: Histories) -> Float:
        """float32[n_users, dim]: ``SharedBottom.users``, without torch."""
        users = pooled(histories, self._embeddings, self.half_life)
        inner = np.maximum(users @ self.arrays["inner"].T + self.arrays["inner_offset"], 0)
        return np.asarray(users + inner @ self.arrays["outer"].T)

    @property
    def _weights(self) -> tuple[float, float, float]:
        return self.click, self.like, self.purchase

    @property
    def _ranking(self) -> tuple[float, float, float]:
        return self.by_click, self.by_like, self.by_purchase

    def _schedule(self) -> Schedule:
        return Schedule(self.epochs, self.batch_size, self.learning_rate, self.weight_decay, self.patience, self.seed)


def tasks_of(histories: Histories) -> NDArray[np.int64]:
    """int64[nnz]: the task that each event teaches, a place in ``TASKS``; -1 for none. All purchases when events are not known."""
    if histories.events is None:
        return np.full(len(histories.items), PURCHASE, dtype=np.int64)
    return np.array([TASK_OF.get(event, -1) for event in EVENTS], dtype=np.int64)[histories.events]
