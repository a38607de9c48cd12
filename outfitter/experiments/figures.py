"""What models' answers are worth: folds and seeds pooled, every figure with its interval, users being what is resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import metrics
from models.data import Positions
from models.metrics import Truth
from outfitter.evaluation.bootstrap import Interval, intervals
from outfitter.evaluation.folds import Fold, Rated
from outfitter.experiments.worker import Answer

Values = NDArray[np.float64]
EVERYONE, WITH, WITHOUT = "everyone", "with a history", "without a history"


@dataclass(frozen=True)
class Asked:
    """What is kept of the n users of a test fold once the models have been asked: all but what was learnt from."""

    name: str
    users: Positions
    known: NDArray[np.bool_]
    truth: Truth
    n_available: int
    rated: Rated | None

    @classmethod
    def of(cls, fold: Fold) -> Asked:
        return cls(fold.name, fold.users, fold.known, fold.truth, int(fold.available.sum()), fold.rated)


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: so many resamples of users, drawn with this seed."""

    samples: int
    seed: int

    def of(self, figures: Values, names: Sequence[str], users: Positions) -> dict[str, Interval]:
        """The interval of each column of ``figures``, from the same resamples."""
        return dict(zip(names, intervals(figures, self.samples, self.seed, clusters=users), strict=True))


def per_user(answers: Sequence[Answer], asked: Sequence[Asked]) -> Values:
    """float64[n, metrics]: each user's figures in the order of ``RANKING``, fold after fold, averaged over seeds."""
    folds = [
        np.mean([_measured(answer, fold) for answer in answers if answer.fold == fold.name], axis=0, dtype=np.float64) for fold in asked
    ]
    return np.concatenate(folds)


def _measured(answer: Answer, fold: Asked) -> Values:
    return np.stack([metric(answer.shown, fold.truth) for metric in metrics.RANKING.values()], axis=1)


def ranking(figures: Values, reference: Values, asked: Sequence[Asked], resampling: Resampling) -> dict[str, Any]:
    """By group of users: how many, each metric's interval, and that of the difference to the ``reference`` on the same users."""
    users, known = np.concatenate([fold.users for fold in asked]), np.concatenate([fold.known for fold in asked])
    groups = {EVERYONE: np.ones(len(users), dtype=np.bool_)} | ({} if known.all() or not known.any() else {WITH: known, WITHOUT: ~known})
    return {
        name: {
            "asked": int(rows.sum()),
            "users": len(np.unique(users[rows])),
            "metrics": _told(resampling.of(figures[rows], list(metrics.RANKING), users[rows])),
            "against_reference": _told(resampling.of((figures - reference)[rows], list(metrics.RANKING), users[rows])),
        }
        for name, rows in groups.items()
    }


def coverage(answers: Sequence[Answer], asked: Sequence[Asked]) -> float:
    """The share of what could be shown that was shown to anyone, averaged over folds and seeds.

    It has no interval over users: resampled users are fewer different ones, and so are shown less.
    """
    available = {fold.name: fold.n_available for fold in asked}
    return float(np.mean([metrics.coverage(answer.shown, available[answer.fold]) for answer in answers]))


def by_seed(answers: Sequence[Answer], asked: Sequence[Asked]) -> list[dict[str, float]]:
    """The mean of each metric for each seed: how far chance alone moves a model."""
    seeds = dict.fromkeys(answer.seed for answer in answers)
    means = {seed: per_user([answer for answer in answers if answer.seed == seed], asked).mean(axis=0) for seed in seeds}
    return [{"seed": seed, **dict(zip(metrics.RANKING, mean.tolist(), strict=True))} for seed, mean in means.items()]


def errors(answers: Sequence[Answer], asked: Sequence[Asked]) -> Values | None:
    """float64[m, 2]: squared and absolute error of every rating, fold after fold, averaged over seeds; None without predictions."""
    given, foretold = _given(asked), _foretold(answers, asked)
    if not foretold:
        return None
    each = [predicted - given for predicted in foretold]
    return np.stack([np.mean([error**2 for error in each], axis=0), np.mean(np.abs(each), axis=0)], axis=1)


def _given(asked: Sequence[Asked]) -> Values:
    """float64[m]: the ratings of all folds."""
    return np.concatenate([np.empty(0), *(fold.rated.values for fold in asked if fold.rated)])


def _foretold(answers: Sequence[Answer], asked: Sequence[Asked]) -> list[Values]:
    """float64[m] for each seed: what was foretold of the ratings of all folds.

    Nothing when there are no ratings, or where a fold's were not foretold, as before anything was rated: errors of other ratings than
    the other models' could not be compared.
    """
    said = {(answer.seed, answer.fold): answer.predicted for answer in answers if answer.predicted is not None}
    names, seeds = [fold.name for fold in asked if fold.rated], dict.fromkeys(seed for seed, _ in said)
    if any((seed, name) not in said for seed in seeds for name in names):
        return []
    return [np.concatenate([said[seed, name] for name in names]).astype(np.float64) for seed in seeds]


def stars(found: Values, reference: Values, answers: Sequence[Answer], asked: Sequence[Asked], resampling: Resampling) -> dict[str, Any]:
    """RMSE and MAE with intervals, the correlation over all ratings, and the difference to the ``reference`` in both errors."""
    users = np.concatenate([np.repeat(fold.rated.users, np.diff(fold.rated.indptr)) for fold in asked if fold.rated])
    own = resampling.of(found, ("squared", "absolute"), users)
    pearson = float(np.mean([metrics.pearson(predicted, _given(asked)) for predicted in _foretold(answers, asked)]))
    return {
        "ratings": len(users),
        "users": len(np.unique(users)),
        "metrics": {
            **_told({"rmse": own["squared"].mapped(np.sqrt), "mae": own["absolute"]}),
            "pearson": None if np.isnan(pearson) else pearson,  # of a model that says the same of everything
        },
        "against_reference": _told(resampling.of(found - reference, ("squared_error", "absolute_error"), users)),
    }


def _told(found: dict[str, Interval]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in found.items()}
