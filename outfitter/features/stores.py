"""Feast's online stores with a way in for whole columns; reading is Feast's own and unchanged.

Feast finds these classes by their path in the configuration that ``feature_repo`` builds. What they write is what Feast's own
``online_write_batch`` would have written, byte for byte, so a plain ``sqlite`` or ``redis`` store reads it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal, Protocol

import numpy as np
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import _mmh3, _redis_key_prefix
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig, _quote_id
from feast.utils import to_naive_utc
from numpy.typing import NDArray
from pydantic import SecretStr

from outfitter.features.packing import entity_keys, keys_of, timestamp
from outfitter.features.sent import connect_redis

READ = 100_000
PIPELINE = 2_000
CACHE_KIB = 262_144
"""SQLite's page cache: the indexes of 1.4 million entities fit, without which each transaction reads and writes them again."""


@dataclass(frozen=True)
class Batch:
    """Rows of one feature view: entities[i] has the values features[name][i], which hold since moments[i]."""

    entities: list[bytes]
    features: dict[str, list[bytes]]
    moments: list[Any]  # datetimes, UTC


class PackedStore(Protocol):
    """What both stores can do besides what Feast asks of a store. ``keys`` are values of the view's one join key."""

    def write_packed(self, config: RepoConfig, view: FeatureView, batch: Batch) -> None:
        """Write all rows, over whatever is there."""

    def remove(self, config: RepoConfig, view: FeatureView, keys: NDArray[np.int64]) -> None:
        """Delete the view's values of these entities."""

    def stored(self, config: RepoConfig, view: FeatureView) -> Iterator[NDArray[np.int64]]:
        """The keys of all entities that have values, block by block."""


class PackedSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    type: Literal["outfitter.features.stores.PackedSqliteOnlineStore"] = "outfitter.features.stores.PackedSqliteOnlineStore"  # type: ignore[assignment]


class PackedSqliteOnlineStore(SqliteOnlineStore):
    """One row an entity and feature, in one table a view. Written in one transaction a batch; readers go on meanwhile (WAL)."""

    def write_packed(self, config: RepoConfig, view: FeatureView, batch: Batch) -> None:
        connection = self._get_conn(config)
        order = sorted(range(len(batch.entities)), key=batch.entities.__getitem__)  # the order of the index: pages are written once
        seconds = {moment: int(to_naive_utc(moment).timestamp()) for moment in set(batch.moments)}
        entities, moments = [batch.entities[at] for at in order], [seconds[batch.moments[at]] for at in order]
        with connection:
            for name, values in batch.features.items():
                sorted_values = [values[at] for at in order]
                connection.executemany(_upsert(_table(config, view)), zip(entities, repeat(name), sorted_values, moments, strict=False))

    def remove(self, config: RepoConfig, view: FeatureView, keys: NDArray[np.int64]) -> None:
        connection = self._get_conn(config)
        with connection:
            gone = ((entity,) for entity in entity_keys(view.join_keys[0], keys))
            connection.executemany(f"DELETE FROM {_table(config, view)} WHERE entity_key = ?", gone)  # noqa: S608 - a quoted name

    def stored(self, config: RepoConfig, view: FeatureView) -> Iterator[NDArray[np.int64]]:
        cursor = self._get_conn(config).execute(f"SELECT DISTINCT entity_key FROM {_table(config, view)}")  # noqa: S608 - a quoted name
        while rows := cursor.fetchmany(READ):
            yield keys_of([entity for (entity,) in rows])

    def _get_conn(self, config: RepoConfig) -> Any:
        if not self._conn:
            connection = super()._get_conn(config)
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"cache_size = -{CACHE_KIB}"):
                connection.execute(f"PRAGMA {pragma}")
        return self._conn


class PackedRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    type: Literal["outfitter.features.stores.PackedRedisOnlineStore"] = "outfitter.features.stores.PackedRedisOnlineStore"  # type: ignore[assignment]
    url: SecretStr
    """redis://[:password@]host:port[/db], as in the setting. Feast's own connection string takes a password of digits for a number."""


class PackedRedisOnlineStore(RedisOnlineStore):
    """One hash an entity, written through pipelines that do not wait for each answer."""

    def write_packed(self, config: RepoConfig, view: FeatureView, batch: Batch) -> None:
        client, project = self._get_client(config.online_store), config.project.encode()
        stamps = {moment: timestamp(moment) for moment in set(batch.moments)}
        fields = [_mmh3(f"{view.name}:{name}") for name in batch.features]
        columns, stamped = list(batch.features.values()), f"_ts:{view.name}".encode()
        for start in range(0, len(batch.entities), PIPELINE):
            with client.pipeline(transaction=False) as pipe:
                for at in range(start, min(start + PIPELINE, len(batch.entities))):
                    told = [part for field, values in zip(fields, columns, strict=True) for part in (field, values[at])]
                    pipe.execute_command("HSET", batch.entities[at] + project, stamped, stamps[batch.moments[at]], *told)
                pipe.execute()

    def remove(self, config: RepoConfig, view: FeatureView, keys: NDArray[np.int64]) -> None:
        client, project = self._get_client(config.online_store), config.project.encode()
        fields = [f"_ts:{view.name}".encode(), *(_mmh3(f"{view.name}:{feature.name}") for feature in view.features)]
        entities = entity_keys(view.join_keys[0], keys)
        for start in range(0, len(entities), PIPELINE):
            with client.pipeline(transaction=False) as pipe:
                for entity in entities[start : start + PIPELINE]:
                    pipe.hdel(entity + project, *fields)
                pipe.execute()

    def stored(self, config: RepoConfig, view: FeatureView) -> Iterator[NDArray[np.int64]]:
        """A hash whose last field is deleted is gone with it, and each of our entities has one view."""
        client, project = self._get_client(config.online_store), config.project.encode()
        found: list[bytes] = []
        for key in client.scan_iter(_redis_key_prefix(view.join_keys) + b"*" + project, count=READ // 10):
            found.append(key[: -len(project)])
            if len(found) == READ:
                yield keys_of(found)
                found = []
        yield keys_of(found)

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> Any:
        if not self._client and isinstance(online_store_config, PackedRedisOnlineStoreConfig):
            self._client = connect_redis(online_store_config.url.get_secret_value())
        return self._client


def _table(config: RepoConfig, view: FeatureView) -> str:
    return str(_quote_id(f"{config.project}_{view.name}"))


def _upsert(table: str) -> str:
    return (  # the table's name is quoted
        f"INSERT INTO {table} (entity_key, feature_name, value, value_text, event_ts, created_ts) VALUES (?, ?, ?, NULL, ?, NULL) "  # noqa: S608
        "ON CONFLICT(entity_key, feature_name) DO UPDATE SET value = excluded.value, value_text = excluded.value_text, "
        "event_ts = excluded.event_ts, created_ts = excluded.created_ts"
    )
