"""A snapshot names one version of each table: what a reader sees, today and a year later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from outfitter.errors import LakeError, NotEnoughData
from outfitter.lake.deliveries import live_rows, sweep
from outfitter.lake.stages import fingerprint
from outfitter.lake.tables import Lake
from outfitter.lake.tidying import tidy
from outfitter.schema import ITEM_ATTRIBUTES

CONTENT = ("interactions", "users", "items")
HELD = "snapshot_deliveries"


@dataclass(frozen=True)
class Snapshot:
    """The tables as they were when ``id`` was taken; ``as_of`` is the newest event in it."""

    lake: Lake
    id: str
    as_of: datetime
    versions: dict[str, int]

    def scan(self, table: str) -> pl.LazyFrame:
        return self.lake.scan(table, self.versions[table])

    @property
    def n_buckets(self) -> int:
        return int(self.lake.read("lake")["n_buckets"].item())

    def users(self) -> pl.LazyFrame:
        """user_key, user_id, bucket: one row for each user that a delivery which counts names.

        A key outlives the delivery that first named its user, and whether a delivery was ever keyed depends on the order of arrival.
        """
        keyed = self.scan("users").filter(pl.col("delivery_id").is_null()).select("user_key", "user_id", "bucket")
        return keyed.join(self._named(), on=["user_key", "bucket"], how="semi")

    def count_users(self) -> int:
        """How many ``users`` there are."""
        return int(self._named().select(pl.col("user_key").n_unique()).collect().item())

    def _named(self) -> pl.LazyFrame:
        """user_key, bucket, many times over: whom a delivery that counts describes or tells an event of."""
        described = self.scan("users").filter(pl.col("delivery_id").is_not_null())
        return pl.concat([rows.select("user_key", "bucket") for rows in (described, self.scan("interactions"))])

    def items(self, as_of: datetime | None = None) -> pl.LazyFrame:
        """One row an item: its attributes as of then, or nulls and ``catalogued`` false for a stub.

        Of rows from the same moment the one that says most counts: an item derived from interactions must not hide its catalogue row.
        """
        then = as_of or self.as_of
        rows = self.scan("items").filter(pl.col("delivery_id").is_null() | (pl.col("valid_from") <= then))
        said = pl.sum_horizontal(pl.col(name).is_not_null() for name in ITEM_ATTRIBUTES)
        ordered = rows.sort("catalogued", "valid_from", said, "delivery_id")
        return ordered.group_by("item_key", maintain_order=True).last().sort("item_key")


def take_snapshot(lake: Lake, at: datetime, files_per_bucket: int = 16) -> Snapshot:
    """Record the current versions under an id that depends on the accepted deliveries alone.

    Before it is recorded, rows that no longer count are deleted and tables of more than ``files_per_bucket`` files a bucket are merged.

    The same deliveries give the same id however often and in whatever order they came, so what was computed from them is found
    again. Raises NotEnoughData when no interaction was accepted yet.
    """
    lake.create(HELD)  # a lake that was founded before there was this table gets it now
    sweep(lake)
    tidy(lake, files_per_bucket)
    accepted = live_deliveries(lake).filter(pl.col("status") == "accepted")
    as_of = accepted["last_event"].max()
    if not isinstance(as_of, datetime):
        raise NotEnoughData("no interaction has been accepted yet", "See the quarantine's reasons, or name another --path.")
    held = sorted(accepted["delivery_id"])
    snapshot_id = fingerprint("snapshot", deliveries=held)
    lake.append(HELD, pl.DataFrame({"snapshot_id": [snapshot_id], "delivery_ids": [held]}), transaction=snapshot_id)
    row = pl.DataFrame(
        {
            "snapshot_id": [snapshot_id],
            "as_of": [as_of],
            "versions": [json.dumps({table: lake.version(table) for table in CONTENT}, sort_keys=True)],
            "created_at": [at],
        }
    )
    if _newest_first(lake)["snapshot_id"].head(1).to_list() != [snapshot_id]:
        lake.append("snapshots", row)
    return open_snapshot(lake, snapshot_id)


def open_snapshot(lake: Lake, snapshot_id: str | None = None) -> Snapshot:
    """The snapshot of that id, or the newest. Raises LakeError when there is none."""
    rows = _newest_first(lake)
    if snapshot_id is not None:
        rows = rows.filter(pl.col("snapshot_id") == snapshot_id)
    if rows.is_empty():
        wanted = f"snapshot '{snapshot_id}'" if snapshot_id else "snapshot"
        raise LakeError(f"the lake '{lake.root}' has no {wanted}", "Run 'outfitter ingest' first.")
    row = rows.row(0, named=True)
    return Snapshot(lake, row["snapshot_id"], row["as_of"], json.loads(row["versions"]))


def _newest_first(lake: Lake) -> pl.DataFrame:
    """Table versions only grow, so they tell which snapshot is newer; a run that was due long ago and starts late brings an old ``at``."""
    rows = lake.read("snapshots")
    grown = [sum(json.loads(versions).values()) for versions in rows["versions"]]
    return rows.with_columns(pl.Series("grown", grown, dtype=pl.Int64)).sort("grown", descending=True).drop("grown")


def live_deliveries(lake: Lake) -> pl.DataFrame:
    """The ledger's word on each object: the version that counts, or the newest that does not where none does; nothing of one renamed."""
    ledger = lake.read("deliveries").sort("generation")
    live = live_rows(ledger)
    others = ledger.join(live, on="object", how="anti").group_by("object", maintain_order=True).last().select(ledger.columns)
    return pl.concat([live, others.filter(pl.col("status") != "withdrawn")]).sort("object")
