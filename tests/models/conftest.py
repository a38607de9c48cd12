"""One fitted model of each family, shared by the tests: fitting is the slow part."""

from __future__ import annotations

import pytest

from models.base import Recommender
from models.blend import Blend
from models.factorization.als import ImplicitALS
from models.factorization.bpr import BPR
from models.factorization.ratings import BiasedMF, RatingMeans
from models.linear.closed_form import ClosedForm
from models.linear.ease import EASE
from models.linear.sparse_inverse import SparseClosedForm, SparseEASE
from models.neighbours.item_knn import ItemKNN
from models.neighbours.user_knn import UserKNN
from models.neural.multi_task import MultiTask
from models.neural.ncf import NCF
from models.neural.two_tower import TwoTower
from models.popularity import Popularity, RecentPopularity, SegmentPopularity
from models.sequential import BERT4Rec, GRU4Rec, SASRec
from tests.models.worlds import World, blocks


def fresh(name: str) -> Recommender:
    """An unfitted model of a family, small enough for the small world."""
    small: dict[str, Recommender] = {
        "popularity": Popularity(),
        "recent_popularity": RecentPopularity(half_life=7.0),
        "segment_popularity": SegmentPopularity(half_life=7.0),
        "item_knn": ItemKNN(neighbours=20),
        "user_knn": UserKNN(neighbours=20, similarity="cosine"),
        "ease": EASE(regularization=10.0),
        "closed_form": ClosedForm(regularization=10.0),
        "closed_form_sparse": SparseClosedForm(regularization=10.0, neighbours=20),
        "ease_sparse": SparseEASE(regularization=10.0, neighbours=20),
        "blend": Blend((("ease", (("regularization", 10.0),)), ("item_knn", (("neighbours", 20),))), (0.7, 0.3)),
        "als": ImplicitALS(factors=8, iterations=8),
        "bpr": BPR(factors=8, iterations=100, learning_rate=0.1),
        "two_tower": TwoTower(dim=16, epochs=8, batch_size=128, learning_rate=0.005, latest=10, seed=3),
        "gru4rec": GRU4Rec(dim=16, epochs=12, batch_size=256, learning_rate=0.01, dropout=0.1, length=10, seed=3),
        "sasrec": SASRec(dim=16, epochs=12, batch_size=256, learning_rate=0.01, dropout=0.1, length=10, seed=3),
        "bert4rec": BERT4Rec(dim=16, epochs=30, patience=20, batch_size=256, learning_rate=0.01, dropout=0.1, length=10, seed=3),
        "ncf": NCF(dim=16, epochs=8, batch_size=128, learning_rate=0.01, seed=3),
        "multi_task": MultiTask(dim=16, epochs=8, batch_size=128, learning_rate=0.01, seed=3),
        "biased_mf": BiasedMF(factors=4, sweeps=5, penalty=1.0, bias_penalty=1.0),
        "rating_means": RatingMeans(shrink=1.0),
    }
    return small[name]


@pytest.fixture(scope="session")
def world() -> World:
    return blocks()


@pytest.fixture(scope="session")
def fitted(world: World) -> dict[str, Recommender]:
    from models.families import FAMILIES

    return {name: fresh(name).fit(world.data) for name in FAMILIES}
