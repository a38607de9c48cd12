"""Both online stores hold, byte for byte, what Feast itself would have written, and plain Feast reads them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import feature_repo
from outfitter.features import packing
from outfitter.features.online import online_of, read_online
from outfitter.features.stores import Batch
from outfitter.settings import Settings
from tests.outfitter.features.brute import CUTOFF
from tests.outfitter.features.conftest import CUTOFFS, ITEMS, USERS, feature_rows

if TYPE_CHECKING:
    from feast import FeatureStore

VIEWS = {"user_profile": "user_key", "item_profile": "item_key"}


def packed() -> dict[str, pl.DataFrame]:
    """The newest rows of each view; user 5 has an older one."""
    users, items = feature_rows()
    newest = (pl.col("cutoff") == CUTOFF) & (pl.col("user_key") != 5) | (pl.col("cutoff") == CUTOFFS[0]) & (pl.col("user_key") == 5)
    return {"user_profile": packing.packed_users(users.filter(newest)), "item_profile": packing.packed_items(items.filter(cutoff=CUTOFF))}


def opened(settings: Settings) -> FeatureStore:
    store = feature_repo.open_store(settings)
    feature_repo.apply(store)
    return store


def write(store: FeatureStore, rows: dict[str, pl.DataFrame]) -> None:
    for view, key in VIEWS.items():
        frame = rows[view]
        columns = {name: packing.values(frame[name]) for name in frame.columns[2:]}
        batch = Batch(packing.entity_keys(key, frame[key].to_numpy()), columns, frame["cutoff"].to_list())
        online_of(store).write_packed(store.config, store.get_feature_view(view), batch)


def stored_bytes(settings: Settings) -> dict[Any, Any]:
    """All that the store holds, whatever it means."""
    if settings.online_redis:
        from redis import Redis

        client = Redis.from_url(settings.online_redis)
        return {key: client.hgetall(key) for key in client.scan_iter()}
    with closing(sqlite3.connect(settings.online_file)) as connection:
        return {view: connection.execute(f"SELECT * FROM outfitter_{view} ORDER BY entity_key, feature_name").fetchall() for view in VIEWS}


def wiped(settings: Settings) -> None:
    if settings.online_redis:
        from redis import Redis

        Redis.from_url(settings.online_redis).flushall()
    else:
        with closing(sqlite3.connect(settings.online_file)) as connection, connection:
            for view in VIEWS:
                connection.execute(f"DELETE FROM outfitter_{view}")


def test_the_bytes_are_those_that_feast_writes(online: Settings) -> None:
    store = opened(online)
    write(store, packed())
    ours = stored_bytes(online)
    wiped(online)
    for view, rows in packed().items():
        frame = rows.rename({"cutoff": "event_timestamp"}).cast({VIEWS[view]: pl.Int64}).to_pandas()
        frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"], utc=True)
        store.push(f"{view}_pushed", frame.rename(columns={"event_timestamp": "cutoff"}))
    assert ours == stored_bytes(online)
    assert sum(map(len, ours.values())) > USERS


def plain_feast(settings: Settings) -> FeatureStore:
    """The same home through Feast's own store classes, configured as its documentation says."""
    from feast import FeatureStore, RepoConfig
    from redis import Redis

    ours = feature_repo.open_store(settings).config
    told: dict[str, Any] = {"type": "sqlite", "path": str(settings.online_file)}
    if settings.online_redis:
        given = Redis.from_url(settings.online_redis).connection_pool.connection_kwargs
        told = {"type": "redis", "connection_string": f"{given['host']}:{given['port']},password={given['password']}"}
    registry = ours.registry.path
    version = ours.entity_key_serialization_version
    return FeatureStore(
        config=RepoConfig(
            project=ours.project, provider="local", registry=registry, online_store=told, entity_key_serialization_version=version
        )
    )


def test_plain_feast_reads_it(online: Settings) -> None:
    write(opened(online), packed())
    users, items = list(range(USERS + 1)), list(range(ITEMS))
    assert repr(read(plain_feast(online), users, items)) == repr(read(feature_repo.open_store(online), users, items))


def read(store: FeatureStore, users: list[int], items: list[int]) -> dict[str, dict[str, list[Any]]]:
    return read_online(store, users, items)


def test_every_value_is_read_back_and_a_stranger_has_none(online: Settings) -> None:
    store, rows = opened(online), packed()
    write(store, rows)
    found = read(store, [*rows["user_profile"]["user_key"], 99], [*rows["item_profile"]["item_key"], 4])
    wanted = rows["user_profile"]
    np.testing.assert_array_equal(np.array(found["users"]["profile"][:-1]), np.array(wanted["profile"].to_list()))
    assert [last or [] for last in found["users"]["last50"][:-1]] == wanted["last50"].to_list()
    assert found["users"]["profile"][-1] is None
    assert found["items"]["item_profile"][-1] is None


def test_rows_are_replaced_whole(online: Settings) -> None:
    store, rows = opened(online), packed()
    write(store, rows)
    shorter = rows["user_profile"].with_columns(pl.col("last50").list.head(1), pl.col("profile").list.reverse())
    write(store, {**rows, "user_profile": shorter})
    found = read(store, shorter["user_key"].to_list(), [0])
    np.testing.assert_array_equal(np.array(found["users"]["profile"]), np.array(shorter["profile"].to_list()))
    assert [last or [] for last in found["users"]["last50"]] == shorter["last50"].to_list()


def test_the_keys_are_listed_and_removed_by_view(online: Settings) -> None:
    store = opened(online)
    write(store, packed())
    ours = online_of(store)
    for view, there in (("user_profile", set(range(USERS))), ("item_profile", set(range(ITEMS - 1)))):
        definition = store.get_feature_view(view)
        assert {int(key) for block in ours.stored(store.config, definition) for key in block} == there
        ours.remove(store.config, definition, np.array([1, 77]))
        assert {int(key) for block in ours.stored(store.config, definition) for key in block} == there - {1}


def test_the_password_is_in_no_text_of_the_configuration(redis_server: Any, tmp_path: Any) -> None:
    config = replace_online(Settings(home=tmp_path), redis_server.url())
    assert redis_server.password not in f"{config.online_store!r} {config.online_store} {config.online_store.model_dump_json()}"


def replace_online(settings: Settings, url: str) -> Any:
    return feature_repo.open_store(settings.model_copy(update={"online_store": url})).config


@pytest.mark.parametrize("rows", [0, 1])
def test_a_batch_of_hardly_anything(online: Settings, rows: int) -> None:
    store = opened(online)
    write(store, {view: frame.head(rows) for view, frame in packed().items()})
    blocks = online_of(store).stored(store.config, store.get_feature_view("user_profile"))
    assert sum(len(block) for block in blocks) == rows
