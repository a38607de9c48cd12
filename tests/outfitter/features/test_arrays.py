"""The numbers that models read: ages instead of days, logarithms instead of heavy tails, NaN for what nobody knows."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from outfitter.features.arrays import HEAVY_TAILED, model_inputs
from outfitter.features.spec import ITEM_FEATURES, USER_FEATURES, Feature

ASKED = datetime(2024, 3, 1, tzinfo=UTC)
DAY = ASKED.timestamp() / 86400
FEATURES = (Feature("n", "events", ""), Feature("share", "share", ""), Feature("last", "day", ""))


def rows(**columns: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"n": [3.0], "share": [0.25], "last": [DAY - 10]} | columns)


def test_each_unit_enters_in_its_own_way() -> None:
    found = model_inputs(rows(), FEATURES, ASKED)
    assert found.dtype == np.float32
    assert found[0].tolist() == pytest.approx([math.log(4), 0.25, math.log(11)], rel=1e-6)


def test_the_order_is_that_of_the_list() -> None:
    found = model_inputs(rows(), FEATURES[::-1], ASKED)
    assert found[0].tolist() == pytest.approx([math.log(11), 0.25, math.log(4)], rel=1e-6)


def test_what_is_not_known_is_nan() -> None:
    assert np.isnan(model_inputs(rows(n=[None], share=[None], last=[None]), FEATURES, ASKED)).all()


def test_no_age_and_no_count_is_below_zero() -> None:
    """A day is kept as float32, so the newest event may seem to lie a minute ahead."""
    assert model_inputs(rows(n=[-1.0], last=[DAY + 0.001]), FEATURES, ASKED)[0, [0, 2]].tolist() == [0, 0]


def test_every_row_may_ask_at_its_own_moment() -> None:
    frame = rows(n=[0.0] * 2, share=[0.0] * 2, last=[DAY - 1] * 2).with_columns(at=pl.Series([ASKED, ASKED + timedelta(days=2)]))
    found = model_inputs(frame, FEATURES, pl.col("at"))
    assert found[:, 2].tolist() == pytest.approx([math.log(2), math.log(4)], rel=1e-6)


def test_no_rows_make_an_empty_array() -> None:
    assert model_inputs(rows().clear(), FEATURES, ASKED).shape == (0, 3)


@pytest.mark.parametrize("features", [USER_FEATURES, ITEM_FEATURES])
def test_every_feature_of_the_list_has_a_way_in(features: tuple[Feature, ...]) -> None:
    names = [feature.name for feature in features]
    assert len(set(names)) == len(names)
    assert {feature.unit for feature in features} <= {*HEAVY_TAILED, "day", "share", "nats", "events a day"}
    assert all(feature.definition for feature in features)
    frame = pl.DataFrame({name: [1e6] for name in names})
    assert np.isfinite(model_inputs(frame, features, ASKED)).all()
