"""What is in the online store, written in the store itself: a store that is emptied, replaced or half-filled says so by its own state.

The record is struck out before the first row is sent and written after the last. Feast is not needed to read it, so a run that finds
nothing new does not wait for Feast's import.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from outfitter.errors import StoreError
from outfitter.features.lineage import Point
from outfitter.lake.failures import readable_failures
from outfitter.lake.tables import Lake
from outfitter.settings import Settings

RECORD = "outfitter:sent"
CONNECT_SECONDS, ANSWER_SECONDS = 5, 60


@dataclass(frozen=True)
class Sent:
    """Whose rows a store holds, and of which point; ``point`` is None while rows are being sent, and after that was cut short."""

    lake: str
    point: Point | None

    def to_json(self) -> str:
        return json.dumps({"lake": self.lake, "point": self.point and self.point.told()})

    @classmethod
    def from_json(cls, text: str) -> Sent:
        found = json.loads(text)
        return cls(found["lake"], found["point"] and Point.of(found["point"]))


def lake_id(lake: Lake) -> str:
    """Tells one lake from another, wherever it lies: the moment it was founded."""
    return str(lake.read("lake")["created_at"].item().isoformat())


def read_sent(settings: Settings, lake: Lake) -> Sent | None:
    """The record of the configured store, None where it has never been filled.

    Raises StoreError when the store does not answer, and when it holds another lake's rows: keys mean nothing outside of their lake.
    """
    with answering(settings):
        text = _redis_get(settings) if settings.online_redis else _sqlite_get(settings)
    sent = None if text is None else Sent.from_json(text)
    if sent and sent.lake != lake_id(lake):
        raise StoreError(
            f"the online store {settings.online_store_shown} holds the features of another home, founded {sent.lake}",
            "Give each home a database of its own (setting online_store), or empty that one.",
        )
    return sent


def write_sent(settings: Settings, sent: Sent) -> None:
    """Replace the record of the configured store."""
    with answering(settings):
        if settings.online_redis:
            connect_redis(settings.online_redis).set(RECORD, sent.to_json())
        else:
            with closing(_sqlite(settings)) as connection, connection:
                connection.execute("INSERT OR REPLACE INTO sent (name, told) VALUES (?, ?)", (RECORD, sent.to_json()))


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Turn whatever says that the online store is away, refuses, or is full into a StoreError or HomeError that names the setting."""
    import redis

    try:
        with readable_failures("the online store"):
            yield
    except redis.RedisError as error:
        raise StoreError(
            f"the online store {settings.online_store_shown} does not answer as it should: {error}",
            "Start or mend it, or change the setting online_store (OUTFITTER_ONLINE_STORE).",
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the online store '{settings.online_file}' cannot be used: {error}",
            "Free some space; or move the file away: the next run fills a new one from the lake.",
        ) from error


def connect_redis(url: str) -> Any:
    """A client that gives up after some seconds instead of waiting for ever."""
    from redis import Redis

    return Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS)


def _redis_get(settings: Settings) -> str | None:
    found = connect_redis(settings.online_redis or "").get(RECORD)
    return None if found is None else found.decode()


def _sqlite_get(settings: Settings) -> str | None:
    if not settings.online_file.exists():
        return None
    with closing(_sqlite(settings)) as connection:
        row = connection.execute("SELECT told FROM sent WHERE name = ?", (RECORD,)).fetchone()
    return None if row is None else row[0]


def _sqlite(settings: Settings) -> sqlite3.Connection:
    connection = sqlite3.connect(settings.online_file, timeout=ANSWER_SECONDS)
    connection.execute("CREATE TABLE IF NOT EXISTS sent (name TEXT PRIMARY KEY, told TEXT)")
    return connection
