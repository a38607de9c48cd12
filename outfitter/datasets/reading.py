"""Strict reading in bounded memory: a file either is what it is said to be, or one SourceError says where it is not and what to do.

Each reader yields the file block by block; ``Cells`` turns a block's columns into values.
"""

from __future__ import annotations

from outfitter.datasets.cells import Cells, Part
from outfitter.datasets.delimited import read_csv, read_lines
from outfitter.datasets.json_lines import read_json_lines
from outfitter.datasets.parquet import read_parquet

__all__ = ["Cells", "Part", "read_csv", "read_json_lines", "read_lines", "read_parquet"]
