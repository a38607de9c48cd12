"""A lake in a bucket says the same as a lake in a folder, from the settings on; its failures are told."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from outfitter.errors import LakeError, SettingsError
from outfitter.lake.founding import facts, found
from outfitter.lake.lock import sole_writer
from outfitter.lake.snapshot import open_snapshot, take_snapshot
from outfitter.lake.tables import Lake, open_lake
from outfitter.settings import Settings, load_settings
from tests.outfitter.lake.frames import NOW, arrival, bought, contents, filled, ingest, listed, people
from tests.s3 import DUMMY, S3

DELIVERIES = (
    arrival("i1", "items.csv", items=listed("0a", "b", title="a coat")),
    arrival("d1", "day1.csv", 1, bought(("u1", "0a", -9), ("u2", "b", -8)), people("u1")),
    arrival("d2", "day2.csv", 2, bought(("u1", "b", -7), ("u3", "c", -6)), set_aside=1),
    arrival("d3", "day1.csv", 3, bought(("u2", "b", -8))),
)


def test_the_same_deliveries_make_the_same_lake(on_s3: Settings, tmp_path: Path) -> None:
    expected = filled(tmp_path / "folder", *DELIVERIES)
    with sole_writer(on_s3, NOW):
        lake = open_lake(on_s3)
        assert facts(lake) is None
        found(lake, 2, "test", NOW)
        assert all(ingest(lake, *DELIVERIES))
        taken = take_snapshot(lake, NOW)
    assert taken.id == expected.id
    assert contents(taken) == contents(expected)
    assert contents(open_snapshot(open_lake(on_s3))) == contents(expected)  # reading needs no lease
    assert not (on_s3.home / "lake").exists()


def test_a_later_run_goes_on_where_one_stopped(on_s3: Settings, tmp_path: Path) -> None:
    with sole_writer(on_s3, NOW):
        found(open_lake(on_s3), 2, "test", NOW)
        ingest(open_lake(on_s3), *DELIVERIES[:2], swept=False)
    with sole_writer(on_s3, NOW):
        assert ingest(open_lake(on_s3), *DELIVERIES[1:3]) == [False, True]
        taken = take_snapshot(open_lake(on_s3), NOW)
    assert contents(taken) == contents(filled(tmp_path / "folder", *DELIVERIES[:3]))


def test_a_bucket_of_one_user_is_read_alone(on_s3: Settings) -> None:
    with sole_writer(on_s3, NOW):
        lake = open_lake(on_s3)
        lake.create("interactions")
        lake.append("interactions", pl.DataFrame({"user_key": [1, 2, 3], "bucket": [0, 1, 1]}))
    told = lake.scan("interactions").filter(pl.col("bucket") == 1)
    assert sorted(told.collect()["user_key"]) == [2, 3]
    assert dict(lake.read("interactions").schema) == dict(lake.schemas["interactions"])


def test_no_secret_is_shown(on_s3: Settings, s3: S3) -> None:
    lake = open_lake(on_s3)
    assert lake.options is not None
    assert DUMMY["AWS_SECRET_ACCESS_KEY"] in lake.options.values()
    wrong = Lake("s3://no-such-bucket/lake", options=lake.options)
    with pytest.raises(LakeError, match=r"'s3://no-such-bucket/lake/users' could not be reached in S3: NoSuchBucket. Check") as caught:
        wrong.exists("users")
    assert DUMMY["AWS_SECRET_ACCESS_KEY"] not in f"{caught.value}{lake!r}{on_s3!r}"


@pytest.mark.parametrize("attempt", ["exists", "version", "read"])
def test_a_service_that_does_not_answer_is_told(on_s3: Settings, attempt: str) -> None:
    lake = open_lake(on_s3)
    lost = Lake(lake.root, options={**(lake.options or {}), "aws_endpoint_url": "http://127.0.0.1:1", "max_retries": "1"})
    with pytest.raises(LakeError, match=r"could not be reached in S3: Connection refused.*settings lake and s3_endpoint"):
        getattr(lost, attempt)("users")


def test_missing_credentials_are_told(on_s3: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DUMMY:
        monkeypatch.delenv(name)
    with pytest.raises(LakeError, match=r"no AWS credentials.*Set AWS_ACCESS_KEY_ID"):
        open_lake(on_s3)
    with pytest.raises(LakeError, match=r"no AWS credentials"), sole_writer(on_s3, NOW):
        pytest.fail("nobody may write")


def test_credentials_that_end_are_handed_on_whole(on_s3: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "for-an-hour")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    options = open_lake(on_s3).options or {}
    assert (options["aws_session_token"], options["aws_region"]) == ("for-an-hour", "eu-central-1")


@pytest.mark.parametrize("lake", ["/data/lake", "s3://", "s3://B/x", "gs://b/x", "s3://b/my%20lake", "s3://b//x", "s3://user:pw@b/x"])
def test_what_is_no_place_in_s3_is_refused(lake: str) -> None:
    with pytest.raises(SettingsError, match=r"setting 'lake'.*s3://bucket/prefix"):
        load_settings(lake=lake)


def test_a_lake_is_named_without_its_last_slash() -> None:
    assert load_settings(lake="s3://bucket/a/b/").lake_root == "s3://bucket/a/b"
    assert load_settings(lake="s3://bucket").lake_root == "s3://bucket"


def test_an_odd_home_does_not_matter_to_a_lake_elsewhere(on_s3: Settings, tmp_path: Path) -> None:
    (tmp_path / "100%").mkdir()
    on_s3.model_copy(update={"home": tmp_path / "100%"}).prepare_home()
