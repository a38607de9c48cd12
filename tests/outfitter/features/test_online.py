"""What is online after increments is what a full computation says, of every user and item, whatever arrived in between."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

import feature_repo
from outfitter.errors import LakeError
from outfitter.features import lineage, newest
from outfitter.features import online as to_online
from outfitter.features.lineage import point_of
from outfitter.features.online import Outcome, Sending, compare_online, is_online, read_online, send
from outfitter.features.sent import Sent, lake_id, read_sent
from outfitter.features.spec import FEATURE_TABLES
from outfitter.features.stores import PackedRedisOnlineStore, PackedSqliteOnlineStore
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.settings import Settings
from tests.outfitter.features.streams import DAY, STEPS, TARGETS, opened, snapshot, step, whole
from tests.outfitter.lake.frames import NOW

if TYPE_CHECKING:
    from feast import FeatureStore

SEED = 7
KEYS = list(range(60))  # more than there are users or items


class Night:
    """One home, brought up to date again and again, with a new process's eyes each time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lake, self.features = Lake(settings.lake_root), Lake(settings.lake_root, FEATURE_TABLES)

    def store(self) -> FeatureStore:
        store = feature_repo.open_store(self.settings)
        feature_repo.apply(store)
        return store

    def run(self) -> tuple[Sending, Outcome]:
        taken = snapshot(self.lake)
        kept = newest.renew(self.features, taken, taken.as_of, TARGETS, NOW)
        sending = Sending(self.store(), self.settings, self.features, taken, kept)
        outcome = send(sending)
        compare_online(sending, outcome, 40, seed=1)
        newest.clear(self.features, kept)
        return sending, outcome

    def check(self) -> Snapshot:
        """Every user and item online equals a full computation; those without a row have nothing. Returns the snapshot."""
        taken = snapshot(self.lake)
        users, items = whole(taken, taken.as_of)
        found = read_online(self.store(), KEYS, KEYS)
        agree(users, "user_key", found["users"])
        agree(items, "item_key", found["items"])
        return taken


def agree(wanted: pl.DataFrame, key: str, found: dict[str, list[Any]]) -> None:
    for column, values in found.items():
        want = dict(zip(wanted[key], wanted[column].to_list(), strict=True))
        for entity, value in enumerate(values):
            np.testing.assert_array_equal(np.array(value or []), np.array(want.get(entity, [])), err_msg=f"{key} {entity} {column}")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake to begin with."""
    folder = tmp_path_factory.mktemp("history") / "lake"
    opened(folder, SEED)
    return folder


@pytest.fixture
def night(online: Settings, history: Path) -> Night:
    shutil.copytree(history, online.lake_root)
    return Night(online)


@pytest.mark.parametrize("name", STEPS)
def test_increments_equal_a_full_computation(night: Night, name: str) -> None:
    _, first = night.run()
    assert len(first.users) > 30
    night.check()
    for number in (1, 2):
        step(night.lake, name, number, SEED)
        night.run()
        night.check()


def test_one_side_is_read_without_the_other(night: Night) -> None:
    """A small shop's sample may hold no user, or no item."""
    night.run()
    both = read_online(night.store(), KEYS, KEYS)
    goods, people = read_online(night.store(), [], KEYS), read_online(night.store(), KEYS, [])
    assert goods["users"] == {"profile": [], "last50": []}
    assert people["items"] == {"item_profile": []}
    assert repr((people["users"], goods["items"])) == repr((both["users"], both["items"]))  # NaN is unlike itself


def test_all_of_it_in_one_stream(night: Night) -> None:
    night.run()
    for number, name in enumerate(STEPS, start=1):
        step(night.lake, name, number, SEED)
        night.run()
    night.check()


def test_a_day_moves_few(night: Night) -> None:
    night.run()
    step(night.lake, "hours later", 1, SEED)
    sending, outcome = night.run()
    everyone, _ = whole(sending.snapshot, sending.snapshot.as_of)
    assert 0 < len(outcome.users) < everyone.height
    assert sending.newest.links[-1].rows == len(outcome.users)


def test_a_second_run_sends_nothing(night: Night) -> None:
    _, first = night.run()
    sending, second = night.run()
    assert (len(second.users), len(second.items), second.users_removed) == (0, 0, 0)
    assert len(first.users)
    assert is_online(night.settings, night.lake, sending.newest.point)


def test_who_is_gone_is_gone_online(night: Night) -> None:
    night.run()
    step(night.lake, "a file taken back", 1, SEED)
    _, outcome = night.run()
    assert outcome.users_removed > 0
    night.check()


@pytest.mark.parametrize(("dies_at", "first"), [(2, True), (1, False), (3, False)])
def test_a_run_cut_short_between_writes_is_made_good(night: Night, monkeypatch: pytest.MonkeyPatch, dies_at: int, first: bool) -> None:
    """Whether the first, whole sending dies or an increment: after the first bucket, the second, or before the items."""
    if not first:
        night.run()
        step(night.lake, "a late file", 1, SEED)
    monkeypatch.setattr(to_online, "USERS_SENT_AT_ONCE", 1)
    kind = PackedRedisOnlineStore if night.settings.online_redis else PackedSqliteOnlineStore
    calls, write = iter(range(1, 99)), kind.write_packed

    def dying(self: Any, *args: Any) -> None:
        if next(calls) == dies_at:
            raise KeyboardInterrupt
        write(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "write_packed", dying)
        with pytest.raises(KeyboardInterrupt):
            night.run()
    assert read_sent(night.settings, night.lake) == Sent(lake_id(night.lake), None)
    step(night.lake, "a corrected file", 2, SEED)  # and by the next run the world has moved on
    _, outcome = night.run()
    assert len(outcome.users) == whole(snapshot(night.lake), snapshot(night.lake).as_of)[0].height
    night.check()


