"""Feast online: the newest rows packed and sent to the online store, whole the first time, then only what changed; and read back.

Sending goes around Feast's conversion of single values (``features.stores``), reading is ``get_online_features`` alone. The views have
no time to live: the row of a user who has not moved keeps an old event time and is as valid as any.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from outfitter.errors import LakeError
from outfitter.features import lineage, packing
from outfitter.features.compute import parts, side_by_side
from outfitter.features.lineage import Lineage, Link, Point
from outfitter.features.renewal import users_to_renew
from outfitter.features.sent import Sent, answering, lake_id, read_sent, write_sent
from outfitter.features.spec import FEATURES_VERSION
from outfitter.lake.snapshot import Snapshot
from outfitter.lake.tables import Lake
from outfitter.progress import report
from outfitter.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

    from outfitter.features.stores import PackedStore

Keys = NDArray[np.int64]
USER_VIEW, ITEM_VIEW = "user_profile", "item_profile"
BUCKETS_READ_BACK = 3
USERS_SENT_AT_ONCE = 20_000


@dataclass(frozen=True)
class Sending:
    """Where the newest rows come from and where they go."""

    store: FeatureStore
    settings: Settings
    features: Lake
    snapshot: Snapshot
    newest: Lineage

    @property
    def lake(self) -> Lake:
        return self.snapshot.lake

    @property
    def targets(self) -> list[str]:
        return [name for name, rule in self.settings.events.items() if rule.target]


@dataclass(frozen=True)
class Delta:
    """What differs from the online store: the links that hold it, and the users and items in question (None: all, whoever is there)."""

    links: tuple[Link, ...]
    users: pl.Series | None
    items: Link | None  # what was sent last


@dataclass(frozen=True)
class Outcome:
    """int64 keys of the users and items written and removed."""

    users: Keys
    items: Keys
    users_removed: int
    items_removed: int


def is_online(settings: Settings, lake: Lake, point: Point) -> bool:
    """Whether the configured store holds the rows of this point. Raises StoreError when it does not answer."""
    sent = read_sent(settings, lake)
    return sent is not None and sent.point is not None and sent.point.id == point.id


def send(sending: Sending) -> Outcome:
    """Make the online store hold the newest rows, and no others.

    The store's record is struck out first and written last: a run that was killed in between is followed by one that sends everything.
    Raises StoreError when the store does not answer or belongs to another home.
    """
    before = read_sent(sending.settings, sending.lake)
    delta = _delta(sending, before.point if before else None)
    mine = lake_id(sending.lake)
    write_sent(sending.settings, Sent(mine, None))
    with answering(sending.settings):
        outcome = _send(sending, delta)
    write_sent(sending.settings, Sent(mine, sending.newest.point))
    return outcome


def _delta(sending: Sending, before: Point | None) -> Delta:
    newest = sending.newest
    everything = Delta(newest.links, None, None)
    if before is None:
        return everything
    items = lineage.link_to(sending.lake, before.id)
    if (links := newest.since(before.id)) is not None:  # the last link that names a user holds the whole row
        named = sending.features.scan("user_features").filter(lineage.of(links)).select(pl.col("user_key").unique()).collect()["user_key"]
        return Delta(links, named, items)
    users = users_to_renew(before, newest.point, sending.snapshot, sending.targets)
    return everything if users is None else Delta(newest.links, users, items)


def _send(sending: Sending, delta: Delta) -> Outcome:
    users = _write(sending, USER_VIEW, "user_key", _user_parts(sending, delta))
    rows = lineage.current_items(sending.features, sending.newest.links[-1])
    then = lineage.current_items(sending.features, delta.items) if delta.items else rows.clear()
    renewed = rows.join(then.drop("materialization", "cutoff"), on=then.columns[2:], how="anti", nulls_equal=True)
    items = _write(sending, ITEM_VIEW, "item_key", iter([packing.packed_items(renewed)]))
    known = None if delta.users is None else _int64(delta.users)
    sold = None if then.is_empty() else _int64(then["item_key"])
    kept = np.union1d(items, _int64(rows["item_key"]))
    return Outcome(users, items, _remove(sending, USER_VIEW, users, known), _remove(sending, ITEM_VIEW, kept, sold))


def _user_parts(sending: Sending, delta: Delta) -> Iterator[pl.DataFrame]:
    buckets, asked = sending.snapshot.n_buckets if delta.links else 0, pl.lit(True)
    size = 1
    if delta.users is not None:
        asked, size = pl.col("user_key").is_in(delta.users.implode()), max(1, USERS_SENT_AT_ONCE * buckets // max(1, len(delta.users)))

    def packed_part(part: pl.Expr) -> pl.DataFrame:
        return packing.packed_users(lineage.present(lineage.current(sending.features, delta.links, part & asked)))

    waiting = parts(range(buckets), size)
    for number, rows in enumerate(side_by_side(packed_part, waiting), start=1):
        yield rows
        report("materialize", f"filling the online store {sending.settings.online_store_shown}", done=number, total=len(waiting))


def _write(sending: Sending, view_name: str, key: str, parts: Iterator[pl.DataFrame]) -> Keys:
    """Write packed rows, a transaction a part; returns their keys."""
    from outfitter.features.stores import Batch

    view, online = sending.store.get_feature_view(view_name), online_of(sending.store)
    written = [np.zeros(0, np.int64)]
    for rows in parts:
        keys = _int64(rows[key])
        columns = {name: packing.values(rows[name]) for name in rows.columns[2:]}
        online.write_packed(sending.store.config, view, Batch(packing.entity_keys(key, keys), columns, rows["cutoff"].to_list()))
        written.append(keys)
    return np.concatenate(written)


def _remove(sending: Sending, view_name: str, kept: Keys, known: Keys | None) -> int:
    """Remove the entities of ``known`` (None: of the whole store) that are not among ``kept``; returns how many."""
    view, online = sending.store.get_feature_view(view_name), online_of(sending.store)
    blocks = online.stored(sending.store.config, view) if known is None else iter([known])
    strays = np.unique(np.concatenate([np.zeros(0, np.int64), *(np.setdiff1d(block, kept) for block in blocks)]))
    online.remove(sending.store.config, view, strays)
    return len(strays)


def online_of(store: FeatureStore) -> PackedStore:
    """Feast's online store of the settings, with its way in for whole columns."""
    return cast("PackedStore", store.provider.online_store)


