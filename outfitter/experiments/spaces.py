"""Where a search may look: for each model the settings that matter and the range in which a good value may lie."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import fields

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from models.families import FAMILIES

Space = Mapping[str, BaseDistribution]


def _real(low: float, high: float) -> FloatDistribution:
    """By orders of magnitude, which is how such settings act."""
    return FloatDistribution(low, high, log=True)


def _whole(low: int, high: int) -> IntDistribution:
    return IntDistribution(low, high, log=True)


EVENTS_BACK = _real(0.3, 100)
"""Half-life of a history in events: from the last item alone to nearly all alike."""
DAYS = _real(1, 365)
DROPPED = FloatDistribution(0, 0.7)
OPTIMIZER = {"learning_rate": _real(1e-4, 2e-2), "weight_decay": _real(1e-4, 0.3)}
CLOSED_FORM = {
    "closeness": _real(0.03, 30),
    "attributes": _real(1e-3, 10),
    "regularization": _real(5, 5000),
    "half_life": EVENTS_BACK,
}
SEQUENTIAL = {"dim": _whole(32, 256), "layers": IntDistribution(1, 3), "dropout": DROPPED, **OPTIMIZER}

SPACES: Mapping[str, Space] = {
    "popularity": {},
    "recent_popularity": {"half_life": DAYS},
    "segment_popularity": {"half_life": DAYS, "smoothing": _real(1, 10_000)},
    "item_knn": {
        "neighbours": _whole(10, 1000),
        "shrink": FloatDistribution(0, 50),
        "weighting": CategoricalDistribution(("cosine", "tfidf", "bm25")),
        "half_life": EVENTS_BACK,
    },
    "user_knn": {
        "neighbours": _whole(10, 1000),
        "shrink": FloatDistribution(0, 50),
        "similarity": CategoricalDistribution(("pearson", "pearson_own_means", "cosine")),
    },
    "ease": {"regularization": _real(5, 5000), "half_life": EVENTS_BACK},
    "closed_form": CLOSED_FORM,
    "closed_form_sparse": CLOSED_FORM,
    "ease_sparse": {"regularization": _real(5, 5000), "half_life": EVENTS_BACK},
    "blend": {},  # what is blended, and how, is searched for as 'one+other'
    "als": {
        "factors": _whole(16, 256),
        "iterations": _whole(5, 40),
        "regularization": _real(1e-3, 30),
        "alpha": _real(0.5, 200),
        "half_life": EVENTS_BACK,
    },
    "bpr": {
        "factors": _whole(16, 256),
        "iterations": _whole(50, 500),
        "learning_rate": _real(5e-3, 0.2),
        "regularization": _real(1e-4, 0.3),
        "half_life": EVENTS_BACK,
    },
    "two_tower": {"dim": _whole(32, 256), "temperature": _real(0.02, 0.5), "latest": _whole(3, 50), **OPTIMIZER},
    "gru4rec": SEQUENTIAL,
    "sasrec": SEQUENTIAL,
    "bert4rec": {**SEQUENTIAL, "masked": FloatDistribution(0.1, 0.7)},
    "ncf": {"dropout": DROPPED, "negatives": _whole(1, 32), "half_life": EVENTS_BACK, **OPTIMIZER},
    "multi_task": {"dim": _whole(32, 256), "negatives": _whole(1, 32), "half_life": EVENTS_BACK, **OPTIMIZER},
    "biased_mf": {"factors": _whole(1, 64), "penalty": _real(0.5, 200), "bias_penalty": _real(0.5, 200)},
    "rating_means": {"shrink": _real(0.1, 200)},
}


def space_of(model: str, given: Mapping[str, object]) -> Space:
    """What is to be found for ``model``, without the settings that are ``given``; nothing when no range is declared for it."""
    return {name: where for name, where in SPACES.get(model, {}).items() if name not in given}


def weights_of(labels: tuple[str, ...]) -> Space:
    """What is to be found for a blend of models: how much each counts, and whether its scores or its places do."""
    return {**{weight_name(label): FloatDistribution(0, 1) for label in labels}, "by": CategoricalDistribution(("score", "rank"))}


def weight_name(label: str) -> str:
    """The setting that says how much a member counts, in characters that MLflow takes for a parameter's name."""
    return "weight of " + re.sub(r"[^/\w.\- :]", " ", label)


def models_table() -> str:
    """The Markdown table of all models that ``docs/models.md`` holds."""
    rows = ["| model | settings | searched |", "|---|---|---|"]
    for name, model in FAMILIES.items():
        known = ", ".join(f"{field.name} {_shown(field.default)}" for field in fields(model) if field.name != "members")  # type: ignore[arg-type]
        sought = "; ".join(f"{setting} {_range(where)}" for setting, where in SPACES[name].items())
        rows.append(f"| `{name}` | {known} | {sought or 'nothing'} |")
    return "\n".join(rows) + "\n"


def _range(where: BaseDistribution) -> str:
    if isinstance(where, CategoricalDistribution):
        return ", ".join(map(str, where.choices))
    told = where._asdict()
    return f"{told['low']:g} to {told['high']:g}{'' if told['log'] else ' evenly'}"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool | None) else str(value)


if __name__ == "__main__":
    sys.stdout.write(models_table())