def test_a_run_cut_short_while_computing_is_made_good(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.run()
    step(night.lake, "a late file", 1, SEED)
    with monkeypatch.context() as patched:
        patched.setattr(newest, "item_rows", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            night.run()
    step(night.lake, "a day", 2, SEED)
    sending, _ = night.run()
    night.check()
    named = {link.name for link in sending.newest.links}
    assert set(night.features.read("user_features")["materialization"]) == named


def test_an_emptied_store_is_filled_again(night: Night) -> None:
    night.run()
    if night.settings.online_redis:
        from redis import Redis

        Redis.from_url(night.settings.online_redis).flushall()
    else:
        for file in night.settings.online_file.parent.glob("online.db*"):
            file.unlink()
    _, outcome = night.run()
    assert len(outcome.users) > 30
    night.check()


def test_many_links_become_one(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "MOST_LINKS", 2)
    counts = []
    for number in range(5):
        step(night.lake, "hours later", number, SEED)
        sending, _ = night.run()
        counts.append(len(sending.newest.links))
        night.check()
    assert max(counts) == 2
    assert 1 in counts[1:]


def test_a_materialization_of_everybody_takes_the_place_of_the_links(night: Night) -> None:
    night.run()
    step(night.lake, "a late file", 1, SEED)
    taken = snapshot(night.lake)
    earlier = taken.as_of - 7 * DAY
    for cutoff in (earlier, taken.as_of):
        for table, rows in zip(FEATURE_TABLES, rows_at(taken, cutoff), strict=True):
            night.features.append(table, rows.with_columns(pl.lit("whole").alias("materialization")))
    kept = newest.adopt(night.features, taken, taken.as_of, TARGETS, "whole", NOW)
    assert newest.adopt(night.features, taken, taken.as_of, TARGETS, "whole", NOW) == kept
    sending, outcome = night.run()
    assert sending.newest == kept
    everyone, _ = whole(taken, taken.as_of)
    assert 0 < len(outcome.users) < everyone.height  # only those who changed
    night.check()
    step(night.lake, "a day", 2, SEED)
    assert night.run()[0].newest.links[0].name == "whole"
    night.check()


def rows_at(taken: Snapshot, cutoff: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    from outfitter.features.compute import item_rows, user_rows

    stamp = pl.lit(cutoff).alias("cutoff")
    users = pl.concat(user_rows(taken, cutoff, TARGETS))
    return users.with_columns(stamp), item_rows(taken, cutoff, TARGETS).with_columns(stamp)


def test_other_rules_renew_everybody(night: Night) -> None:
    sending, _ = night.run()
    other = point_of(sending.snapshot, sending.snapshot.as_of, ("purchase",))
    assert other.id != sending.newest.point.id
    kept = newest.renew(night.features, sending.snapshot, sending.snapshot.as_of, ("purchase",), NOW)
    assert len(kept.links) == 1


def test_a_snapshot_that_was_cleared_away_renews_everybody(night: Night) -> None:
    night.run()
    step(night.lake, "a day", 1, SEED)
    taken = snapshot(night.lake)
    before = lineage.newest(night.lake)
    assert before is not None
    for file in Path(night.lake.uri("items")).glob("*.parquet"):
        if file.stat().st_size:
            file.rename(file.with_suffix(".gone"))
            break
    from outfitter.features.renewal import users_to_renew

    assert users_to_renew(before.point, point_of(taken, taken.as_of, TARGETS), taken, TARGETS) is None


@pytest.mark.parametrize("fresh", [True, False])
def test_the_sample_holds_what_was_written_and_what_was_not(night: Night, monkeypatch: pytest.MonkeyPatch, fresh: bool) -> None:
    """A value that is wrong online is found and named, whether this run wrote it or left it alone."""
    night.run()
    step(night.lake, "hours later", 1, SEED)
    sending, outcome = night.run()
    real = to_online.read_online

    def skewed(store: Any, users: Any, items: Any) -> Any:
        found = real(store, users, items)
        wrong = next(at for at, user in enumerate(users) if (user in outcome.users.tolist()) == fresh)
        found["users"]["profile"][wrong][3] = -1.0
        named.append(users[wrong])
        return found

    named: list[int] = []
    monkeypatch.setattr(to_online, "read_online", skewed)
    with pytest.raises(LakeError) as error:
        compare_online(sending, outcome, 40, seed=1)
    assert f"user_key {named[0]}: profile" in str(error.value)


def test_a_user_who_is_missing_online_is_named(night: Night) -> None:
    sending, outcome = night.run()
    to_online.online_of(sending.store).remove(sending.store.config, sending.store.get_feature_view("user_profile"), outcome.users)
    with pytest.raises(LakeError, match=r"online and offline differ for user_key \d+: profile is None online"):
        compare_online(sending, outcome, 40, seed=1)
