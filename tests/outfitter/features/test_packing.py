"""The bytes written from arrays are those that Feast's own serializers write from one value at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outfitter.features import packing
from outfitter.features.spec import ITEM_FEATURES, LAST_ITEMS, USER_FEATURES, names
from tests.outfitter.features.conftest import feature_rows

INT64 = st.integers(-(2**63), 2**63 - 1)
EDGES = [0, 1, 127, 128, 16383, 16384, 2**21, 2**28, 2**31 - 1, 2**35, 2**63 - 1, -1, -(2**63)]


@given(st.lists(st.lists(INT64, max_size=60), max_size=20))
def test_lists_of_integers(lists: list[list[int]]) -> None:
    from feast.protos.feast.types.Value_pb2 import Int64List, Value

    want = [Value(int64_list_val=Int64List(val=one)).SerializeToString() for one in lists]
    assert packing.values(pl.Series(lists, dtype=pl.List(pl.Int64))) == want


@given(st.lists(st.lists(st.floats(width=32), max_size=100), max_size=20))
def test_lists_of_floats(lists: list[list[float]]) -> None:
    from feast.protos.feast.types.Value_pb2 import FloatList, Value

    want = [Value(float_list_val=FloatList(val=one)).SerializeToString() for one in lists]
    assert packing.values(pl.Series(lists, dtype=pl.List(pl.Float32))) == want


@given(st.lists(INT64))
def test_numbers_of_every_size(numbers: list[int]) -> None:
    from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[import-untyped]

    raw, places = packing.varints(np.array([*EDGES, *numbers], dtype=np.int64))
    found = [raw[start:end] for start, end in pairwise(places)]
    assert found == [_VarintBytes(number % 2**64) for number in [*EDGES, *numbers]]


@pytest.mark.parametrize("join_key", ["user_key", "item_key", "k"])
def test_entity_keys(join_key: str) -> None:
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    want = [serialize_entity_key(EntityKey(join_keys=[join_key], entity_values=[Value(int64_val=key)])) for key in EDGES]
    found = packing.entity_keys(join_key, np.array(EDGES))
    assert found == want
    assert packing.keys_of(found).tolist() == EDGES


@pytest.mark.parametrize("shift", [timedelta(0), timedelta(microseconds=1), timedelta(days=20_000, seconds=5, milliseconds=3)])
def test_timestamps(shift: timedelta) -> None:
    from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

    moment, stamp = datetime(1970, 1, 1, tzinfo=UTC) + shift, Timestamp()
    stamp.FromDatetime(moment)
    assert packing.timestamp(moment) == stamp.SerializeToString()


def test_packing_follows_the_list() -> None:
    users, items = feature_rows()
    for row in packing.packed_items(items).join(items, on=["item_key", "cutoff"]).iter_rows(named=True):
        want = [float("nan") if row[name] is None else row[name] for name in names(ITEM_FEATURES)]
        np.testing.assert_array_equal(row["item_profile"], want)
    for row in packing.packed_users(users).join(users, on=["user_key", "cutoff"]).iter_rows(named=True):
        assert len(row["profile"]) == len(USER_FEATURES)
        assert row["last50"] == row["last_items"][-LAST_ITEMS:]
