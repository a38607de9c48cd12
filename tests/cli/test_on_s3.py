"""The command with its deliveries in one bucket and its lake in another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command
from tests.s3 import DUMMY, S3


@pytest.mark.slow
def test_the_whole_pipeline_runs_from_a_bucket_into_a_bucket(outfitter: Command, home: Path, tiny_shop: Path, s3: S3) -> None:
    files = sorted(tiny_shop.rglob("*.csv"))
    for path in files:
        s3.client.upload_file(str(path), s3.bucket, f"shop/{path.relative_to(tiny_shop).as_posix()}")
    where = {"OUTFITTER_S3_ENDPOINT": s3.endpoint, "OUTFITTER_LAKE": f"{s3.root}/lakes/one", "OUTFITTER_PATH": f"{s3.root}/shop"}
    first = outfitter("run", "--json", **where)
    assert first.code == 0, first.stderr
    assert first.result["ingest"]["new_deliveries"] == len(files)
    assert first.result["recommend"]["users"] == first.result["ingest"]["users"]
    again = outfitter("ingest", "--json", **where)
    assert again.code == 0, again.stderr
    assert again.result["new_deliveries"] == 0
    assert again.result["snapshot"] == first.result["ingest"]["snapshot"]
    assert not (home / "lake").exists()
    assert _holding(home, DUMMY["AWS_SECRET_ACCESS_KEY"].encode()) == []
    assert DUMMY["AWS_SECRET_ACCESS_KEY"] not in first.stdout + first.stderr


def _holding(home: Path, secret: bytes) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and secret in path.read_bytes()]
