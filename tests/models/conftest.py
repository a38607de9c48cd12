"""One fitted model of each family, shared by the tests: fitting is the slow part."""

from __future__ import annotations

import pytest

from models.base import Recommender
from models.factorization import ImplicitALS
from models.neighbours import ItemKNN
from models.popularity import Popularity, RecentPopularity
from models.two_tower import TwoTower
from tests.models.worlds import World, blocks


def fresh(name: str) -> Recommender:
    """An unfitted model of a family, small enough for the small world."""
    small: dict[str, Recommender] = {
        "popularity": Popularity(),
        "recent_popularity": RecentPopularity(half_life=7.0),
        "item_knn": ItemKNN(neighbours=20),
        "als": ImplicitALS(factors=8, iterations=8),
        "two_tower": TwoTower(dim=16, epochs=8, batch_size=128, learning_rate=0.005, latest=10, seed=3),
    }
    return small[name]


@pytest.fixture(scope="session")
def world() -> World:
    return blocks()


@pytest.fixture(scope="session")
def fitted(world: World) -> dict[str, Recommender]:
    from models.families import FAMILIES

    return {name: fresh(name).fit(world.data) for name in FAMILIES}
