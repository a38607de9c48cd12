"""The lake: Delta tables under one root, a folder or S3. Each commit is atomic; readers open a snapshot of versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from outfitter.errors import LakeError, OvertakenError
from outfitter.lake.failures import readable_failures
from outfitter.lake.lease import Lease, lease_of
from outfitter.lake.s3 import SCHEME, storage_options
from outfitter.schema import PARTITIONED, TABLES, Schema, conform, empty
from outfitter.settings import Settings

FENCE = "outfitter.fence"
AT_ONCE = 2  # buckets that a compaction holds in memory
KEEP_LOG = {"delta.enableExpiredLogCleanup": "false"}
"""By default Delta forgets versions older than 30 days at every hundredth commit, and with them the snapshots that name them."""


class _LocalTable(DeltaTable):
    """Names its files as the file system does: as URLs, Polars would look for a folder called ``my%20home``."""

    def file_uris(self, *args: Any, **kwargs: Any) -> list[str]:
        return [unquote(uri) for uri in super().file_uris(*args, **kwargs)]


class Lake:
    """Tables by name under ``root``; ``schemas`` tells their columns.

    ``options`` is what the storage needs and ``lease`` the right to write to it; a folder, guarded by its home's lock, needs neither.
    """

    def __init__(
        self,
        root: str,
        schemas: Mapping[str, Schema] = TABLES,
        options: Mapping[str, str] | None = None,
        lease: Callable[[], Lease] | None = None,
    ) -> None:
        self.root = root.rstrip("/")
        self.schemas = schemas
        self.options = dict(options) if options else None
        self.lease = lease

    def uri(self, table: str) -> str:
        return f"{self.root}/{table}"

    def exists(self, table: str) -> bool:
        with readable_failures(self.uri(table)):
            return DeltaTable.is_deltatable(self.uri(table), storage_options=self.options)

    def create(self, table: str) -> None:
        """Make an empty table; nothing happens when it is there."""
        partition, columns = ["bucket"] if table in PARTITIONED else None, empty(self.schemas[table]).to_arrow().schema
        with readable_failures(table):
            if self.lease is not None:
                self.lease().renew()
            options = self.options
            DeltaTable.create(self.uri(table), columns, "ignore", partition_by=partition, configuration=KEEP_LOG, storage_options=options)

    def version(self, table: str) -> int:
        return self._open(table).version()

    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame:
        """The rows of ``table``, lazily; of its newest version when none is named."""
        return pl.scan_delta(self._open(table, version))

    def read(self, table: str) -> pl.DataFrame:
        with readable_failures(self.uri(table)):
            return self.scan(table).collect()

    def distinct(self, table: str, column: str, version: int | None = None) -> list[str]:
        """The different texts in a column, ascending. Files that hold one text alone say so in the log and are not opened."""
        source = self._open(table, version)
        files = pl.DataFrame(source.get_add_actions(flatten=True))
        least, greatest, nulls = (f"{what}.{column}" for what in ("min", "max", "null_count"))
        if files.is_empty() or not {least, greatest, nulls} <= set(files.columns):
            return self.scan(table, version).select(pl.col(column).drop_nulls().unique().sort()).collect()[column].to_list()
        told = (pl.col(least) == pl.col(greatest)).fill_null(False) | (pl.col(nulls) == pl.col("num_records")).fill_null(False)
        texts = files.filter(told)[least].drop_nulls().cast(pl.String)
        if mixed := [f"{self.uri(table)}/{unquote(path)}" for path in files.filter(~told)["path"]]:
            rest = pl.scan_parquet(mixed, storage_options=self.options, hive_partitioning=False)
            texts = pl.concat([texts, rest.select(pl.col(column).drop_nulls().unique()).collect()[column].rename(least)])
        return texts.unique().sort().to_list()

    def append(self, table: str, frame: pl.DataFrame, transaction: str | None = None, rows: int | None = None) -> bool:
        """Append ``frame`` in one commit; with a ``transaction`` that was committed before, nothing happens.

        Delta records a transaction id but does not refuse a second commit of it, so it is looked up first: safe because one
        process at a time may write. With ``rows``, the rows that the table must hold until the commit, it needs nobody's word: raises
        OvertakenError when there are others. Returns whether rows were written.
        """
        with self._changing(table) as target:
            if transaction and target.transaction_version(transaction) is not None:
                return False
            transactions = [Transaction(transaction, 1)] if transaction else None
            if rows is not None and pl.scan_delta(target).select(pl.len()).collect().item() != rows:
                raise OvertakenError(f"the table '{self.uri(table)}' holds other rows than it did", "Run the same command again.")
            retries = None if rows is None else 0  # no commit of another's may come between
            options = {"commit_properties": CommitProperties(app_transactions=transactions, max_commit_retries=retries)}
            try:
                conform(frame, self.schemas[table]).write_delta(target, mode="append", delta_write_options=options)
            except CommitFailedError as error:
                if rows is None:
                    raise
                raise OvertakenError(f"the table '{self.uri(table)}' was changed meanwhile", "Run the same command again.") from error
        return True

    def committed(self, table: str, transaction: str) -> bool:
        return self._open(table).transaction_version(transaction) is not None

    def delete_rows(self, table: str, column: str, values: Sequence[str]) -> None:
        """Delete the rows whose text ``column`` is one of ``values``, in one commit; in none when there are no such rows.

        Files whose least and greatest value (Delta keeps them) leave no room for any of ``values`` are not opened, and those that
        hold nothing else are dropped unread.
        """
        if not values:
            return
        told = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        with self._changing(table) as target:
            target.delete(f"{column} IN ({told})")

    def compact(self, table: str, files_per_partition: int) -> int:
        """Merge the files of each bucket (or of the whole table) that has more than ``files_per_partition``; how many were replaced.

        Same rows in the same order, one commit, and older versions stay as they are. Memory holds two buckets' open row groups.
        """
        if not (crowded := _crowded(self._open(table), files_per_partition)):
            return 0
        with self._changing(table) as target:
            buckets = [("bucket", "in", crowded)] if crowded != [None] else None
            done = target.optimize.compact(partition_filters=buckets, max_concurrent_tasks=AT_ONCE)
        return int(done["numFilesRemoved"])

    def vacuum(self, table: str, keep_versions: Sequence[int], retention_hours: int | None = None) -> int:
        """Remove the files that neither the newest version nor any of ``keep_versions`` needs; how many.

        Only what has been out of use for a week goes (``retention_hours`` when given), what killed writers have left included.
        """
        kept, enforced = sorted(set(keep_versions)), retention_hours is None
        if not self._open(table).vacuum(retention_hours, True, enforced, full=True, keep_versions=kept):
            return 0
        with self._changing(table) as target:
            return len(target.vacuum(retention_hours, False, enforced, full=True, keep_versions=kept))

    @contextmanager
    def _changing(self, table: str) -> Iterator[DeltaTable]:
        """The newest version of ``table``, to be changed by one commit. Raises LockedError when the lease on the lake is lost.

        On S3 each holder of the lease first writes its number into the table. A commit prepared on a version before that is refused by
        Delta, so one that a holder thought dead had under way cannot come after: it is opened first and the lease proved second.
        """
        with readable_failures(table):
            if self.lease is None:
                yield self._open(table)
                return
            lease = self.lease()
            lease.once(self.uri(table), lambda: self._fence(table, lease))
            target = self._open(table)
            lease.renew()
            try:
                yield target
            except CommitFailedError:
                lease.renew()  # tells who took over, if that is why
                raise

    def _fence(self, table: str, lease: Lease) -> None:
        target = self._open(table)
        lease.renew()
        target.alter.set_table_properties({FENCE: str(lease.number)}, raise_if_not_exists=False)

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        kind = DeltaTable if self.options else _LocalTable
        try:
            with readable_failures(self.uri(table)):
                return kind(self.uri(table), version=version, storage_options=self.options)
        except TableNotFoundError as error:
            raise LakeError(f"the lake '{self.root}' has no table '{table}'", "Run 'outfitter ingest' first.") from error


def open_lake(settings: Settings, schemas: Mapping[str, Schema] = TABLES) -> Lake:
    """The lake that the settings name: a folder in the home, or S3, where only whoever holds its lease may write."""
    root = settings.lake_root
    if not root.startswith(SCHEME):
        return Lake(root, schemas)
    return Lake(root, schemas, storage_options(settings.s3_endpoint, LakeError), partial(lease_of, root))


def _crowded(table: DeltaTable, most: int) -> list[str | None]:
    """The buckets with more than ``most`` live files, as text; [None] when a table without buckets has more."""
    files = pl.DataFrame(table.get_add_actions(flatten=True))
    bucket = pl.col("partition.bucket").cast(pl.String) if "partition.bucket" in files.columns else pl.lit(None, dtype=pl.String)
    counted = files.group_by(bucket.alias("bucket")).len().filter(pl.col("len") > most)
    return counted.sort("bucket")["bucket"].to_list()
