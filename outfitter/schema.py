"""Every column name and dtype, once.

``*_FRAME`` schemas are what an adapter yields: ids are strings, nothing is keyed yet, and ``unreadable`` holds the cells that
could not be read. ``*_TABLE`` schemas are what lies in the lake: keys instead of ids, every row with the delivery it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

Schema = Mapping[str, pl.DataType]

UTC_TIME = pl.Datetime("us", "UTC")
STRING, KEY, COUNT, LONG, REAL = pl.String(), pl.Int32(), pl.Int32(), pl.Int64(), pl.Float64()

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""``valid_from`` of a source with one static catalogue: true since ever."""

EVENTS = ("view", "click", "like", "cart", "purchase", "rent", "rating", "return")

ITEM_ATTRIBUTES: Schema = {
    "title": STRING,
    "description": STRING,
    "category": STRING,
    "colour": STRING,
    "brand": STRING,
    "style": STRING,  # variants of colour and size share it
    "size": STRING,
    "material": STRING,
    "season": STRING,
    "tags": pl.List(pl.String()),
    "price": REAL,  # per unit, in the source's currency
    "image_path": STRING,  # relative to the source's folder
}
USER_ATTRIBUTES: Schema = {"birth_year": COUNT, "gender": STRING, "region": STRING, "membership": STRING}

# What an adapter yields. sequence: the 1-based data row in its file (a header does not count).
INTERACTION_FRAME: Schema = {
    "user_id": STRING,
    "item_id": STRING,
    "timestamp": UTC_TIME,
    "sequence": LONG,
    "event": STRING,  # one of EVENTS
    "value": REAL,  # a rating's stars; null for other events
    "quantity": COUNT,
    "price": REAL,
    "channel": STRING,
    "market": STRING,
    "unreadable": STRING,  # null, or e.g. "timestamp '31.31.2020'; price 'abc'"
}
ITEM_FRAME: Schema = {
    "item_id": STRING,
    "valid_from": UTC_TIME,
    **ITEM_ATTRIBUTES,
    "sequence": LONG,
    "unreadable": STRING,
}
USER_FRAME: Schema = {
    "user_id": STRING,
    "valid_from": UTC_TIME,
    **USER_ATTRIBUTES,
    "sequence": LONG,
    "unreadable": STRING,
}

