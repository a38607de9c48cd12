"""An item that is derived from interactions and described by a catalogue has the catalogue's attributes, whichever comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.outfitter.lake.frames import arrival, bought, filled, listed

REVIEWS = arrival("a", "reviews.jsonl", 1, bought(("u1", "i1", -1), ("u1", "i2", -1)), items=listed("i1", "i2"))
REVIEWS_AGAIN = arrival("z", "more.jsonl", 1, bought(("u2", "i1", -1)), items=listed("i1"))
CATALOGUE = arrival("m", "meta.jsonl", 1, items=listed("i1", title="A dress", price=9.0))


@pytest.mark.parametrize("order", [(REVIEWS, REVIEWS_AGAIN, CATALOGUE), (CATALOGUE, REVIEWS_AGAIN, REVIEWS)])
def test_a_derived_item_never_hides_its_description(tmp_path: Path, order: tuple[object, ...]) -> None:
    items = filled(tmp_path, *order).items().sort("item_id").select("item_id", "title", "price", "catalogued").collect()  # type: ignore[arg-type]
    assert items.rows() == [("i1", "A dress", 9.0, True), ("i2", None, None, True)]
