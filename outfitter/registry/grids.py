"""Which settings of which models are tried in every training: those that are quickly fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Grid = Mapping[str, tuple[Any, ...]]
DAYS = (3.5, 7.0, 14.0, 28.0, 56.0)
EVENTS_BACK = (1.0, 3.0, 10.0, 30.0, 100.0)
PENALTIES = (20.0, 60.0, 200.0, 600.0, 2000.0, 5000.0)
GRIDS: Mapping[str, Grid] = {
    "recent_popularity": {"half_life": DAYS},
    "segment_popularity": {"half_life": DAYS, "smoothing": (10.0, 100.0, 1000.0)},
    "item_knn": {
        "weighting": ("cosine", "tfidf", "bm25"),
        "neighbours": (50, 100, 400),
        "shrink": (0.0, 5.0, 20.0),
        "half_life": EVENTS_BACK,
    },
    "ease": {"regularization": PENALTIES, "half_life": EVENTS_BACK},
    "ease_sparse": {"regularization": PENALTIES, "half_life": EVENTS_BACK},
    "closed_form_sparse": {
        "half_life": (1.75, 5.0, 15.0, 50.0),
        "regularization": PENALTIES,
        "closeness": (0.3, 3.0),
        "attributes": (0.01, 0.1, 1.0),
    },
    "als": {"half_life": EVENTS_BACK},
}
"""What is tried, one setting after the other; what a fit does not read comes last, so that the last fit serves all of it."""