def _int64(keys: pl.Series) -> Keys:
    return keys.to_numpy().astype(np.int64)


NOBODY = -1  # a key that no user and no item has


def read_online(store: FeatureStore, user_keys: Sequence[int], item_keys: Sequence[int]) -> dict[str, dict[str, list[Any]]]:
    """The packed rows of these users and items through the feature service, as serving will get them."""
    people, goods = user_keys or [NOBODY], item_keys or [NOBODY]  # the service is asked for pairs
    count = max(len(user_keys), len(item_keys))
    asked = [{"user_key": people[at % len(people)], "item_key": goods[at % len(goods)]} for at in range(count)]
    if not asked:
        return {"users": {"profile": [], "last50": []}, "items": {"item_profile": []}}
    found = store.get_online_features(store.get_feature_service(f"serving_v{FEATURES_VERSION}"), asked).to_dict()
    users = {name: found[name][: len(user_keys)] for name in ("profile", "last50")}
    return {"users": users, "items": {"item_profile": found["item_profile"][: len(item_keys)]}}


def compare_online(sending: Sending, outcome: Outcome, sample: int, seed: int) -> int:
    """Read a sample back and hold it against the rows in the lake: half of it just written, half left as it was, where there are both.

    sample: users, and as many items. Returns how many entities were compared. Raises LakeError naming the first entity that differs.
    """
    users = packing.packed_users(_sample(_some_buckets(sending, seed), "user_key", outcome.users, sample, seed))
    rows = lineage.current_items(sending.features, sending.newest.links[-1])
    items = packing.packed_items(_sample(rows, "item_key", outcome.items, sample, seed))
    with answering(sending.settings):
        online = read_online(sending.store, users["user_key"].to_list(), items["item_key"].to_list())
    same("user_key", users, online["users"])
    same("item_key", items, online["items"])
    return users.height + items.height


def _some_buckets(sending: Sending, seed: int) -> pl.DataFrame:
    buckets = np.random.default_rng(seed).permutation(sending.snapshot.n_buckets)[:BUCKETS_READ_BACK]
    links = sending.newest.links
    return lineage.present(lineage.current(sending.features, links, pl.col("bucket").is_in(buckets.tolist())))


def _sample(rows: pl.DataFrame, key: str, written: Collection[int] | Keys, sample: int, seed: int) -> pl.DataFrame:
    fresh = rows[key].is_in(pl.Series(np.asarray(written), dtype=pl.Int64).implode())
    parts = [rows.filter(fresh), rows.filter(~fresh)]
    most: Callable[[int], int] = lambda at: max(sample // 2, sample - parts[1 - at].height)  # noqa: E731
    return pl.concat(part.sample(min(most(at), part.height), seed=seed) for at, part in enumerate(parts))


def same(key: str, offline: pl.DataFrame, online: dict[str, list[Any]]) -> None:
    """Raises LakeError naming the first entity of ``offline`` that is not the same online, to the last bit."""
    for column, found in online.items():
        for entity, want, got in zip(offline[key], offline[column].to_list(), found, strict=True):
            if not np.array_equal(np.asarray(want, np.float64), np.asarray(got or [], np.float64), equal_nan=True):
                raise LakeError(f"online and offline differ for {key} {entity}: {column} is {got} online, {want} offline")
