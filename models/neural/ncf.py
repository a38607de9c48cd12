"""Neural collaborative filtering: a perceptron in place of the product of two factors, and beside it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from models.base import Recommender, require
from models.data import Float, Histories, TrainingData
from models.held import Held, Layout
from models.neural.pooling import pooled
from models.training.schedule import Schedule
from outfitter.errors import NotEnoughData

if TYPE_CHECKING:
    # torch takes seconds to import, and whoever only lists the models must not wait for it
    from models.neural.examples import Batch, Examples
    from models.neural.neumf import NeuMF

LAYERS = (128, 64, 32)  # of the perceptron, from the input on
ROWS, PAIRS = 64, 1 << 14  # users, and users times items, that the perceptron reads at once: 8 MB of its first layer


@dataclass
class NCF(Recommender):
    """NeuMF of He et al., "Neural collaborative filtering" (WWW 2017): a product and a perceptron of 128, 64 and 32 units.

    Instead of a vector of their own users have the mean of the item embeddings of their history, halved every ``half_life`` events
    back. Each event is foretold from those before it, against ``negatives`` sampled items that its user never had to do with, drawn in
    proportion to popularity to the ``power`` (0: uniformly). The last event of a ``validation`` share of the users says when to stop.

    Every pair of user and item passes through the perceptron, about 10,000 multiplications where a product of factors needs ``dim``.
    """

    name: ClassVar[str] = "ncf"
    layout: ClassVar[Layout] = {
        "item": Held(("items", "dim")),
        "item_halves": Held(("items", LAYERS[0])),
        "user_half": Held((LAYERS[0], "dim")),
        "product": Held(("dim",)),
        **{f"weights.{layer}": Held((narrow, wide)) for layer, (wide, narrow) in enumerate(pairwise((*LAYERS, 1)))},
        **{f"offsets.{layer}": Held((width,)) for layer, width in enumerate((*LAYERS[1:], 1))},
    }
    uses_torch: ClassVar[bool] = True

    dim: int = 50
    dropout: float = 0.2
    loss: Literal["bce", "bpr"] = "bpr"
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
        require(0 <= self.dropout < 1, f"dropout must be a share below 1, not {self.dropout}")
        require(0 <= self.validation < 1, f"validation must be a share below 1, not {self.validation}")
        require(self.half_life > 0 and self.power >= 0, "half_life must be positive and power must not be negative")
        require(self.loss in ("bce", "bpr"), f"loss must be bce or bpr, not '{self.loss}'")
        self._schedule()

    def _fit(self, data: TrainingData) -> None:
        import torch

        from models.fit import choose_device, train
        from models.neural import pairwise
        from models.neural.neumf import NeuMF

        network = NeuMF(data.n_items, self.dim, LAYERS, self.dropout)
        network.initialise(torch.Generator().manual_seed(self.seed))
        measure = {"bce": pairwise.bce, "bpr": pairwise.bpr}[self.loss]

        def loss(batch: Batch) -> torch.Tensor:
            users = network.users(batch.before, batch.shares)
            scores = network(users, torch.cat([batch.items[:, None], batch.others], dim=1))
            each = measure(scores[:, 0], scores[:, 1:], batch.strange)
            return (each * batch.weights).sum() / batch.weights.sum()

        training, held_out = self._examples(data).split(self.validation, self.seed)
        fitted = train(network, loss, training, held_out, self._schedule(), choose_device())
        self._keep(network.cpu())
        self.arrays["training_loss"] = np.asarray(fitted.training, dtype=np.float32)
        self.arrays["validation_loss"] = np.asarray(fitted.validation, dtype=np.float32)

    def _examples(self, data: TrainingData) -> Examples:
        """An example for each item taken. Raises NotEnoughData when there is none."""
        from models.neural.examples import Examples

        histories = data.histories
        taken = np.ones(len(histories.items), dtype=np.bool_) if histories.taken is None else histories.taken
        if not taken.any():
            raise NotEnoughData("'ncf' learns from what was taken, and nobody took anything")
        return Examples.of(histories, taken.astype(np.int64) - 1, data.n_items, self.half_life, self.negatives, self.power)

    def _keep(self, network: NeuMF) -> None:
        """Put into ``arrays`` the weights, and what the first layer makes of each item, which is the same for all users."""
        weights = {name: parameter.detach().numpy() for name, parameter in network.named_parameters()}
        halves = weights["item"] @ weights.pop("item_half").T + weights.pop("item_offset")
        self.arrays = {**weights, "item_halves": halves.astype(np.float32)}

    def lengths(self) -> dict[str, int]:
        return {"dim": self.dim}

    def encode(self, histories: Histories) -> tuple[Float, Float]:
        """float32[n_users, 128] what the first layer makes of each user; float32[n_users, dim] what items are multiplied with."""
        users = pooled(histories, self.arrays["item"], self.half_life)
        return users @ self.arrays["user_half"].T, users * self.arrays["product"]

    def score(self, query: tuple[Float, Float], items: slice) -> Float:
        """float32[n_users, len(items)]: the network's output, computed for ``PAIRS`` pairs at once."""
        halves, products = query
        scores = np.asarray(products @ self.arrays["item"][items].T, dtype=np.float32)
        of_items = self.arrays["item_halves"][items]
        width = PAIRS // max(1, min(ROWS, len(halves)))
        for first in range(0, len(halves), ROWS):
            for column in range(0, len(of_items), width):
                rows, columns = slice(first, first + ROWS), slice(column, column + width)
                scores[rows, columns] += self._perceptron(halves[rows, None] + of_items[columns])
        return scores

    def _perceptron(self, state: Float) -> Float:
        """float32[n, m]: the layers after the first on float32[n, m, 128], which is overwritten."""
        shape = state.shape[:2]
        state = state.reshape(-1, LAYERS[0])
        for layer in range(len(LAYERS)):
            np.maximum(state, 0, out=state)
            state = state @ self.arrays[f"weights.{layer}"].T + self.arrays[f"offsets.{layer}"]
        return state.reshape(shape)

    def _schedule(self) -> Schedule:
        return Schedule(self.epochs, self.batch_size, self.learning_rate, self.weight_decay, self.patience, self.seed)
