"""Sources: a folder and a bucket list alike, hand over what they listed or nothing, and say what is wrong in one sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outfitter.errors import SettingsError, SourceError
from outfitter.lake.sources import open_source
from outfitter.settings import load_settings
from tests.outfitter.lake.conftest import Deposit
from tests.s3 import S3

SKIPPED = [".hidden.csv", ".git/config.csv", "a/.b/c.csv", "half.csv.part", "x.TMP", "~lock.csv", "images/001/0012.jpg", "a/images/1.jpg"]
SEEN = ["2020/01/day.csv", "articles.csv", "images.csv", "part.csv", "ümläut ✓ & 100%+.csv"]
Spoil = Callable[[pytest.MonkeyPatch, S3], dict[str, str]]


def names(deposit: Deposit) -> list[str]:
    return [obj.name for obj in deposit.source.list()]


def test_what_is_hidden_temporary_or_an_image_is_not_listed(deposit: Deposit) -> None:
    for name in [*SKIPPED, *SEEN]:
        deposit.put(name, b"x")
    assert names(deposit) == sorted(SEEN)


def test_each_object_tells_size_and_time(deposit: Deposit) -> None:
    told = datetime.now(UTC).replace(microsecond=0)
    deposit.put("day.csv", b"12345", modified=told)
    (obj,) = deposit.source.list()
    assert obj.size == 5
    assert obj.modified.tzinfo is UTC
    assert timedelta(0) <= obj.modified - told < timedelta(seconds=60 if deposit.s3 else 0, microseconds=1)


def test_fetched_is_what_was_put(deposit: Deposit, tmp_path: Path) -> None:
    for name in SEEN:
        deposit.put(name, name.encode())
    for obj in deposit.source.list():
        path = deposit.source.fetch(obj, tmp_path / "fetched")
        assert path.read_bytes().decode() == obj.name
        assert path.name == obj.name.rsplit("/", 1)[-1]


def test_the_tag_changes_with_the_content_alone(deposit: Deposit) -> None:
    deposit.put("day.csv", b"one")
    deposit.put("other.csv", b"other")
    before = {obj.name: obj.tag for obj in deposit.source.list()}
    assert {obj.name: obj.tag for obj in deposit.source.list()} == before
    deposit.put("day.csv", b"two")
    after = {obj.name: obj.tag for obj in deposit.source.list()}
    assert after["day.csv"] != before["day.csv"]
    assert after["other.csv"] == before["other.csv"]


def test_a_change_after_listing_is_noticed(deposit: Deposit) -> None:
    deposit.put("day.csv", b"one")
    (listed,) = deposit.source.list()
    assert deposit.source.unchanged(listed)
    deposit.put("day.csv", b"one more")
    assert not deposit.source.unchanged(listed)
    deposit.remove("day.csv")
    assert not deposit.source.unchanged(listed)


def test_what_went_after_listing_is_told(deposit: Deposit, tmp_path: Path) -> None:
    deposit.put("day.csv", b"one")
    (listed,) = deposit.source.list()
    deposit.remove("day.csv")
    with pytest.raises(SourceError, match=r"day\.csv (is gone|cannot be read: No such file)"):
        deposit.source.fetch(listed, tmp_path / "fetched")
    assert not list(tmp_path.glob("fetched/**/*.csv"))


def test_a_source_is_needed() -> None:
    with pytest.raises(SettingsError, match=r"source 'vibrent' needs a folder. Name it: --path DIR"):
        open_source(load_settings(source="vibrent"))
    with pytest.raises(SourceError, match=r"gs://shop/in is neither a folder nor in S3"):
        open_source(load_settings(path="gs://shop/in"))


def test_another_place_may_be_named_than_the_settings_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x")
    assert [obj.name for obj in open_source(load_settings(), tmp_path).list()] == ["a.csv"]


def test_a_missing_folder_and_a_file_for_one_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"there is no folder .*nowhere. Give the folder that holds the files of source 'vibrent'"):
        open_source(load_settings(source="vibrent", path=str(tmp_path / "nowhere"))).list()
    with pytest.raises(SourceError, match=rf"a.csv is a file, where source 'vibrent' is a folder. Give the folder: {tmp_path}"):
        open_source(load_settings(source="vibrent", path=str(tmp_path / "a.csv"))).list()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_listed_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(SourceError, match=r"closed cannot be listed: Permission denied. Check its permissions"):
        open_source(load_settings(path=str(tmp_path))).list()


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    shop, away = tmp_path / "shop", tmp_path / "away"
    for folder in (shop / "sub", away):
        folder.mkdir(parents=True)
    (away / "far.csv").write_bytes(b"far")
    (shop / "file.csv").symlink_to(away / "far.csv")
    (shop / "dangling.csv").symlink_to(away / "nothing.csv")
    (shop / "more").symlink_to(away)
    (shop / "sub" / "loop").symlink_to(shop)
    (shop / "again").symlink_to(shop / "sub")
    (shop / "sub" / "near.csv").write_bytes(b"near")
    os.mkfifo(shop / "pipe.csv")
    assert [obj.name for obj in open_source(load_settings(path=str(shop))).list()] == ["file.csv", "more/far.csv", "sub/near.csv"]


def test_a_file_that_was_swapped_for_one_alike_is_another_version(tmp_path: Path) -> None:
    """Same size, same modification time, as ``cp -p`` and ``mv`` make it."""
    (tmp_path / "a.csv").write_bytes(b"one")
    source = open_source(load_settings(path=str(tmp_path)))
    (before,) = source.list()
    (tmp_path / "b").write_bytes(b"two")
    os.utime(tmp_path / "b", ns=((tmp_path / "a.csv").stat().st_atime_ns, (tmp_path / "a.csv").stat().st_mtime_ns))
    (tmp_path / "b").replace(tmp_path / "a.csv")
    (after,) = source.list()
    assert (after.size, after.modified) == (before.size, before.modified)
    assert after.tag != before.tag
    assert not source.unchanged(before)


def test_a_name_that_is_no_text_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.csv")).write_bytes(b"x")
    assert [obj.name for obj in open_source(load_settings(path=str(tmp_path))).list()] == ["a.csv"]
    assert "its name is not UTF-8" in caplog.text
