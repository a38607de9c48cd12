"""``outfitter materialize --newest-only``: every night's path, on SQLite and on a real Redis server."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake.tables import Lake
from tests.cli.commands import Call, one_clear_error
from tests.conftest import Outcome
from tests.servers import RedisServer, redis_server

__all__ = ["redis_server"]

NIGHT, ALL = "materialize --newest-only --json", "materialize --json"
SECRET = "open-sesame"


@pytest.fixture(scope="module")
def night(
    tmp_path_factory: pytest.TempPathFactory, tiny_shop: Path, redis_server: RedisServer, together: Callable[..., list[Outcome]]
) -> Any:
    """One home's life: its shop's last file comes late, and in the end the online store is moved to Redis."""
    root = tmp_path_factory.mktemp("night")
    shop, late = shutil.copytree(tiny_shop, root / "shop"), shutil.copytree(tiny_shop, root / "late")
    max(shop.glob("interactions-*.csv")).unlink()
    home = root / "home"
    redis = {"OUTFITTER_ONLINE_STORE": redis_server.url(1)}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        away = {"OUTFITTER_ONLINE_STORE": f"redis://:{SECRET}@127.0.0.1:{probe.getsockname()[1]}"}
    told = [
        ("too early", "materialize --newest-only", {}),
        ("ingest", f"ingest --json --path {shop}", {}),
        ("first", NIGHT, {}),
        ("again", NIGHT, {}),
        ("late", f"ingest --json --path {late}", {}),
        ("second", NIGHT, {}),
        ("past", "materialize --newest-only --as-of 2025-06-16", {}),
        ("all", ALL, {}),
        ("all again", ALL, {}),
        ("moved", NIGHT, redis),
        ("moved again", ALL, redis),
        ("away", "materialize --newest-only", away),
    ]
    outcomes = together([Call(home, tuple(words.split()), variables) for _, words, variables in told])
    return home, dict(zip([name for name, _, _ in told], outcomes, strict=True))


def result(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.stderr
    found: dict[str, Any] = json.loads(outcome.stdout)
    return found


def test_only_the_newest_cutoff_is_computed_and_sent(night: Any) -> None:
    _, outcomes = night
    for name in ("first", "second"):
        told = result(outcomes[name])
        assert told["new"]
        assert "cutoffs" not in told
        assert told["users_sent"] > 50
        assert told["items_sent"] > 10
        assert told["read_back"] > 100
    assert result(outcomes["second"])["as_of"] > result(outcomes["first"])["as_of"]


def test_links_go_when_a_whole_materialization_takes_their_place(night: Any) -> None:
    home, outcomes = night
    lake = Lake(str(home / "lake"), FEATURE_TABLES)
    for table in FEATURE_TABLES:
        assert lake.read(table)["materialization"].unique().to_list() == [result(outcomes["all"])["materialization"]]


def test_a_second_night_without_news_does_nothing(night: Any) -> None:
    _, outcomes = night
    assert not result(outcomes["again"])["new"]
    assert not result(outcomes["all again"])["new"]


def test_all_cutoffs_after_the_newest_send_nothing_twice(night: Any) -> None:
    _, outcomes = night
    told = result(outcomes["all"])
    assert told["cutoffs"] > 1
    assert told["users_sent"] == told["items_sent"] == 0
    assert told["read_back"] > 100


def test_another_store_is_filled_without_computing_anything(night: Any) -> None:
    _, outcomes = night
    moved = result(outcomes["moved"])
    assert moved["users_sent"] > 50
    assert not result(outcomes["moved again"])["new"]
    assert SECRET not in outcomes["moved"].stderr


def test_what_cannot_be_is_told(night: Any) -> None:
    _, outcomes = night
    assert "outfitter ingest" in one_clear_error(outcomes["too early"])
    assert "is not the newest cut-off" in one_clear_error(outcomes["past"])
    away = one_clear_error(outcomes["away"])
    assert "OUTFITTER_ONLINE_STORE" in away
    assert SECRET not in outcomes["away"].stderr
