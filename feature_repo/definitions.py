"""Feast's view of the feature list: named columns offline for training rows, one packed array an entity online for serving.

Feast imports every module of this folder, so there is this one; everything in it is made from ``outfitter.features.spec``.
"""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Float32, Int64

from outfitter.features.spec import FEATURES_VERSION, ITEM_FEATURES, USER_FEATURES
from outfitter.settings import load_settings

ROWS = load_settings().home / "feast" / "rows"
TTL = timedelta(days=7)  # training cut-offs are weekly: a row may use the newest one before it, never an older
NO_TTL = timedelta(0)  # online a row holds until the next: that of a user who does nothing stays as it is for a year

user = Entity(name="user", join_keys=["user_key"], value_type=ValueType.INT64)
item = Entity(name="item", join_keys=["item_key"], value_type=ValueType.INT64)


def source(name: str) -> FileSource:
    return FileSource(name=name, path=str(ROWS / name / "*.parquet"), timestamp_field="cutoff")


def pushed(name: str) -> PushSource:
    """``outfitter.features.online`` sends these rows from the lake. Feast insists on a batch source; no file lies there."""
    return PushSource(name=f"{name}_pushed", batch_source=source(name))


user_rows = FeatureView(
    name="user_features",
    entities=[user],
    ttl=TTL,
    online=False,
    source=source("user_features"),
    schema=[
        *(Field(name=f.name, dtype=Float32, description=f.definition) for f in USER_FEATURES),
        Field(name="last_items", dtype=Array(Int64)),
    ],
)
item_rows = FeatureView(
    name="item_features",
    entities=[item],
    ttl=TTL,
    online=False,
    source=source("item_features"),
    schema=[Field(name=f.name, dtype=Float32, description=f.definition) for f in ITEM_FEATURES],
)
user_profile = FeatureView(
    name="user_profile",
    entities=[user],
    ttl=NO_TTL,
    online=True,
    source=pushed("user_profile"),
    schema=[Field(name="profile", dtype=Array(Float32)), Field(name="last50", dtype=Array(Int64))],
)
item_profile = FeatureView(
    name="item_profile",
    entities=[item],
    ttl=NO_TTL,
    online=True,
    source=pushed("item_profile"),
    schema=[Field(name="item_profile", dtype=Array(Float32))],
)
training = FeatureService(name=f"training_v{FEATURES_VERSION}", features=[user_rows, item_rows])
serving = FeatureService(name=f"serving_v{FEATURES_VERSION}", features=[user_profile, item_profile])
