"""For every test of this folder: deliveries without a fault, ten rows each, and a way to spoil one cell of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
import pytest

from expectations.judging import Bench
from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME, USER_FRAME, conform
from outfitter.settings import Settings

NOW = datetime(2024, 3, 1, tzinfo=UTC)
ROWS = 10
BAD = 3  # the position that tests spoil
NUMBERS = list(range(1, ROWS + 1))


class Deliveries:
    """Frames as adapters yield them."""

    now = NOW
    bad = BAD

    def interactions(self) -> pl.DataFrame:
        frame = pl.DataFrame(
            {
                "user_id": [f"u{number}" for number in NUMBERS],
                "item_id": "0108775015",
                "timestamp": [NOW - timedelta(days=number) for number in NUMBERS],
                "sequence": NUMBERS,
                "event": ["rating", "purchase"] * 5,
                "value": [4.5, None] * 5,
                "quantity": 1,
                "price": [0.5, 19.99, None, 25.0, 5.0, 7.5, None, 25.0, 12.0, 5.0],
            }
        )
        return conform(frame, INTERACTION_FRAME)

    def items(self) -> pl.DataFrame:
        ids = [f"0{number}" for number in NUMBERS]
        return conform(pl.DataFrame({"item_id": ids, "valid_from": EPOCH, "price": 10.0, "sequence": NUMBERS}), ITEM_FRAME)

    def users(self) -> pl.DataFrame:
        ids = [f"u{number}" for number in NUMBERS]
        born = [1950, None] * 5
        return conform(pl.DataFrame({"user_id": ids, "valid_from": EPOCH, "birth_year": born, "sequence": NUMBERS}), USER_FRAME)

    def spoiled(self, frame: pl.DataFrame, column: str, value: Any, rows: int = 1) -> pl.DataFrame:
        """``frame`` with ``value`` in ``rows`` rows of ``column`` from position ``BAD`` on."""
        hit = pl.int_range(pl.len()).is_between(BAD, BAD + rows - 1)
        return frame.with_columns(pl.when(hit).then(pl.lit(value, dtype=frame.schema[column])).otherwise(pl.col(column)).alias(column))


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


class Source(Adapter):
    """A source that is never read: only what it says of identical rows and of its times matters."""

    name: ClassVar[str] = "test"
    summary: ClassVar[str] = ""

    def __init__(self, identical: Literal["duplicate", "quantity"] = "duplicate", *, synthetic_time: bool = False) -> None:
        self.identical_rows = identical  # type: ignore[misc]
        self.synthetic_time = synthetic_time  # type: ignore[misc]

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        raise NotImplementedError

    def read(self, file: SourceFile) -> Iterator[Frames]:
        raise NotImplementedError


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(home=tmp_path), Source(), NOW, tmp_path / "docs")
