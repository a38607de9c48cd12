"""Who is served well and what is found: users, or the pairs of a user and what they took, shared out to segments and measured in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.data import Positions
from models.metrics import Metric, PerUser, Truth
from outfitter.errors import ModelError

Codes = NDArray[np.int32]
ACTIVITY = (1, 5, 20)
"""Where the bands of activity begin: nobody knows a user of none, few models a user of some; past twenty all have enough to go by."""
AGES = (8, 31)
"""Days: the first week, the rest of the first month, and later."""
MOST_CATEGORIES = 8


@dataclass(frozen=True)
class Segmentation:
    """One way to share out users (``over`` "users") or what they took ("taken": pairs in the order of ``truth.items``).

    codes: int32[n users or pairs], a place in ``labels``, or -1 for what is in none of them.
    """

    name: str
    over: Literal["users", "taken"]
    labels: tuple[str, ...]
    codes: Codes


def measure_segments(segmentation: Segmentation, metric: Metric, items: Positions, truth: Truth) -> PerUser:
    """float64[n, labels]: each user's figure in each segment, NaN where they have no part in it; what ``bootstrap.intervals`` takes.

    A user is in one segment of users. In a segment of what was taken they are measured on their truth in it alone: recall is then the
    share of it that was found. Raises ModelError when the segmentation is of other users.
    """
    expected = len(truth.counts) if segmentation.over == "users" else len(truth.items)
    if len(segmentation.codes) != expected:
        raise ModelError(f"the segments by {segmentation.name} are of {len(segmentation.codes)} {segmentation.over}, not of {expected}")
    parts = range(len(segmentation.labels))
    if segmentation.over == "taken":
        columns = [_restricted(metric, items, truth, segmentation.codes == part) for part in parts]
    else:
        figures = metric(items, truth)
        columns = [np.where(segmentation.codes == part, figures, np.nan) for part in parts]
    return np.stack(columns, axis=1)


def _restricted(metric: Metric, items: Positions, truth: Truth, kept: NDArray[np.bool_]) -> PerUser:
    """float64[n]: the metric as if only the ``kept`` pairs had been taken; NaN for users of whom none is left."""
    counts = np.bincount(truth.users[kept], minlength=len(truth.counts))
    some = counts > 0
    worth = None if truth.relevance is None else truth.relevance[kept]
    rest = Truth(np.concatenate([[0], np.cumsum(counts[some])]), truth.items[kept], worth)
    out = np.full(len(counts), np.nan)
    out[some] = metric(items[some], rest)
    return out


def by_activity(taken_before: NDArray[np.integer], starts: Sequence[int] = ACTIVITY) -> Segmentation:
    """Users by how much they had taken before. starts: ascending, where each band but the first begins."""
    ends = [str(start - 1) for start in starts[1:]]
    labels = [_span(str(start), end) for start, end in zip(starts, ends, strict=False)]
    first = "none" if starts[0] == 1 else _span("0", str(starts[0] - 1))
    codes = np.searchsorted(np.asarray(starts), taken_before, side="right").astype(np.int32)
    return Segmentation("Items taken before", "users", (first, *labels, f"{starts[-1]} or more"), codes)


def _span(start: str, end: str) -> str:
    return start if start == end else f"{start} to {end}"


def by_history(known: NDArray[np.bool_]) -> Segmentation:
    """Users of whom anything was known when asked, a look even, and the others."""
    return Segmentation("Known users", "users", ("no history", "some history"), known.astype(np.int32))


def by_age(days: NDArray[np.floating]) -> Segmentation:
    """What was taken by the item's age in days when asked, since its first sale or since the catalogue has it; NaN: unsold till then."""
    codes = np.searchsorted(np.asarray(AGES), days, side="right")
    labels = (f"0 to {AGES[0] - 1} days", f"{AGES[0]} to {AGES[1] - 1} days", f"over {AGES[1] - 1} days", "new in the window")
    return Segmentation("Age of the item", "taken", labels, np.where(np.isnan(days), len(AGES) + 1, codes).astype(np.int32))


def by_category(categories: pl.Series, most: int = MOST_CATEGORIES) -> Segmentation:
    """What was taken by the item's category: the ``most`` that were taken most often, the others together, and unknown ones (null)."""
    told = categories.cast(pl.String).alias("category")
    counts = told.drop_nulls().value_counts(name="times").sort("times", "category", descending=[True, False])
    named = counts["category"].head(most).to_list()
    place = {name: code for code, name in enumerate(named)}
    codes = told.replace_strict(place, default=len(named), return_dtype=pl.Int32).to_numpy()
    codes = np.where(told.is_null().to_numpy(), len(named) + 1, codes).astype(np.int32)
    return Segmentation("Category", "taken", (*named, "other categories", "no category"), codes)


def by_price(prices: NDArray[np.floating], catalogue: NDArray[np.floating]) -> Segmentation:
    """What was taken by price: the cheapest third of the catalogue, the middle one, the dearest; NaN is of no known price."""
    known = catalogue[~np.isnan(catalogue)]
    if not len(known):
        return Segmentation("Price", "taken", ("no price",), np.zeros(len(prices), np.int32))
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    codes = np.where(np.isnan(prices), 3, np.searchsorted([low, high], prices, side="left"))
    labels = (f"cheapest third (to {low:.4g})", f"middle third (to {high:.4g})", f"dearest third (over {high:.4g})", "no price")
    return Segmentation("Price", "taken", labels, codes.astype(np.int32))


def by_reach(shown: NDArray[np.bool_]) -> Segmentation:
    """What was taken by whether it was sellable when asked, and so could be shown at all: the rest bounds what any model can find."""
    return Segmentation("Could be shown", "taken", ("not sellable when asked", "sellable when asked"), shown.astype(np.int32))
