"""One model on one fold: fitting it to what the fold lets be learnt, and asking it for lists or ratings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from models import metrics
from models.base import Recipe, Recommender
from models.data import Float, Positions
from models.factorization.ratings import RatingModel
from models.families import build, family
from models.metrics import Truth
from outfitter.evaluation.datasets import Dataset
from outfitter.evaluation.featureless import with_rows
from outfitter.evaluation.folds import Fold

PARTS = 4
"""Parts of the users after each of which a search is told how a model does, so that it can give it up."""


def fit(recipe: Recipe, fold: Fold, data: Dataset) -> Recommender:
    """The model of ``recipe``, fitted to what the fold lets be learnt. Raises ModelError when it cannot be."""
    needs_rows = any(family(name).reads_features for name in families_of(recipe))
    return build(recipe).fit(with_rows(fold.training, data) if needs_rows else fold.training)


def families_of(recipe: Recipe) -> list[str]:
    """The model's name, and those of its members when it is a blend."""
    members: tuple[tuple[str, object], ...] = dict(recipe.params).get("members", ())
    return [recipe.model, *(name for name, _ in members)]


def lists(model: Recommender, fold: Fold, k: int, repeats: bool) -> Positions:
    """int32[n, k]: what each user of the fold is shown of all that was known of, without what they had, unless ``repeats`` may be."""
    return model.recommend(fold.asked, k, fold.available, exclude_seen=not repeats).items


def ratings(model: Recommender, fold: Fold) -> Float | None:
    """float32[m]: the stars foretold for the fold's ratings; None where there are none, or when the model foretells none."""
    if fold.rated is None or not model.foretells_stars:
        return None
    who = np.repeat(np.arange(len(fold.rated.users)), np.diff(fold.rated.indptr))
    return model.predict(fold.rated.asked, who, fold.rated.items)


def worth(model: Recommender, fold: Fold, k: int, repeats: bool) -> Iterator[tuple[float, int]]:
    """What a search makes as large as it can, on more and more of the users, and on how many; the last is the figure of them all.

    NDCG at k; of a model that is made for ratings alone, the root mean squared error with a minus, where the fold has ratings.
    """
    predicted = ratings(model, fold) if isinstance(model, RatingModel) else None
    if predicted is not None and fold.rated is not None:
        yield -metrics.rmse(predicted, fold.rated.values), len(fold.rated.users)
        return
    ends = np.linspace(0, len(fold.users), min(PARTS, len(fold.users)) + 1).astype(int)
    found = np.empty(0)
    for start, stop in pairwise(ends.tolist()):
        shown = model.recommend(fold.asked.rows(start, stop), k, fold.available, exclude_seen=not repeats).items
        found = np.concatenate([found, metrics.ndcg(shown, _rows(fold.truth, start, stop))])
        yield float(found.mean()), stop


def _rows(truth: Truth, start: int, stop: int) -> Truth:
    first, last = truth.indptr[start], truth.indptr[stop]
    return Truth(truth.indptr[start : stop + 1] - first, truth.items[first:last])
