"""Two towers that read the joined feature rows: a user's profile and latest items on one side, an item's features on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.base import Recommender, require
from models.data import Float, Histories, ItemTable, TrainingData, TrainingRows
from models.held import Held, Layout, load_weights
from models.retrieval.ann import KINDS, AnnIndex
from models.topk import TopK
from outfitter.errors import NotEnoughData

if TYPE_CHECKING:
    # torch takes seconds to import, and whoever only lists the models must not wait for it
    from models.fit import Fitted, Schedule
    from models.neural.towers import Shape, Towers
    from models.training.batches import Rows, Scale

MIN_VALIDATION = 20  # rows; below that the validation loss is noise and every epoch is run


@dataclass
class TwoTower(Recommender):
    """Cosine of two towers over a temperature, trained by in-batch sampled softmax with logQ correction.

    The last ``validation`` share of the rows in time chooses the number of epochs; then a fresh network learns from all rows for
    that many, because in fashion the newest rows say most. ``latest``: how many of the last items the user tower reads. ``retrieval``:
    exact, or by an index of FAISS (``hnsw``, ``ivf``) that may miss an item, the fewer the more ``effort`` (``models.retrieval.ann``):
    item vectors are equally long here, which leaves the exact search nothing to skip.
    """

    name: ClassVar[str] = "two_tower"
    uses_torch: ClassVar[bool] = True
    reads_features: ClassVar[bool] = True
    item_vectors_name: ClassVar[str | None] = "item_vectors"
    layout: ClassVar[Layout] = {
        "codes": Held(("items", "coded")),
        "code_sizes": Held(("coded",)),
        "user_mean": Held(("user_features",)),
        "user_deviation": Held(("user_features",)),
        "item_mean": Held(("item_features",)),
        "item_deviation": Held(("item_features",)),
        "item_vectors": Held(("items", "dim")),
    }

    dim: int = 128
    epochs: int = 20
    batch_size: int = 512
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    temperature: float = 0.1
    latest: int = 20
    validation: float = 0.1
    patience: int = 2
    seed: int = 0
    retrieval: Literal["exact", "hnsw", "ivf"] = "exact"
    effort: int = 64

    def __post_init__(self) -> None:
        require(min(self.dim, self.epochs, self.latest) > 0, "dim, epochs and latest must be positive")
        require(self.batch_size > 1, f"batch_size must be at least 2, not {self.batch_size}")
        require(self.learning_rate > 0 and self.temperature > 0, "learning_rate and temperature must be positive")
        require(self.weight_decay >= 0 and self.patience > 0, "weight_decay must not be negative and patience must be positive")
        require(0 <= self.validation < 1, f"validation must be a share below 1, not {self.validation}")
        require(self.retrieval in {"exact", *KINDS}, f"retrieval must be one of exact, {', '.join(KINDS)}, not '{self.retrieval}'")
        require(self.effort > 0, f"effort must be positive, not {self.effort}")

    def _fit(self, data: TrainingData) -> None:
        from models.training.batches import Scale, tensors

        rows, table = _checked(data)
        user_scale, item_scale = Scale.of(rows.user_features), Scale.of(rows.item_features)
        prepared = tensors(rows, user_scale, item_scale, self.latest)
        self.arrays = {
            "codes": table.codes.astype(np.int32),
            "code_sizes": np.asarray(table.code_sizes, dtype=np.int32),
            "user_mean": user_scale.mean,
            "user_deviation": user_scale.deviation,
            "item_mean": item_scale.mean,
            "item_deviation": item_scale.deviation,
        }
        network = self._learn(prepared)
        self._keep(network, item_scale.apply(table.features))

    def _learn(self, rows: Rows) -> Towers:
        """Find the number of epochs on the last rows, then train on all of them."""
        held_out = int(len(rows) * self.validation)
        if held_out < MIN_VALIDATION:
            network, fitted = self._train(rows, None, self.epochs)
        else:
            cut = len(rows) - held_out
            _, chosen = self._train(rows.pick(slice(None, cut)), rows.pick(slice(cut, None)), self.epochs)
            network, fitted = self._train(rows, None, chosen.best_epoch, "refit_")
            self.arrays["validation_loss"] = np.asarray(chosen.validation, dtype=np.float32)
        self.arrays["training_loss"] = np.asarray(fitted.training, dtype=np.float32)
        return network

    def _train(self, training: Rows, validation: Rows | None, epochs: int, label: str = "") -> tuple[Towers, Fitted]:
        import torch

        from models.fit import choose_device, train
        from models.training.losses import sampled_softmax

        device = choose_device()
        network = self._network()
        network.initialise(torch.Generator().manual_seed(self.seed))
        frequency = torch.bincount(training.items, minlength=len(self.item_ids)).clamp(min=1) / len(training)
        log_q = frequency.log().to(device)

        def loss(batch: Rows) -> torch.Tensor:
            queries = network.users(batch.latest, batch.user_features)
            candidates = network.items(batch.items, batch.item_features)
            return sampled_softmax(queries, candidates, batch.items, log_q[batch.items], batch.weights, self.temperature)

        fitted = train(network, loss, training, validation, self._schedule(epochs), device, label=label)
        return network.cpu(), fitted

    def _keep(self, network: Towers, item_features: Float) -> None:
        """Put the network's weights and the whole catalogue's vectors into ``arrays``."""
        import torch

        with torch.no_grad():
            vectors = network.items(torch.arange(len(self.item_ids)), torch.from_numpy(item_features)).numpy()
        self.arrays["item_vectors"] = vectors
        if self.retrieval != "exact":
            self._index = AnnIndex.build(self.item_vectors(), self.retrieval, self.effort, self.seed)
            self.arrays["index"] = self._index.to_array()
        for name, weight in network.named_parameters():
            self.arrays[f"network.{name}"] = weight.detach().numpy()
        self._restored = network

    def held(self) -> Layout:
        return self.layout if self.retrieval == "exact" else {**self.layout, "index": Held(("bytes",))}

    def lengths(self) -> dict[str, int]:
        return {"dim": self.dim}

    def encode(self, histories: Histories) -> Float:
        """float32[n_users, dim]: the user vectors over the temperature. Without a profile the average one is assumed."""
        import torch

        scale = self._user_scale()
        features = np.zeros((histories.n_users, len(scale.mean)), dtype=np.float32)
        if histories.features is not None:
            require(histories.features.shape == features.shape, f"profiles have shape {histories.features.shape}, not {features.shape}")
            features = scale.apply(histories.features)
        latest = torch.from_numpy(histories.only_taken().latest(self.latest).astype(np.int64))
        with torch.no_grad():
            users = self._fitted_network().users(latest, torch.from_numpy(features)).numpy()
        return np.asarray(users / np.float32(self.temperature), dtype=np.float32)

    def score(self, query: Float, items: slice) -> Float:
        """float32[n_users, len(items)]: cosine over temperature."""
        return np.asarray(query @ self.arrays["item_vectors"][items].T, dtype=np.float32)

    def _retrieve(self, queries: Float, k: int, available: NDArray[np.bool_] | None, seen: Histories | None) -> TopK:
        if self.retrieval == "exact":
            return super()._retrieve(queries, k, available, seen)
        if getattr(self, "_index", None) is None:
            self._index = AnnIndex.from_array(self.item_vectors(), self.arrays["index"], self.effort)
        return self._index.search(queries, k, available, seen)

    def _fitted_network(self) -> Towers:
        """The network of ``arrays``, rebuilt once after loading."""
        if getattr(self, "_restored", None) is None:
            network = self._network()
            load_weights(self.name, network, self.arrays, "network.")
            self._restored = network
        return self._restored

    def _network(self) -> Towers:
        import torch

        from models.neural.towers import Towers

        codes = self.arrays["codes"].astype(np.int64)
        require(bool(((codes >= 0) & (codes < self.arrays["code_sizes"])).all()), f"the artifact of '{self.name}' has a code out of range")
        return Towers(self._shape(), torch.from_numpy(codes))

    def _shape(self) -> Shape:
        from models.neural.towers import Shape

        sizes = tuple(int(size) for size in self.arrays["code_sizes"])
        features = len(self.arrays["user_mean"]), len(self.arrays["item_mean"])
        return Shape(len(self.item_ids), sizes, *features, length=self.latest, dim=self.dim)

    def _user_scale(self) -> Scale:
        from models.training.batches import Scale

        return Scale(self.arrays["user_mean"], self.arrays["user_deviation"])

    def _schedule(self, epochs: int) -> Schedule:
        from models.fit import Schedule

        return Schedule(epochs, self.batch_size, self.learning_rate, self.weight_decay, self.patience, self.seed)


def _checked(data: TrainingData) -> tuple[TrainingRows, ItemTable]:
    """The rows and the item table, which this model cannot do without."""
    rows, table = data.rows, data.item_table
    if rows is None or table is None:
        raise NotEnoughData("'two_tower' needs joined feature rows and an item table", "Materialise the features before training")
    if len(rows.items) < 2:
        raise NotEnoughData(f"'two_tower' cannot learn from {len(rows.items)} rows")
    require(len(table.features) == len(table.codes) == data.n_items, "the item table is not of the model's items")
    require(rows.item_features.shape[1] == table.features.shape[1], "rows and item table have different item features")
    require(bool((table.codes >= 0).all() and (table.codes < np.asarray(table.code_sizes)).all()), "an item code is out of range")
    return rows, table
