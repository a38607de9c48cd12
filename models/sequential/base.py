"""What GRU4Rec, SASRec and BERT4Rec have in common: all but the network that reads a history."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from scipy import sparse

from models.base import Recommender, require
from models.data import Float, Histories, TrainingData
from models.held import Held, Layout, load_weights
from models.training.schedule import Schedule
from outfitter.errors import NotEnoughData

if TYPE_CHECKING:
    # torch takes seconds to import, and whoever only lists the models must not wait for it
    import torch

    from models.fit import Fitted
    from models.sequential.learning import HeldOut, Network
    from models.sequential.networks import Body
    from models.sequential.objective import Objective

MIN_VALIDATION = 20  # users; below that the validation metric is noise and every epoch is run
LOSSES = ("softmax", "sampled_softmax", "gbce", "bce")


@dataclass
class SequentialRecommender(Recommender):
    """A network reads the last ``length`` events of a history; an item's score is the product of what it makes of them with its vector.

    The same item vectors, of ``dim`` numbers, are read and scored against. With ``attributes`` a vector also holds the mean of the
    vectors of the item's attributes, where the data have any. With ``gaps`` the time between events is read as well, in steps that
    double; it says nothing where a source has no times.

    loss: cross-entropy over all items (``softmax``) or over ``negatives`` items that a batch samples in proportion to their count to the
    power ``popularity`` (``sampled_softmax``), generalised binary cross-entropy over as many (``gbce``, with its ``calibration``), or
    binary cross-entropy with one negative an event (``bce``, as SASRec was published). batch_size: events, not users.

    The newest items of at most ``validation`` users tell which epoch is best, ``patience`` epochs without a better NDCG@10 end the
    training; then, with ``refit``, a fresh network learns from everything for as many epochs.
    """

    uses_torch: ClassVar[bool] = True
    item_vectors_name: ClassVar[str | None] = "item_vectors"
    layout: ClassVar[Layout] = {"item_vectors": Held(("items", "dim"))}

    dim: int = 64
    layers: int = 2
    length: int = 50
    dropout: float = 0.3
    loss: Literal["softmax", "sampled_softmax", "gbce", "bce"] = "softmax"
    negatives: int = 256
    popularity: float = 0.0
    calibration: float = 0.75
    attributes: bool = True
    gaps: bool = False
    epochs: int = 30
    batch_size: int = 2048
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    decay: Literal["none", "plateau", "cosine"] = "none"
    warmup: float = 0.0
    patience: int = 4
    validation: int = 10_000
    refit: bool = True
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        require(min(self.dim, self.layers, self.negatives) > 0, "dim, layers and negatives must be positive")
        require(self.length > 1, f"length must be at least 2, not {self.length}")
        require(0 <= self.dropout < 1, f"dropout must be a share below 1, not {self.dropout}")
        require(self.loss in LOSSES, f"loss must be one of {', '.join(LOSSES)}, not '{self.loss}'")
        require(self.popularity >= 0, f"popularity must not be negative, as {self.popularity} is")
        require(0 <= self.calibration <= 1, f"calibration must be from 0 to 1, not {self.calibration}")
        require(self.validation >= 0, f"validation must not be negative, as {self.validation} is")
        self._schedule(self.epochs)  # refuses what is out of range

    @abstractmethod
    def _body(self) -> Body:
        """The network but for its item vectors, with no weights set yet."""

    def _fit(self, data: TrainingData) -> None:
        from models.sequential.learning import HeldOut

        if int(np.diff(data.histories.indptr).max()) < 2:
            raise NotEnoughData(f"'{self.name}' learns what follows what, and no user did more than one thing")
        held_out = HeldOut.draw(data.histories, self.validation, self.seed)
        if len(held_out.users) < MIN_VALIDATION:
            network, fitted = self._train(data, None, self.epochs)
        else:
            network, fitted = self._train(data, held_out, self.epochs)
            self.arrays["validation_ndcg"] = np.asarray(fitted.scores, dtype=np.float32)
            if self.refit:
                network, fitted = self._train(data, None, fitted.best_epoch, "refit_")
        self.arrays["training_loss"] = np.asarray(fitted.training, dtype=np.float32)
        self._keep(network)

    def _train(self, data: TrainingData, held_out: HeldOut | None, epochs: int, label: str = "") -> tuple[Network, Fitted]:
        import torch

        from models.fit import choose_device, train
        from models.sequential.layers import ItemEmbedding, initialise
        from models.sequential.learning import Foretelling, Network
        from models.sequential.windows import Batch, windows

        device = choose_device()
        network = Network(ItemEmbedding(data.n_items, self.dim, self._attributes(data)), self._body())
        initialise(network, torch.Generator().manual_seed(self.seed))
        objective = self._objective(data, device)

        def loss(batch: Batch) -> torch.Tensor:
            vectors = network.items()
            return objective(network.body.predictions(vectors, batch), vectors, batch)

        stops = data.histories.indptr[1:] if held_out is None else held_out.stops(data.histories)
        training = windows(data.histories, stops, network.body.width, network.body.overlap)
        score = None if held_out is None else Foretelling(network, held_out, device)
        return network, train(network, loss, training, None, self._schedule(epochs), device, score=score, label=label)

    def _keep(self, network: Network) -> None:
        """Put the weights and every item's vector into ``arrays``."""
        import torch

        network.cpu().eval()
        with torch.no_grad():
            self.arrays["item_vectors"] = network.items().numpy().copy()
        for name, weight in network.body.named_parameters():
            self.arrays[f"body.{name}"] = weight.detach().numpy()
        self._restored = network.body

    def lengths(self) -> dict[str, int]:
        return {"dim": self.dim}

    def encode(self, histories: Histories) -> Float:
        """float32[n_users, dim]: the state after each history, 0 for a user without one."""
        import torch

        from models.sequential.learning import encoded
        from models.sequential.windows import newest

        body = self._fitted_body()
        vectors = torch.from_numpy(self.arrays["item_vectors"])
        return np.asarray(encoded(body, vectors, newest(histories, histories.indptr[1:], body.reads)).numpy(), dtype=np.float32)

    def score(self, query: Float, items: slice) -> Float:
        """float32[n_users, len(items)]: the products of states and item vectors."""
        return np.asarray(query @ self.arrays["item_vectors"][items].T, dtype=np.float32)

    def _fitted_body(self) -> Body:
        """The network of ``arrays``, rebuilt once after loading."""
        if getattr(self, "_restored", None) is None:
            body = self._body()
            load_weights(self.name, body, self.arrays, "body.")
            self._restored = body.eval()
        return self._restored

    def _attributes(self, data: TrainingData) -> sparse.csr_matrix | None:
        """The items' attributes, where they are wanted and there are any."""
        if not self.attributes or data.attributes is None or data.attributes.nnz == 0:
            return None
        found = data.attributes.copy()
        found.eliminate_zeros()
        return found

    def _objective(self, data: TrainingData, device: torch.device) -> Objective:
        import torch

        from models.sequential.objective import Objective

        counts = np.bincount(data.histories.items, minlength=data.n_items).astype(np.float64)
        chances = counts**self.popularity if self.loss == "sampled_softmax" else np.ones(data.n_items)
        return Objective(self.loss, torch.from_numpy(chances / chances.sum()).to(device), self.negatives, self.calibration)

    def _schedule(self, epochs: int) -> Schedule:
        steps = self.batch_size, self.learning_rate, self.weight_decay, self.patience
        return Schedule(epochs, *steps, self.seed, decay=self.decay, warmup=self.warmup, threads=self.threads)
