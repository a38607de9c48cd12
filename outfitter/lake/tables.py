"""The lake: Delta tables under one folder. Each commit is atomic; readers open a snapshot of versions."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError

from outfitter.errors import HomeError, LakeError
from outfitter.schema import PARTITIONED, TABLES, Schema, conform, empty

FULL_DISK = ("No space left", "File too large", "Disk quota exceeded")


class _LocalTable(DeltaTable):
    """Names its files as the file system does: as URLs, Polars would look for a folder called ``my%20home``."""

    def file_uris(self, *args: Any, **kwargs: Any) -> list[str]:
        return [unquote(uri) for uri in super().file_uris(*args, **kwargs)]


class Lake:
    """Tables by name under ``root``; ``schemas`` tells their columns."""

    def __init__(self, root: str, schemas: Mapping[str, Schema] = TABLES) -> None:
        self.root = root.rstrip("/")
        self.schemas = schemas

    def uri(self, table: str) -> str:
        return f"{self.root}/{table}"

    def exists(self, table: str) -> bool:
        return DeltaTable.is_deltatable(self.uri(table))

    def create(self, table: str) -> None:
        """Make an empty table; nothing happens when it is there."""
        partition = ["bucket"] if table in PARTITIONED else None
        with readable_failures(table):
            DeltaTable.create(self.uri(table), empty(self.schemas[table]).to_arrow().schema, mode="ignore", partition_by=partition)

    def version(self, table: str) -> int:
        return self._open(table).version()

    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame:
        """The rows of ``table``, lazily; of its newest version when none is named."""
        if not self.exists(table):
            raise LakeError(f"the lake '{self.root}' has no table '{table}'", "Run 'outfitter ingest' first.")
        return pl.scan_delta(_LocalTable(self.uri(table), version=version))

    def read(self, table: str) -> pl.DataFrame:
        return self.scan(table).collect()

    def append(self, table: str, frame: pl.DataFrame, transaction: str | None = None) -> bool:
        """Append ``frame`` in one commit; with a ``transaction`` that was committed before, nothing happens.

        Delta records a transaction id but does not refuse a second commit of it, so it is looked up first: safe because one
        process at a time holds the home's lock. Returns whether rows were written.
        """
        if transaction and self.committed(table, transaction):
            return False
        properties = CommitProperties(app_transactions=[Transaction(transaction, 1)]) if transaction else None
        options: dict[str, Any] = {"commit_properties": properties} if properties else {}
        with readable_failures(table):
            conform(frame, self.schemas[table]).write_delta(self.uri(table), mode="append", delta_write_options=options)
        return True

    def committed(self, table: str, transaction: str) -> bool:
        return self._open(table).transaction_version(transaction) is not None

    def delete(self, table: str, column: str, value: str) -> None:
        """Delete the rows whose text ``column`` equals ``value``."""
        quoted = value.replace("'", "''")
        with readable_failures(table):
            self._open(table).delete(f"{column} = '{quoted}'")

    def _open(self, table: str) -> DeltaTable:
        try:
            return DeltaTable(self.uri(table))
        except TableNotFoundError as error:
            raise LakeError(f"the lake '{self.root}' has no table '{table}'", "Run 'outfitter ingest' first.") from error


@contextmanager
def readable_failures(what: str) -> Iterator[None]:
    """Turn a full disk, however a library words it, into a HomeError that says so."""
    try:
        yield
    except (OSError, DeltaError, pl.exceptions.PolarsError) as error:
        if is_disk_full(error):
            raise HomeError(
                f"the disk is full: '{what}' could not be written ({error})",
                "Nothing half-written is visible. Free some space and run the same command again.",
            ) from error
        raise


def is_disk_full(error: BaseException) -> bool:
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) or any(text in str(error) for text in FULL_DISK)