# What lies in the lake.
INTERACTIONS: Schema = {
    "user_key": KEY,
    "item_key": KEY,
    "timestamp": UTC_TIME,
    "sequence": LONG,
    "event": STRING,
    "value": REAL,
    "quantity": COUNT,
    "price": REAL,
    "channel": STRING,
    "market": STRING,
    "delivery_id": STRING,
    "bucket": KEY,
}
# A key row (delivery_id null, catalogued false) stands for every id ever seen; attribute rows come and go with deliveries.
USERS: Schema = {
    "user_key": KEY,
    "user_id": STRING,
    "bucket": KEY,
    "valid_from": UTC_TIME,
    **USER_ATTRIBUTES,
    "delivery_id": STRING,
}
ITEMS: Schema = {
    "item_key": KEY,
    "item_id": STRING,
    "valid_from": UTC_TIME,
    **ITEM_ATTRIBUTES,
    "catalogued": pl.Boolean(),
    "delivery_id": STRING,
}
QUARANTINE: Schema = {
    "delivery_id": STRING,
    "object": STRING,
    "table": STRING,
    "row": LONG,
    "reasons": pl.List(pl.String()),
    "content": STRING,  # the row as JSON
}
DELIVERIES: Schema = {
    "delivery_id": STRING,  # sha256 of the content
    "source": STRING,
    "object": STRING,  # path inside the source
    "modified": UTC_TIME,
    "tag": STRING,  # what the source says of the version: an unchanged tag is not fetched again
    "generation": COUNT,  # how many versions of this object came before
    "role": STRING,  # items | users | interactions
    "status": STRING,  # accepted | rejected | held | withdrawn (its content counts under another name now)
    "rows_in": LONG,
    "rows_accepted": LONG,
    "rows_quarantined": LONG,
    "first_event": UTC_TIME,
    "last_event": UTC_TIME,
    "reason": STRING,  # why it is rejected or held; of a released one, who released it and why
    "warnings": pl.List(pl.String()),  # what is odd and stops nothing
    "profile": STRING,  # JSON of expectations.profile.Profile: what later deliveries are compared with
    "rules": STRING,  # hash of the validation settings it was judged by
    "validation_id": STRING,
    "ingested_at": UTC_TIME,
}
SNAPSHOTS: Schema = {
    "snapshot_id": STRING,
    "as_of": UTC_TIME,
    "versions": STRING,  # JSON: table -> Delta version
    "created_at": UTC_TIME,
}
SNAPSHOT_DELIVERIES: Schema = {
    "snapshot_id": STRING,
    "delivery_ids": pl.List(pl.String()),  # the deliveries that counted when it was taken, ascending: its id is their fingerprint
}
STAGES: Schema = {"stage": STRING, "fingerprint": STRING, "outputs": STRING, "finished_at": UTC_TIME}
LAKE: Schema = {
    "n_buckets": COUNT,
    "source": STRING,
    "synthetic_time": pl.Boolean(),  # timestamps are positions, not times
    "schema_version": COUNT,
    "created_at": UTC_TIME,
}
RECOMMENDATIONS: Schema = {
    "batch_id": STRING,
    "bucket": KEY,
    "user_key": KEY,
    "items": pl.List(pl.Int32()),  # item keys, best first
    "scores": pl.List(pl.Float32()),
    "model": STRING,
    "model_version": STRING,
    "run_id": STRING,
}
BATCHES: Schema = {
    "batch_id": STRING,
    "snapshot_id": STRING,
    "as_of": UTC_TIME,
    "model": STRING,
    "model_version": STRING,
    "run_id": STRING,
    "users": LONG,
    "items_shown": LONG,
    "validation_id": STRING,
    "published_at": UTC_TIME,
}
PROMOTIONS: Schema = {
    "decision_id": STRING,
    "sequence": pl.Int64(),  # in which order decisions were taken; the clock of a run is when it was due
    "decided_at": UTC_TIME,
    "snapshot_id": STRING,
    "verdict": STRING,
    "reason": STRING,
    "challenger": STRING,
    "champion": STRING,  # the champion the challenger met; null when there was none
    "version": STRING,  # the registered version that went live; null when nothing changed
    "record": STRING,  # the whole decision as JSON
}
DRIFT: Schema = {
    "check_id": STRING,
    "checked_at": UTC_TIME,
    "snapshot_id": STRING,
    "reference_from": UTC_TIME,
    "reference_to": UTC_TIME,
    "current_from": UTC_TIME,
    "current_to": UTC_TIME,
    "drifted": pl.Boolean(),
    "share": REAL,
    "reason": STRING,
    "columns": STRING,  # JSON: column -> method, score, threshold, drifted
    "report": STRING,
}

TABLES: Mapping[str, Schema] = {
    "lake": LAKE,
    "interactions": INTERACTIONS,
    "users": USERS,
    "items": ITEMS,
    "quarantine": QUARANTINE,
    "deliveries": DELIVERIES,
    "snapshots": SNAPSHOTS,
    "snapshot_deliveries": SNAPSHOT_DELIVERIES,
    "stages": STAGES,
    "recommendations": RECOMMENDATIONS,
    "batches": BATCHES,
    "promotions": PROMOTIONS,
    "drift": DRIFT,
}
PARTITIONED = ("interactions", "recommendations", "user_features")
"""Tables laid out by ``bucket``: all of a user's rows lie in one."""


def empty(schema: Schema) -> pl.DataFrame:
    """A frame with no rows and the columns of ``schema``."""
    return pl.DataFrame(schema=dict(schema))


def conform(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """``frame`` with the columns of ``schema`` in its order and dtypes; absent columns become null."""
    columns = [
        pl.col(name).cast(dtype) if name in frame.columns else pl.lit(None, dtype=dtype).alias(name) for name, dtype in schema.items()
    ]
    return frame.select(columns)
