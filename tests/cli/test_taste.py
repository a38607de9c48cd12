"""What is planted in the synthetic shop is found, and what is not planted is not found: through the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from outfitter.datasets.synthetic import Shop, write_shop

PERSONAL = ("item_knn", "als", "two_tower")
POPULAR = ("popularity", "recent_popularity")
MARGIN = 1.3
"""The lower end of a personalised model's 95% interval is above this many times the best popularity model's mean."""

SETTINGS = {
    "OUTFITTER_MODELS": '["item_knn", "als", "two_tower"]',
    "OUTFITTER_TRAINING_CUTOFFS": "6",
    "OUTFITTER_WINDOW_DAYS": "28",
}


def scores(outfitter: Any, folder: Path, taste: float) -> dict[str, list[float]]:
    """NDCG@12 of each model on the validation window: mean, low, high."""
    write_shop(Shop(users=2_000, items=700, interactions=80_000, days=250, seed=11, taste=taste), folder)
    ran = outfitter("run", "--path", folder, "--json", **SETTINGS)
    assert ran.code == 0, ran.stderr
    return {model["model"]: model["scores"]["ndcg"] for model in ran.result["train"]["models"]}


@pytest.mark.slow
@pytest.mark.parametrize("taste", [1.0, 0.0])
def test_planted_taste_is_found_and_nothing_where_there_is_none(outfitter: Any, tmp_path: Path, taste: float) -> None:
    found = scores(outfitter, tmp_path / "shop", taste)
    popular = max(found[name][0] for name in POPULAR)
    for name in PERSONAL:
        mean, low, _ = found[name]
        assert low > MARGIN * popular if taste else mean < popular, f"{name}: {found[name]} against {popular}"
