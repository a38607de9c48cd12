"""A shop of a handful of people, small enough to know every answer by heart."""

from __future__ import annotations

from pathlib import Path

import pytest

from outfitter.lake.snapshot import Snapshot
from outfitter.settings import Settings
from tests.outfitter.lake.frames import arrival, bought, filled, listed

EVENTS = bought(
    ("ann", "coat", -90),
    ("ann", "hat", -20),
    ("ann", "hat", -20),
    ("ann", "shoe", -2),
    ("ann", "hat", -1),
    ("bob", "coat", -30, "view"),
    ("bob", "shoe", -25, "return"),
    ("bob", "hat", -10),
    ("bob", "coat", 0),
    ("cat", "glove", -3),
    ("cat", "glove", -3),
    ("dan", "coat", -15, "cart"),
    ("eve", "scarf", -100),
)
CATALOGUE = listed("coat", "hat", "shoe", "belt", category="warm", brand="ours")


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """'glove' and 'scarf' were never catalogued, 'belt' was never bought."""
    return filled(
        tmp_path_factory.mktemp("shop"), arrival("e", "events.csv", interactions=EVENTS), arrival("c", "items.csv", items=CATALOGUE)
    )


@pytest.fixture(scope="session")
def keys(snapshot: Snapshot) -> dict[str, int]:
    """The key of each user and item by name."""
    users = snapshot.users().select("user_id", "user_key").collect().rows()
    return dict([*users, *snapshot.items().select("item_id", "item_key").collect().rows()])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, window_days=7, list_length=3, training_cutoffs=2, bootstrap_samples=200)
