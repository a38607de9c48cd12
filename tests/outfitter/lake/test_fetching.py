"""Objects from a bucket: whole and unharmed or not at all; what a bucket refuses is told with what to do, and no secret with it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outfitter.errors import SettingsError, SourceError
from outfitter.lake.fetching import _sound
from outfitter.lake.sources import Source, open_source
from outfitter.settings import load_settings
from tests.s3 import DUMMY, S3

PART = 5 << 20


def source_of(s3: S3, **settings: str) -> Source:
    return open_source(load_settings(**{"path": f"{s3.root}/in", "s3_endpoint": s3.endpoint, **settings}))


def put(s3: S3, name: str, data: bytes, **more: str) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key=f"in/{name}", Body=data, **more)


def put_in_parts(s3: S3, name: str, *parts: bytes) -> None:
    place = {"Bucket": s3.bucket, "Key": f"in/{name}"}
    upload = s3.client.create_multipart_upload(**place)["UploadId"]
    tags = [
        {"PartNumber": number, "ETag": s3.client.upload_part(**place, UploadId=upload, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, start=1)
    ]
    s3.client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": tags})


def damaging(monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]) -> None:
    """Every download is changed before anybody looks at it."""
    from outfitter.lake import buckets

    class Damaging:
        def __init__(self, real: Any) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def download_file(self, bucket: str, key: str, path: str) -> None:
            self.real.download_file(bucket, key, path)
            change(Path(path))

    make = buckets.client
    monkeypatch.setattr(buckets, "client", lambda endpoint: Damaging(make(endpoint)))


def flip_last(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def cut_last(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_more_objects_than_one_answer_lists(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outfitter.lake.buckets.PAGE", 3)
    expected = [f"{folder}{number:04}.csv" for folder in ("", "days/") for number in range(10)]
    for name in expected:
        put(s3, name, b"x")
    assert [obj.name for obj in source_of(s3).list()] == expected


def test_a_prefix_is_a_folder(s3: S3) -> None:
    put(s3, "items.csv", b"x")
    put(s3, "", b"")  # what consoles make for an empty folder
    s3.client.put_object(Bucket=s3.bucket, Key="inside.csv", Body=b"x")
    assert [obj.name for obj in source_of(s3).list()] == ["items.csv"]
    assert [obj.name for obj in source_of(s3, path=s3.root + "/").list()] == ["in/items.csv", "inside.csv"]
    with pytest.raises(SourceError, match=rf"there is nothing under {s3.root}/i\. Check the prefix"):
        source_of(s3, path=f"{s3.root}/i").list()


@pytest.mark.parametrize("parts", [(PART, PART, 7), (PART, 7), (PART, PART + 1, 9), (PART + 5, PART, PART)])
def test_an_upload_in_parts_is_verified(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: tuple[int, ...]) -> None:
    """Parts of one size, as most write them, and of several."""
    data = [os.urandom(size) for size in parts]
    put_in_parts(s3, "big.csv", *data)
    (obj,) = source_of(s3).list()
    assert obj.tag.split()[0].endswith(f"-{len(parts)}")
    assert source_of(s3).fetch(obj, tmp_path / "good").read_bytes() == b"".join(data)
    damaging(monkeypatch, flip_last)
    with pytest.raises(SourceError, match=r"big.csv arrived damaged"):
        source_of(s3).fetch(obj, tmp_path / "bad")


@pytest.mark.parametrize("change", [flip_last, cut_last])
@pytest.mark.parametrize("more", [{}, {"ChecksumAlgorithm": "SHA256", "ServerSideEncryption": "aws:kms"}])
def test_a_damaged_object_is_not_handed_over(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], more: dict[str, str]
) -> None:
    put(s3, "day.csv", b"some rows", **more)
    (obj,) = source_of(s3).list()
    with monkeypatch.context() as patched:
        damaging(patched, change)
        with pytest.raises(SourceError, match=r"day.csv arrived damaged.*Run the same command again"):
            source_of(s3).fetch(obj, tmp_path)
    assert source_of(s3).fetch(obj, tmp_path).read_bytes() == b"some rows"


@pytest.mark.parametrize("more", [{"ServerSideEncryption": "aws:kms"}, {"SSECustomerAlgorithm": "AES256"}, {"ETag": '"0123-opaque"'}])
def test_an_etag_that_is_no_md5_is_not_taken_for_one(s3: S3, tmp_path: Path, more: dict[str, str]) -> None:
    (tmp_path / "day.csv").write_bytes(b"some rows")
    plain = {"ETag": f'"{"0" * 32}"'}
    assert not _sound(s3.client, s3.bucket, "day.csv", tmp_path / "day.csv", plain)
    assert _sound(s3.client, s3.bucket, "day.csv", tmp_path / "day.csv", {**plain, **more})


def test_a_version_is_downloaded_once(s3: S3, tmp_path: Path) -> None:
    put(s3, "day.csv", b"one")
    (first,) = source_of(s3).list()
    path = source_of(s3).fetch(first, tmp_path)
    put(s3, "day.csv", b"two")
    assert source_of(s3).fetch(first, tmp_path) == path  # it is that version still
    (second,) = source_of(s3).list()
    other = source_of(s3).fetch(second, tmp_path)
    assert other != path
    assert (path.read_bytes(), other.read_bytes()) == (b"one", b"two")


def test_a_download_cut_short_is_done_again(s3: S3, tmp_path: Path) -> None:
    put(s3, "day.csv", b"one")
    (obj,) = source_of(s3).list()
    path = source_of(s3).fetch(obj, tmp_path)
    path.rename(path.with_name(".unfinished"))
    assert source_of(s3).fetch(obj, tmp_path).read_bytes() == b"one"
    assert [found.name for found in path.parent.iterdir()] == ["day.csv"]


def test_an_object_replaced_since_listing_is_not_taken_for_the_listed_one(s3: S3, tmp_path: Path) -> None:
    put(s3, "day.csv", b"one")
    (listed,) = source_of(s3).list()
    put(s3, "day.csv", b"six")
    with pytest.raises(SourceError, match=r"day.csv was replaced after it was listed"):
        source_of(s3).fetch(listed, tmp_path)


def test_the_same_name_elsewhere_is_another_object(s3: S3, tmp_path: Path) -> None:
    put(s3, "day.csv", b"one")
    put(s3, "more/day.csv", b"one")
    paths = {source_of(s3).fetch(obj, tmp_path) for obj in source_of(s3).list()}
    assert len(paths) == 2
    assert len({hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in paths}) == 1


def test_a_missing_bucket_is_told(s3: S3) -> None:
    with pytest.raises(SourceError, match=rf"there is no bucket 'no-such' at {s3.endpoint}\. Check the name in s3://no-such/in"):
        source_of(s3, path="s3://no-such/in").list()


def test_a_bucket_that_cannot_be_one_is_told(s3: S3) -> None:
    with pytest.raises(SourceError, match=r"is no address in S3\. It is written s3://bucket/prefix"):
        source_of(s3, path="s3://no bucket/in").list()


def test_missing_credentials_are_told(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DUMMY:
        monkeypatch.delenv(name)
    with pytest.raises(SourceError, match=rf"no AWS credentials for {s3.root}/in\. Set AWS_ACCESS_KEY_ID"):
        source_of(s3).list()


def test_an_unknown_profile_is_told(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises((SourceError, SettingsError), match=r"AWS_PROFILE names a profile that is not in the AWS configuration"):
        source_of(s3).list()


def test_an_endpoint_that_is_none_is_told(s3: S3) -> None:
    with pytest.raises(SettingsError, match=r"setting 's3_endpoint': 'minio' is no address"):
        source_of(s3, s3_endpoint="minio").list()


def test_an_endpoint_that_does_not_answer_is_told_without_its_password(s3: S3) -> None:
    with pytest.raises(SourceError, match=r"http://127\.0\.0\.1:1 cannot be reached") as caught:
        source_of(s3, s3_endpoint="http://me:verysecret@127.0.0.1:1").list()
    assert "verysecret" not in str(caught.value)


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"])
def test_denied_access_is_told_without_a_secret(s3: S3, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """As the service answers it; the client asks one that knows no permissions, so the answer is made here."""
    answer = {"Error": {"Code": code, "Message": f"key {DUMMY['AWS_ACCESS_KEY_ID']} and {DUMMY['AWS_SECRET_ACCESS_KEY']}"}}

    class Refusing:
        def get_paginator(self, name: str) -> None:
            raise ClientError(answer, "ListObjectsV2")

    monkeypatch.setattr("outfitter.lake.buckets.client", lambda endpoint: Refusing())
    with pytest.raises(SourceError, match=rf"access to {s3.root}/in is denied \({code}\)\. Check the AWS credentials") as caught:
        source_of(s3).list()
    assert not any(secret in str(caught.value) for secret in DUMMY.values() if secret != DUMMY["AWS_DEFAULT_REGION"])


def test_an_object_deleted_while_it_is_fetched_is_told(s3: S3, tmp_path: Path) -> None:
    put(s3, "day.csv", b"one")
    (listed,) = source_of(s3).list()
    with pytest.raises(SourceError, match=r"other.csv is gone\. It was deleted after it was listed"):
        source_of(s3).fetch(replace(listed, name="other.csv"), tmp_path)
