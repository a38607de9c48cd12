"""Parquet, row batch by row batch, strictly: a damaged file is an error and never a crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import polars as pl

from outfitter.datasets.base import BLOCK_BYTES, SourceFile
from outfitter.datasets.blocks import readable
from outfitter.datasets.columns import check_columns, first_line, no_rows, numbered
from outfitter.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def read_parquet(
    file: SourceFile, columns: Sequence[str], *, optional: Sequence[str] = (), block_bytes: int = BLOCK_BYTES
) -> Iterator[pl.DataFrame]:
    """The rows of ``file``, a frame a batch: ``columns`` and ``optional`` (null when absent) in their own dtypes, and ``sequence``.

    ``sequence`` is the 1-based row, Int64, and counts on through the batches. Raises SourceError when the file is missing, empty,
    damaged or not Parquet, lacks one of ``columns``, or has no rows.
    """
    read = 0
    for rows in _batches(file, columns, optional, block_bytes):
        yield numbered(rows, columns, optional, read)
        read += rows.height
    if not read:
        raise no_rows(file, "columns")


def _batches(file: SourceFile, columns: Sequence[str], optional: Sequence[str], block_bytes: int) -> Iterator[pl.DataFrame]:
    """With pyarrow: on a damaged file Polars' reader may panic or abort the whole process, where this one raises."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with readable(file), file.path.open("rb") as stream:
        try:
            source = pq.ParquetFile(stream, page_checksum_verification=True, pre_buffer=False, buffer_size=1 << 20)
            names = source.schema_arrow.names
            check_columns(file, names, columns)
            wanted = [name for name in dict.fromkeys([*columns, *optional]) if name in names]
            for batch in source.iter_batches(batch_size=_rows_a_batch(source, wanted, block_bytes), columns=wanted):
                yield _frame(batch)
        except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
            told = f"{file.name} cannot be read as Parquet, it is cut short, damaged or something else: {first_line(error)}"
            raise SourceError(told, "Deliver it again, whole") from error


def _rows_a_batch(source: pq.ParquetFile, wanted: Sequence[str], block_bytes: int) -> int:
    """As many rows as fill a block, by what the file says of its columns' size."""
    total = rows = 0
    for place in range(source.metadata.num_row_groups):
        group = source.metadata.row_group(place)
        rows += group.num_rows
        chunks = (group.column(number) for number in range(group.num_columns))
        total += sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in wanted)
    return max(min(rows, block_bytes * rows // max(total, 1)), 1)


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    import pyarrow as pa

    batch.validate(full=True)  # text that is not UTF-8 would reach Polars unchecked
    rows = pl.from_arrow(pa.table(batch.columns, names=batch.schema.names))  # the same of names and of field metadata
    return rows if isinstance(rows, pl.DataFrame) else rows.to_frame()
