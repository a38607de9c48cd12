"""Feature rows as the bytes that Feast keeps online, made from whole columns.

Feast turns each value into a Python protobuf object first, which takes most of the time of a large materialization. The wire format is
simple enough to be written from arrays (https://protobuf.dev/programming-guides/encoding/): a field is its number and type as a varint,
a length as a varint, and the content. A packed list of floats is their little-endian bytes, one of integers their varints one after the
other. The field numbers are those of Feast's ``Value.proto``; the tests hold every byte against Feast's own serializers.
"""

from __future__ import annotations

import struct
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outfitter.features.spec import ITEM_FEATURES, LAST_ITEMS, USER_FEATURES, Feature, names
from outfitter.schema import EPOCH

VARINT, LENGTH_DELIMITED = 0, 2  # the wire types of a number and of a message
FLOAT_LIST, INT64_LIST, LIST_VALUES = 16, 14, 1  # fields of Value, and the one field of FloatList and Int64List
SECONDS, NANOS = 1, 2  # fields of Timestamp
STRING, INT64 = 2, 4  # types in an entity key
KEY_BYTES = 8
FLOAT_BYTES = 4
VARINT_BITS, VARINT_BYTES = 7, 10


def packed(features: tuple[Feature, ...], name: str) -> pl.Expr:
    """One list<float32> a row in the order of the feature list; what is not known becomes NaN."""
    return pl.concat_list([pl.col(column).cast(pl.Float32).fill_null(float("nan")) for column in names(features)]).alias(name)


def packed_users(rows: pl.DataFrame) -> pl.DataFrame:
    """user_key, cutoff, profile, last50: rows of ``user_features`` as they go online."""
    last = pl.col("last_items").list.tail(LAST_ITEMS).alias("last50")
    return rows.select("user_key", "cutoff", packed(USER_FEATURES, "profile"), last)


def packed_items(rows: pl.DataFrame) -> pl.DataFrame:
    """item_key, cutoff, item_profile: rows of ``item_features`` as they go online."""
    return rows.select("item_key", "cutoff", packed(ITEM_FEATURES, "item_profile"))


def entity_keys(join_key: str, keys: NDArray[np.int64]) -> list[bytes]:
    """Feast's entity keys (serialization version 3) of entities that have one int64 join key."""
    name = join_key.encode()
    head = struct.pack("<III", 1, STRING, len(name)) + name + struct.pack("<II", INT64, KEY_BYTES)
    raw = keys.astype("<i8").tobytes()
    return [head + raw[at : at + KEY_BYTES] for at in range(0, len(raw), KEY_BYTES)]


def keys_of(entities: list[bytes]) -> NDArray[np.int64]:
    """int64[n]: what ``entity_keys`` was made from."""
    return np.frombuffer(b"".join(entity[-KEY_BYTES:] for entity in entities), "<i8").astype(np.int64)


def values(column: pl.Series) -> list[bytes]:
    """A Feast ``Value`` a row: of a column of lists of float32 or int64, none of them null."""
    flat = column.explode(empty_as_null=False, keep_nulls=False)
    ends = column.list.len().to_numpy().astype(np.int64).cumsum()
    if column.dtype == pl.List(pl.Float32):
        return _sliced(FLOAT_LIST, flat.to_numpy().astype("<f4").tobytes(), ends * FLOAT_BYTES)
    raw, places = varints(flat.to_numpy().astype(np.int64))
    return _sliced(INT64_LIST, raw, places[ends])


def timestamp(moment: datetime) -> bytes:
    """A protobuf Timestamp; what is zero is left out."""
    since = moment - EPOCH
    parts = ((SECONDS, since // timedelta(seconds=1)), (NANOS, since % timedelta(seconds=1) // timedelta(microseconds=1) * 1000))
    return b"".join(_varint(field << 3 | VARINT) + _varint(number) for field, number in parts if number)


def varints(numbers: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
    """The numbers as varints, and int64[n + 1]: where each begins. A negative one takes ten bytes, as two's complement."""
    left = numbers.astype(np.uint64)
    sizes = np.ones(len(left), np.int64)
    for byte in range(1, VARINT_BYTES):
        sizes += left >= np.uint64(1 << VARINT_BITS * byte)
    places = np.concatenate([[0], sizes.cumsum()])
    out = np.zeros(places[-1], np.uint8)
    for byte in range(int(sizes.max(initial=0))):
        has = sizes > byte
        more = (sizes[has] > byte + 1).astype(np.uint8) << VARINT_BITS
        out[places[:-1][has] + byte] = (left[has] >> np.uint64(VARINT_BITS * byte)).astype(np.uint8) & 0x7F | more
    return out.tobytes(), places


def _sliced(field: int, raw: bytes, ends: NDArray[np.int64]) -> list[bytes]:
    """``raw`` cut at ``ends``, each part wrapped as the packed values of a list in ``field`` of a Value."""
    starts = np.concatenate([[0], ends])[:-1]
    heads = {int(size): _head(field, int(size)) for size in np.unique(ends - starts)}
    return [heads[end - start] + raw[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _head(field: int, size: int) -> bytes:
    """What stands before the packed values; an empty list has no field of values at all."""
    inner = _tag(LIST_VALUES) + _varint(size) if size else b""
    return _tag(field) + _varint(len(inner) + size) + inner


def _tag(field: int) -> bytes:
    return _varint(field << 3 | LENGTH_DELIMITED)


def _varint(number: int) -> bytes:
    return varints(np.array([number]))[0]
