"""CPU seconds an epoch of another library's SASRec; ``sasrec_epoch.py`` runs this with a Python that has that library, and not ours."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch

Settings = dict[str, Any]


def clock(callback: type) -> Any:
    """A callback, of the lightning package that a library uses, that notes the CPU seconds of every training epoch."""

    class Clock(callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_train_epoch_start(self, *_: object) -> None:
            self.started = time.process_time()

        def on_train_epoch_end(self, *_: object) -> None:
            self.seconds.append(time.process_time() - self.started)

    return Clock()


def replay(indptr: np.ndarray, items: np.ndarray, settings: Settings) -> list[float]:
    """RePlay, full cross-entropy."""
    import lightning
    from replay.data import FeatureHint, FeatureType
    from replay.data.nn import PandasSequentialDataset, TensorFeatureInfo, TensorSchema
    from replay.models.nn.sequential.sasrec import SasRec, SasRecTrainingDataset

    item = TensorFeatureInfo(
        "item_id",
        cardinality=settings["items"],
        is_seq=True,
        embedding_dim=settings["dim"],
        feature_hint=FeatureHint.ITEM_ID,
        feature_type=FeatureType.CATEGORICAL,
    )
    schema = TensorSchema([item])
    rows = [items[start:stop].astype(np.int64) for start, stop in pairwise(indptr)]
    sequences = pd.DataFrame({"user_id": range(len(rows)), "item_id": rows})
    known = PandasSequentialDataset(tensor_schema=schema, query_id_column="user_id", item_id_column="item_id", sequences=sequences)
    loader = torch.utils.data.DataLoader(SasRecTrainingDataset(known, settings["length"]), batch_size=settings["users"], shuffle=True)
    model = SasRec(
        tensor_schema=schema,
        block_count=settings["blocks"],
        head_count=settings["heads"],
        hidden_size=settings["dim"],
        max_seq_len=settings["length"],
        dropout_rate=settings["dropout"],
        loss_type="CE",
    )
    noted = clock(lightning.Callback)
    trainer(lightning, noted, settings).fit(model, loader)
    return noted.seconds  # type: ignore[no-any-return]


def rectools(indptr: np.ndarray, items: np.ndarray, settings: Settings) -> list[float]:
    """RecTools, full softmax."""
    import pytorch_lightning
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    counts = np.diff(indptr)
    place = np.arange(len(items)) - np.repeat(indptr[:-1], counts)
    interactions = pd.DataFrame(
        {
            Columns.User: np.repeat(np.arange(len(counts)), counts),
            Columns.Item: items,
            Columns.Weight: 1.0,
            Columns.Datetime: pd.Timestamp("1998-01-01") + pd.to_timedelta(place, unit="h"),
        }
    )
    noted = clock(pytorch_lightning.Callback)
    model = SASRecModel(
        n_blocks=settings["blocks"],
        n_heads=settings["heads"],
        n_factors=settings["dim"],
        session_max_len=settings["length"],
        dropout_rate=settings["dropout"],
        loss="softmax",
        lr=settings["learning_rate"],
        batch_size=settings["users"],
        get_trainer_func=lambda: trainer(pytorch_lightning, noted, settings),
    )
    model.fit(Dataset.construct(interactions))
    return next(callback.seconds for callback in model.fit_trainer.callbacks if hasattr(callback, "seconds"))  # it trains with a copy


def trainer(lightning: Any, noted: Any, settings: Settings) -> Any:
    """A trainer on the CPU that does nothing but train."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    return lightning.Trainer(max_epochs=settings["epochs"], accelerator="cpu", callbacks=[noted], **quiet)


PEERS: dict[str, Callable[[np.ndarray, np.ndarray, Settings], list[float]]] = {"replay": replay, "rectools": rectools}

if __name__ == "__main__":
    name, path, asked = sys.argv[1:]
    settings = json.loads(asked)
    torch.set_num_threads(settings["threads"])
    with np.load(path) as data:
        seconds = PEERS[name](data["indptr"], data["items"], settings)
    sys.stdout.write("\n" + json.dumps(seconds[1:]) + "\n")
