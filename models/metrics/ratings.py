"""How far predicted ratings are from given ones: over all of them, and user by user.

``predicted`` and ``actual`` are float[m], one a rating; the ratings of user u are those from ``indptr[u]`` to ``indptr[u + 1]``. All raise
ModelError when there are none, when the two do not match, or when one is not a number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.metrics.ranking import PerUser, divided
from outfitter.errors import ModelError

Ratings = NDArray[np.floating]
Ends = NDArray[np.int64]


def rmse(predicted: Ratings, actual: Ratings) -> float:
    """The root of the mean squared error, in stars. Its interval is the root of that of the squared errors, users as clusters."""
    return float(np.sqrt((_errors(predicted, actual) ** 2).mean()))


def mae(predicted: Ratings, actual: Ratings) -> float:
    """The mean absolute error, in stars."""
    return float(np.abs(_errors(predicted, actual)).mean())


def pearson(predicted: Ratings, actual: Ratings) -> float:
    """The linear correlation of predicted and given ratings, -1 to 1; NaN where one of the two does not vary (Pearson, 1896)."""
    return float(user_pearson(predicted, actual, np.array([0, len(predicted)]))[0])


def user_rmse(predicted: Ratings, actual: Ratings, indptr: Ends) -> PerUser:
    """float64[n]: the RMSE of each user's ratings; NaN for a user without any."""
    return np.sqrt(_means(_errors(predicted, actual) ** 2, indptr))


def user_mae(predicted: Ratings, actual: Ratings, indptr: Ends) -> PerUser:
    """float64[n]: the MAE of each user's ratings; NaN for a user without any."""
    return _means(np.abs(_errors(predicted, actual)), indptr)


def user_pearson(predicted: Ratings, actual: Ratings, indptr: Ends) -> PerUser:
    """float64[n]: the correlation within each user's ratings: does the model know which they liked better? NaN where it is undefined."""
    _errors(predicted, actual)
    p, a = [_centred(np.asarray(values, dtype=np.float64), indptr) for values in (predicted, actual)]
    spread = np.sqrt(_means(p * p, indptr) * _means(a * a, indptr))
    return divided(_means(p * a, indptr), spread)


def _errors(predicted: Ratings, actual: Ratings) -> NDArray[np.float64]:
    if predicted.shape != actual.shape:
        raise ModelError(f"{len(predicted)} predicted and {len(actual)} given ratings cannot be compared")
    if not len(actual):
        raise ModelError("there are no ratings to compare")
    for told, values in (("predicted", predicted), ("given", actual)):
        if not np.isfinite(values).all():
            raise ModelError(f"{int((~np.isfinite(values)).sum())} {told} ratings are not numbers", "Leave them out, or mend the model.")
    return np.asarray(predicted, dtype=np.float64) - np.asarray(actual, dtype=np.float64)


def _means(values: NDArray[np.float64], indptr: Ends) -> PerUser:
    counts = np.diff(indptr)
    sums = np.bincount(np.repeat(np.arange(len(counts)), counts), weights=values, minlength=len(counts))
    return divided(sums, counts)


def _centred(values: NDArray[np.float64], indptr: Ends) -> NDArray[np.float64]:
    """The values less their user's mean; exactly 0 where a user's values are all the same, whatever rounding makes of the mean."""
    counts = np.diff(indptr)
    centred = values - np.repeat(_means(values, indptr), counts)
    filled = indptr[:-1][counts > 0]
    if len(filled):
        same = np.zeros(len(counts), dtype=bool)
        same[counts > 0] = np.minimum.reduceat(values, filled) == np.maximum.reduceat(values, filled)
        centred[np.repeat(same, counts)] = 0.0
    return centred
