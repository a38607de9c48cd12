"""A stream of deliveries, in order or not, twice or once, killed or not: the same tables in the end."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outfitter.lake.snapshot import open_snapshot
from outfitter.lake.tables import Lake
from tests.cli.stream import BAD, ROWS_A_DAY, articles, customers, day_of, stock, transactions
from tests.conftest import REPOSITORY
from tests.outfitter.lake.frames import contents

Files = list[tuple[str, str]]


def stream(days: int) -> Files:
    """Catalogue, customers, and so many days; the second day is corrected at the end, and a new catalogue comes half-way."""
    daily = [(transactions(number), day_of(number)) for number in range(days - 4)]
    middle = len(daily) // 2
    corrected = (transactions(1), day_of(1, version=1))
    return [
        ("articles.csv", articles()),
        ("customers.csv", customers()),
        *daily[:middle],
        ("articles.csv", articles("blouse")),
        *daily[middle:],
        corrected,
    ]


def disturbed(files: Files, seed: int) -> Files:
    """The same content in another order, the catalogue last; some files come twice, one of them under a second name.

    Of an object's versions the later keeps its place behind the earlier one, for which of them is newer is part of what they are.
    """
    rng = random.Random(seed)
    last = [one for one in files if one[0] == "articles.csv"]
    rest = [one for one in files if one[0] != "articles.csv"]
    corrected = rest.pop()
    rng.shuffle(rest)
    again = rng.sample(rest, 3)
    copy = next(
        (f"transactions_copy-{name.split('_')[1]}", text)
        for name, text in again
        if name.startswith("transactions") and name != corrected[0]
    )
    return [*rest, *again, copy, corrected, *last]


class Player:
    """Plays a stream in a home of its own, in processes that may be killed."""

    def __init__(self, root: Path, environment: dict[str, str], files: Files) -> None:
        stock(root / "stock", files)
        self.home = root / "home"
        self._root, self._environment, self._length = root, {**environment, "OUTFITTER_HOME": str(self.home)}, len(files)
        self.deaths = 0

    @property
    def finished(self) -> int:
        done = self._root / "done"
        return len(done.read_text().splitlines()) if done.exists() else 0

    def play(self, kill_after: float | None = None) -> bool:
        """Go on with the stream; ``kill_after`` so many seconds from its first delivery on. Returns whether all is taken in."""
        command = [sys.executable, "-m", "tests.cli.stream", *(str(self._root / name) for name in ("stock", "shop", "done"))]
        with (self._root / "stderr").open("w") as errors:
            process = subprocess.Popen(
                command, env={**self._environment, "PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.PIPE, stderr=errors, cwd=self._root
            )
            assert process.stdout is not None
            process.stdout.readline()
            if kill_after is not None:
                time.sleep(kill_after)
                process.kill()
            process.communicate(timeout=600)
        assert process.returncode in (0, -signal.SIGKILL), (self._root / "stderr").read_text()
        self.deaths += process.returncode == -signal.SIGKILL
        return process.returncode == 0

    def play_killed(self, kills: int, seed: int, pace: float) -> None:
        """Kill it so many times at random moments, spread over the stream, and let it finish; ``pace``: seconds a delivery takes."""
        rng = random.Random(seed)
        while self.deaths < kills and self.finished < self._length:
            left = pace * (self._length - self.finished)
            self.play(kill_after=rng.uniform(0, min(2 * left / (kills - self.deaths), 0.8 * left)))
        assert self.deaths >= kills, "the stream was over before it had been killed often enough"
        assert self.play()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        return contents(open_snapshot(Lake(str(self.home / "lake"))))


@pytest.fixture
def player(tmp_path: Path, environment: Callable[[Path], dict[str, str]]) -> Callable[[str, Files], Player]:
    def make(name: str, files: Files) -> Player:
        (tmp_path / name).mkdir()
        return Player(tmp_path / name, environment(tmp_path / name / "home"), files)

    return make


def told(player: Player) -> dict[str, list[tuple[Any, ...]]]:
    """The tables, without the names under which a content happened to lie in the source."""
    return {name: rows for name, rows in player.tables().items() if name in ("interactions", "users", "described", "catalogue")}


def adds_up(player: Player, days: int) -> None:
    """Every row that came is in the lake or in quarantine, and the ledger says so."""
    lake = Lake(str(player.home / "lake"))
    ledger = lake.read("deliveries").filter(pl.col("status") == "accepted")
    assert (ledger["rows_in"] == ledger["rows_accepted"] + ledger["rows_quarantined"]).all()
    assert lake.read("interactions").height == days * ROWS_A_DAY
    assert lake.read("quarantine").height == days * len(BAD)
    live = ledger.filter(pl.col("delivery_id").is_in(lake.read("interactions")["delivery_id"].unique().implode()))
    assert set(live["rows_accepted"]) == {ROWS_A_DAY}
    assert set(live["rows_quarantined"]) == {len(BAD)}


def check(player: Callable[[str, Files], Player], deliveries: int, kills: int, orders: int) -> None:
    files = stream(deliveries)
    calm = player("calm", files)
    started = time.monotonic()
    assert calm.play()
    pace = (time.monotonic() - started) / (deliveries + 4)  # the process takes some to come up
    adds_up(calm, deliveries - 4)
    killed = player("killed", files)
    killed.play_killed(kills, 0, pace)
    assert killed.tables() == calm.tables()
    adds_up(killed, deliveries - 4)
    for seed in range(orders):
        shuffled = player(f"shuffled-{seed}", disturbed(files, seed))
        shuffled.play_killed(max(1, kills // 10), seed, pace)
        assert told(shuffled) == told(calm)
        adds_up(shuffled, deliveries - 4)


def test_a_killed_and_a_shuffled_stream_end_alike(player: Callable[[str, Files], Player]) -> None:
    check(player, deliveries=8, kills=3, orders=1)


@pytest.mark.slow
def test_thirty_deliveries_killed_fifty_times(player: Callable[[str, Files], Player]) -> None:
    check(player, deliveries=30, kills=50, orders=2)
