"""The same tests over a folder and over S3: a deposit that is delivered to, and a lake that is written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from outfitter.lake.lease import leased
from outfitter.lake.sources import Source, open_source
from outfitter.lake.tables import Lake, open_lake
from outfitter.settings import Settings, load_settings
from tests.outfitter.lake.frames import NOW
from tests.s3 import S3


@dataclass(frozen=True)
class Deposit:
    """Where a shop puts its files; ``s3`` is None for a folder."""

    settings: Settings
    folder: Path
    s3: S3 | None

    @property
    def source(self) -> Source:
        return open_source(self.settings)

    def put(self, name: str, data: bytes, modified: datetime | None = None) -> None:
        """A bucket keeps its own time: ``modified`` counts in a folder alone."""
        if self.s3 is not None:
            self.s3.client.put_object(Bucket=self.s3.bucket, Key=f"shop/in/{name}", Body=data)
            return
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if modified is not None:
            os.utime(path, (modified.timestamp(), modified.timestamp()))

    def remove(self, name: str) -> None:
        if self.s3 is not None:
            self.s3.client.delete_object(Bucket=self.s3.bucket, Key=f"shop/in/{name}")
        else:
            (self.folder / name).unlink()


@pytest.fixture(params=["folder", "s3"])
def deposit(request: pytest.FixtureRequest, tmp_path: Path) -> Deposit:
    """An empty source, in a folder and in a bucket."""
    folder = tmp_path / "shop" / "in"
    folder.mkdir(parents=True)
    s3 = request.getfixturevalue("s3") if request.param == "s3" else None
    path = f"{s3.root}/shop/in" if s3 else str(folder)
    return Deposit(load_settings(home=tmp_path / "home", path=path, s3_endpoint=s3.endpoint if s3 else None), folder, s3)


@pytest.fixture
def on_s3(s3: S3, tmp_path: Path) -> Settings:
    """The settings of a home whose lake lies in a bucket."""
    (tmp_path / "home").mkdir()
    return load_settings(home=tmp_path / "home", lake=f"{s3.root}/shops/lake", s3_endpoint=s3.endpoint)


@pytest.fixture(params=["folder", "s3"])
def empty_lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    """A lake without tables that may be written to."""
    settings = request.getfixturevalue("on_s3") if request.param == "s3" else load_settings(home=tmp_path / "home")
    held: Any = leased(settings, NOW) if request.param == "s3" else nullcontext()
    with held:
        yield open_lake(settings)
