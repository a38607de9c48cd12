"""The lease on a lake in S3: one home at a time, named to whoever comes second; a dead one's claim ends, a robbed one stops."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outfitter.errors import HomeError, LakeError, LockedError
from outfitter.lake import lease as leases
from outfitter.lake.lease import OBJECT, Lease, leased
from outfitter.lake.lock import sole_writer
from outfitter.lake.tables import Lake, open_lake
from outfitter.settings import Settings, load_settings
from tests.outfitter.lake.frames import NOW
from tests.s3 import S3

STAGE = pl.DataFrame({"stage": ["ours"]})
HOLD = """
import sys
from datetime import UTC, datetime
from outfitter.lake import lease
from outfitter.lake.lock import sole_writer
from outfitter.settings import load_settings
home, lake, endpoint, lease.SECONDS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
with sole_writer(load_settings(home=home, lake=lake, s3_endpoint=endpoint), datetime(2024, 3, 1, 2, 30, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(settings: Settings, seconds: int = 60) -> Iterator[subprocess.Popen[str]]:
    """A process that works in these settings until its standard input is closed."""
    command = [sys.executable, "-c", HOLD, str(settings.home), settings.lake_root, str(settings.s3_endpoint), str(seconds)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


@pytest.fixture
def other_home(on_s3: Settings, tmp_path: Path) -> Settings:
    """Another home that names the same lake."""
    (tmp_path / "other").mkdir()
    return on_s3.model_copy(update={"home": tmp_path / "other"})


def claim(s3: S3) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(s3.client.get_object(Bucket=s3.bucket, Key=f"shops/lake/{OBJECT}")["Body"].read())
    return said


def a_lease(settings: Settings, home: str, seconds: int = 60) -> Lease:
    return Lease(
        settings.lake_root, settings.s3_endpoint, {"home": home, "host": "h", "pid": 1, "command": "run", "since": "then"}, seconds
    )


def test_a_second_home_is_told_who_writes(on_s3: Settings, other_home: Settings) -> None:
    with another_process(other_home) as holder, pytest.raises(LockedError) as caught, sole_writer(on_s3, NOW):
        pytest.fail("two homes write to one lake")
    assert f"another home is writing to the lake '{on_s3.lake_root}': process {holder.pid} on " in str(caught.value)
    assert f"('outfitter {other_home.home} {on_s3.lake_root} " in str(caught.value)
    assert "since 2024-03-01T02:30:00+00:00" in str(caught.value)
    assert "its claim ends 60 s after its last sign of life" in caught.value.hint
    assert isinstance(caught.value, HomeError)


def test_who_finishes_lets_the_next_one_in_at_once_with_a_higher_number(on_s3: Settings, other_home: Settings, s3: S3) -> None:
    for number, settings in enumerate((on_s3, other_home, on_s3), start=1):
        with sole_writer(settings, NOW):
            assert claim(s3)["number"] == number
        assert claim(s3) == {"number": number}


def test_it_is_free_again_after_an_error(on_s3: Settings, other_home: Settings) -> None:
    with pytest.raises(ZeroDivisionError), sole_writer(on_s3, NOW):
        raise ZeroDivisionError
    with sole_writer(other_home, NOW):
        pass


def test_a_process_may_enter_again_and_keeps_it_until_it_leaves(on_s3: Settings, other_home: Settings) -> None:
    with sole_writer(on_s3, NOW):
        with sole_writer(on_s3, NOW):
            pass
        with pytest.raises(LockedError, match="another home is writing"):
            a_lease(other_home, "another").take()


def test_a_dead_holders_claim_ends(on_s3: Settings, other_home: Settings) -> None:
    with another_process(other_home, seconds=3) as holder:
        time.sleep(4.5)  # it gives signs of life meanwhile
        with pytest.raises(LockedError, match=f"process {holder.pid} "), sole_writer(on_s3, NOW):
            pytest.fail("its holder lives")
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=30)
    with pytest.raises(LockedError, match=f"process {holder.pid} "), sole_writer(on_s3, NOW):
        pytest.fail("nobody can know yet that it is dead")
    time.sleep(5)
    with sole_writer(on_s3, NOW):
        pass


def test_a_home_takes_over_from_its_own_dead_process_at_once(on_s3: Settings, s3: S3) -> None:
    with another_process(on_s3) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=30)
    with sole_writer(on_s3, NOW):
        assert claim(s3)["number"] == 2


def test_of_two_that_come_at_once_one_gets_it(on_s3: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both saw it free; the second's write is refused."""
    for _ in range(2):
        first, second = a_lease(on_s3, "a"), a_lease(on_s3, "b")
        seen = second._read()
        first.take()
        monkeypatch.setattr(second, "_read", iter([seen, first._read()]).__next__)
        with pytest.raises(LockedError, match="was taken over by process 1 on h"):
            second.take()
        first.release()


def test_a_renewal_that_got_through_unheard_is_recognised(on_s3: Settings) -> None:
    lease = a_lease(on_s3, "a")
    lease.take()
    lease._etag = '"of-an-answer-that-never-came"'
    lease.renew()
    lease.release()


def robbed(s3: S3) -> None:
    said = {"home": "thief", "host": "elsewhere", "pid": 7, "command": "run", "since": "now", "token": "t", "seconds": 60, "number": 9}
    s3.client.put_object(Bucket=s3.bucket, Key=f"shops/lake/{OBJECT}", Body=json.dumps(said).encode())


def test_a_robbed_holder_writes_nothing_more(on_s3: Settings, s3: S3) -> None:
    lake = open_lake(on_s3)
    with leased(on_s3, NOW):
        lake.create("stages")
        lake.append("stages", pl.DataFrame({"stage": ["before"]}))
        lake.append("stages", pl.DataFrame({"stage": ["before"]}))
        lake.compact("stages", 1)
        robbed(s3)
        version = lake.version("stages")
        for attempt in (
            lambda: lake.append("stages", pl.DataFrame({"stage": ["after"]})),
            lambda: lake.delete_rows("stages", "stage", ["before"]),
            lambda: lake.compact("stages", 0),
            lambda: lake.vacuum("stages", [], retention_hours=0),
            lambda: lake.create("users"),
        ):
            with pytest.raises(
                LockedError, match=r"taken over by process 7 on elsewhere \('outfitter run', since now\).*Run the same command"
            ):
                attempt()
    assert lake.version("stages") == version
    assert not lake.exists("users")
    assert claim(s3)["home"] == "thief"


def test_the_renewing_thread_notices_a_theft(on_s3: Settings, s3: S3) -> None:
    lease = a_lease(on_s3, "a", seconds=1)
    lease.take()
    robbed(s3)
    lease._renewer.join(timeout=10)
    assert not lease._renewer.is_alive()
    with pytest.raises(LockedError, match="taken over"):
        lease.renew()
    lease.release()


def test_a_commit_that_a_dead_holder_had_under_way_cannot_come_after(on_s3: Settings, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped between proving its lease and committing, long enough for another home to take over and to write."""
    with leased(on_s3, NOW):
        lake = open_lake(on_s3)
        lake.create("stages")
        lake.append("stages", STAGE)  # its own number stands in the table by now
        write, late = pl.DataFrame.write_delta, iter([True])

        def stopped(*args: Any, **kwargs: Any) -> None:
            if next(late, False):
                taken_over(on_s3, s3)
            write(*args, **kwargs)

        monkeypatch.setattr(pl.DataFrame, "write_delta", stopped)
        with pytest.raises(LockedError, match="taken over by process 1 on h"):
            lake.append("stages", pl.DataFrame({"stage": ["late"]}))
    assert sorted(open_lake(on_s3).read("stages")["stage"]) == ["ours", "theirs"]


def taken_over(settings: Settings, s3: S3) -> None:
    """Another home finds that the holder has been silent for too long, deletes what is not there, and appends."""
    s3.client.put_object(Bucket=s3.bucket, Key=f"shops/lake/{OBJECT}", Body=json.dumps({**claim(s3), "seconds": -1}).encode())
    other = a_lease(settings, "another")
    other.take()
    lake = Lake(settings.lake_root, options=open_lake(settings).options, lease=lambda: other)
    lake.delete_rows("stages", "stage", ["nothing there"])
    lake.append("stages", pl.DataFrame({"stage": ["theirs"]}))
    other._ended.set()  # it lives on, and holds the lease


def test_nobody_writes_without_a_lease(on_s3: Settings) -> None:
    with pytest.raises(LockedError, match="is written to by whoever holds its lease"):
        open_lake(on_s3).create("stages")


def test_a_bucket_that_is_not_there_is_told_before_anything_is_done(on_s3: Settings) -> None:
    nowhere = on_s3.model_copy(update={"lake": "s3://no-such-bucket/lake"})
    with pytest.raises(LakeError, match=r"there is no bucket 'no-such-bucket'"), sole_writer(nowhere, NOW):
        pytest.fail("there is no such lake")
    assert not leases._held


def test_a_lake_in_a_folder_needs_no_lease(tmp_path: Path) -> None:
    with leased(load_settings(home=tmp_path), NOW):
        assert not leases._held
    assert not (tmp_path / "home.id").exists()
