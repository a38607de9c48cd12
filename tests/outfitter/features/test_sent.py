"""The record of what is online, and what a store says that is away, refuses, or is somebody else's."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outfitter.errors import OutfitterError, SettingsError, StoreError
from outfitter.features.lineage import point_of
from outfitter.features.online import is_online
from outfitter.features.sent import Sent, lake_id, read_sent, write_sent
from outfitter.lake.founding import found
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.settings import Settings, load_settings
from tests.servers import RedisServer

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def lake_in(folder: Path, at: datetime = NOW) -> Lake:
    lake = Lake(str(folder))
    found(lake, 2, "test", at)
    return lake


def test_what_was_sent_is_told(online: Settings, tmp_path: Path) -> None:
    lake = lake_in(tmp_path / "lake")
    point = point_of(Snapshot(lake, "snapshot", NOW, {"interactions": 3, "items": 1, "users": 2}), NOW, ["purchase"])
    assert read_sent(online, lake) is None
    for told in (Sent(lake_id(lake), None), Sent(lake_id(lake), point)):
        write_sent(online, told)
        assert read_sent(online, lake) == told
        assert is_online(online, lake, point) == (told.point is not None)
    later = point_of(Snapshot(lake, "another", NOW, point.versions), NOW, ["purchase"])
    assert not is_online(online, lake, later)


def test_a_store_that_holds_another_homes_rows_is_refused(online: Settings, tmp_path: Path) -> None:
    mine, other = lake_in(tmp_path / "mine"), lake_in(tmp_path / "other", datetime(2023, 1, 1, tzinfo=UTC))
    write_sent(online, Sent(lake_id(other), None))
    with pytest.raises(StoreError, match="another home, founded 2023-01-01") as error:
        read_sent(online, mine)
    assert "p@ss" not in str(error.value)


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.prepare_home()
    settings.online_file.write_text("garbage, and long enough to be taken for a header of a database\n" * 9)
    with pytest.raises(StoreError, match=r"online\.db' cannot be used.*the next run fills a new one"):
        read_sent(settings, lake_in(tmp_path / "lake"))


def _nobody_there() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_is_away_is_told_with_the_setting_and_without_the_password(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, online_store=f"redis://:secret-word@127.0.0.1:{_nobody_there()}/1")
    with pytest.raises(StoreError, match="OUTFITTER_ONLINE_STORE") as error:
        read_sent(settings, lake_in(tmp_path / "lake"))
    assert "redis://***@127.0.0.1" in str(error.value)
    assert "secret-word" not in str(error.value)


def test_a_wrong_password_is_told_without_it(redis_server: RedisServer, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, online_store=f"redis://:wrong-word@127.0.0.1:{redis_server.port}")
    with pytest.raises(StoreError, match="does not answer as it should") as error:
        read_sent(settings, lake_in(tmp_path / "lake"))
    assert "wrong-word" not in str(error.value)


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.online_file.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"online\.db' cannot be used"):
        read_sent(settings, lake_in(tmp_path / "lake"))


@pytest.mark.parametrize(
    "value",
    [
        "redis",
        "postgres://host:1",
        "redis://",
        "redis://:a-secret@host:port",
        "redis://host:99999",
        "redis://:a-secret@host:1/x",
        "redis://h?db=1",
    ],
)
def test_a_store_that_cannot_be_is_refused_by_the_settings(value: str) -> None:
    with pytest.raises(SettingsError, match=r"online_store.*give 'sqlite' or 'redis://") as error:
        load_settings(online_store=value)
    assert "a-secret" not in str(error.value)
    assert isinstance(error.value, OutfitterError)


@pytest.mark.parametrize("value", ["sqlite", "redis://host", "redis://host:6379", "redis://:p%40ss@host:6379/15", "redis://[::1]:6379/0"])
def test_stores_that_can_be(value: str) -> None:
    assert load_settings(online_store=value).online_redis == (None if value == "sqlite" else value)
