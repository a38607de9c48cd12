"""How far predicted ratings are from given ones.

``predicted`` and ``actual`` are float[m], one a rating. All raise ModelError when there are none, when the two do not match, or when one is
not a number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outfitter.errors import ModelError

Ratings = NDArray[np.floating]


def rmse(predicted: Ratings, actual: Ratings) -> float:
    """The root of the mean squared error, in stars. Its interval is the root of that of the squared errors, users as clusters."""
    return float(np.sqrt((_errors(predicted, actual) ** 2).mean()))


def mae(predicted: Ratings, actual: Ratings) -> float:
    """The mean absolute error, in stars."""
    return float(np.abs(_errors(predicted, actual)).mean())


def pearson(predicted: Ratings, actual: Ratings) -> float:
    """The linear correlation of predicted and given ratings, -1 to 1; NaN where one of the two does not vary (Pearson, 1896)."""
    _errors(predicted, actual)
    if not (np.ptp(predicted) and np.ptp(actual)):  # rounding would pass for variation
        return float("nan")
    return float(np.corrcoef(np.asarray(predicted, dtype=np.float64), np.asarray(actual, dtype=np.float64))[0, 1])


def _errors(predicted: Ratings, actual: Ratings) -> NDArray[np.float64]:
    if predicted.shape != actual.shape:
        raise ModelError(f"{len(predicted)} predicted and {len(actual)} given ratings cannot be compared")
    if not len(actual):
        raise ModelError("there are no ratings to compare")
    for told, values in (("predicted", predicted), ("given", actual)):
        if not np.isfinite(values).all():
            raise ModelError(f"{int((~np.isfinite(values)).sum())} {told} ratings are not numbers", "Leave them out, or mend the model.")
    return np.asarray(predicted, dtype=np.float64) - np.asarray(actual, dtype=np.float64)
