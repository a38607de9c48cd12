"""The MLflow face of an artifact (models from code): histories of item ids in, lists of item ids out. Nothing is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

import models
from models.data import Histories

DAYS_APART = 1.0


class OutfitterModel(PythonModel):
    """Input: a column ``items``, each row a user's item ids, oldest first. Output: columns ``items`` and ``scores``, best first."""

    def load_context(self, context: Any) -> None:
        self.model = models.load(Path(context.artifacts["model"]))
        self.positions = {item_id: position for position, item_id in enumerate(self.model.item_ids)}

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        k = int((params or {}).get("k", 12))
        top = self.model.recommend(self._histories(list(model_input["items"])), k)
        listed = [row[row >= 0] for row in top.items]
        return pd.DataFrame(
            {
                "items": [[self.model.item_ids[position] for position in row] for row in listed],
                "scores": [scores[: len(row)].tolist() for row, scores in zip(listed, top.scores, strict=True)],
            }
        )

    def _histories(self, users: list[Any]) -> Histories:
        """Ids the model does not know are passed over; without times, a user's items count as one a day, the last one yesterday."""
        known = [[self.positions[item] for item in items if item in self.positions] for items in users]
        counts = np.array([len(items) for items in known], dtype=np.int64)
        ages = [np.arange(len(items), 0, -1, dtype=np.float32) * DAYS_APART for items in known]
        return Histories(
            np.concatenate([[0], np.cumsum(counts)]),
            np.array([position for items in known for position in items], dtype=np.int32),
            np.ones(int(counts.sum()), dtype=np.float32),
            np.concatenate([*ages, np.empty(0, np.float32)]),
        )


mlflow.models.set_model(OutfitterModel())
