"""A disk that fills up in the middle: a clear error, a lake that can be read, and a second run that makes it good."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outfitter.lake.tables import Lake
from outfitter.schema import TABLES
from tests.cli import vibrent
from tests.cli.commands import Call, one_clear_error
from tests.cli.tables import contents, same
from tests.conftest import Outcome

ONE_BUCKET = {"OUTFITTER_N_BUCKETS": "1"}  # so that all interactions of a delivery are one file
LARGEST = 2_700_000
"""Bytes: more than any file of the validation's pages, less than the interactions."""
ROWS = 330_000

Together = Callable[..., list[Outcome]]


def ingest(home: Path, shop: Path) -> Call:
    return Call(home, ("ingest", "--source", "vibrent", "--path", shop), ONE_BUCKET)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vibrent.big_shop(tmp_path_factory.mktemp("big") / "shop", ROWS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, shop: Path, together: Together) -> Path:
    home = tmp_path_factory.mktemp("full") / "undisturbed"
    (outcome,) = together([ingest(home, shop)])
    assert outcome.code == 0, outcome.stderr
    return home


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home whose lake lies on a disk of one MiB."""
    place = tmp_path / "home" / "lake"
    place.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place.parent
    finally:
        subprocess.run(["umount", str(place)], check=True)


def half_way(home: Path) -> None:
    """All tables of the lake can be read; the keys are written and the interactions are not."""
    lake = Lake(str(home / "lake"))
    rows = {table: lake.read(table).height for table in TABLES}
    assert rows["users"] == 900
    assert rows["deliveries"] == 1  # the catalogue's
    assert rows["interactions"] == rows["snapshots"] == 0


def full(outcome: Outcome, what: str) -> None:
    message = one_clear_error(outcome)
    assert f"the disk is full: '{what}' could not be written" in message
    assert "run the same command again" in message


def test_a_file_that_cannot_grow_further(undisturbed: Path, shop: Path, tmp_path: Path, together: Together) -> None:
    home = tmp_path / "home"
    (cut_short,) = together([ingest(home, shop)], largest_file=LARGEST)
    full(cut_short, "staged interactions")
    assert not (home / "lake").exists()
    (again,) = together([ingest(home, shop)])
    assert again.code == 0, again.stderr
    same(contents(undisturbed), contents(home))


def test_a_disk_without_space(undisturbed: Path, shop: Path, small_disk: Path, together: Together) -> None:
    (cut_short,) = together([ingest(small_disk, shop)])
    full(cut_short, "interactions")
    half_way(small_disk)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk / "lake")], check=True)
    (again,) = together([ingest(small_disk, shop)])
    assert again.code == 0, again.stderr
    same(contents(undisturbed), contents(small_disk))
