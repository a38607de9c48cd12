"""What lists and predicted ratings are worth: one figure a user wherever that makes sense, so that any two models can be paired."""

from __future__ import annotations

from models.metrics.agreement import kendall, overlap
from models.metrics.beyond import (
    coverage,
    diversity,
    gini,
    novelty,
    popularity_percentile,
)
from models.metrics.ranking import (
    RANKING,
    Metric,
    PerUser,
    Truth,
    average_precision,
    hit_rate,
    hits,
    measure,
    mrr,
    ndcg,
    precision,
    recall,
)
from models.metrics.ratings import mae, pearson, rmse

__all__ = [
    "RANKING",
    "Metric",
    "PerUser",
    "Truth",
    "average_precision",
    "coverage",
    "diversity",
    "gini",
    "hit_rate",
    "hits",
    "kendall",
    "mae",
    "measure",
    "mrr",
    "ndcg",
    "novelty",
    "overlap",
    "pearson",
    "popularity_percentile",
    "precision",
    "recall",
    "rmse",
]
