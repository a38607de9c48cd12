"""Figures of the rows that pass, gathered block by block: memory grows with different ids, not with rows."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from expectations.profile import Measures

BINS = 100  # a unit of the natural logarithm: prices in one bin differ by less than 1%
PENDING = 4_000_000  # counts of ids that are kept before they are added up: 64 MB
QUARTILES_OF_A_NORMAL = 1.349  # distance of the quartiles of a normal distribution, in standard deviations


class Counted:
    """How often each value of a column with few values occurred."""

    def __init__(self, column: str, dtype: pl.DataType) -> None:
        self._column = column
        self._sum = pl.DataFrame(schema={column: dtype, "rows": pl.Int64()})

    def add(self, values: pl.Series) -> None:
        """Count the values of a block; null is none."""
        block = values.alias(self._column).to_frame().drop_nulls().group_by(self._column).agg(pl.len().cast(pl.Int64).alias("rows"))
        self._sum = pl.concat([self._sum, block]).group_by(self._column).agg(pl.col("rows").sum())

    @property
    def counts(self) -> pl.DataFrame:
        """The column, and ``rows`` (Int64); sorted."""
        return self._sum.sort(self._column)


class Ids:
    """Which ids occurred, and how often.

    Long texts are slow to group, so an id stands for itself once and for the rest as a 64-bit hash. Among 1.4 million users two
    share one with chance 5e-8: the second would be counted with the first, which no verdict would notice.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._ids = [pl.DataFrame(schema={"hash": pl.UInt64(), column: pl.String()})]
        self._rows = [pl.DataFrame(schema={"hash": pl.UInt64(), "rows": pl.Int64()})]

    def add(self, ids: pl.Series) -> None:
        """Count the ids of a block; none is null."""
        rows = ids.alias(self._column).to_frame().with_columns(pl.col(self._column).hash().alias("hash"))
        block = rows.group_by("hash").agg(pl.col(self._column).first(), pl.len().cast(pl.Int64).alias("rows"))
        known = pl.concat(self._ids, rechunk=False).select("hash")
        self._ids.append(_alone(block.join(known, on="hash", how="anti").select("hash", self._column)))
        self._rows.append(block.select("hash", "rows"))
        if sum(part.height for part in self._rows) > max(PENDING, 2 * self.different):
            self._rows = [self._summed()]

    @property
    def different(self) -> int:
        """How many ids there are."""
        return sum(part.height for part in self._ids)

    @property
    def counts(self) -> pl.DataFrame:
        """The column (String), and ``rows`` (Int64); in no order."""
        return pl.concat(self._ids).join(self._summed(), on="hash").select(self._column, "rows")

    def _summed(self) -> pl.DataFrame:
        return pl.concat(self._rows).group_by("hash").agg(pl.col("rows").sum())


def _alone(frame: pl.DataFrame) -> pl.DataFrame:
    """A copy that holds its own texts: as Polars keeps them they would be views that hold on to all texts of the block."""
    copied = pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    if not isinstance(copied, pl.DataFrame):
        raise TypeError("a table came back as a column")
    return copied


class Measuring:
    """Takes in the passing rows of a delivery's own table."""

    def __init__(self) -> None:
        self.items = Ids("item_id")
        self.users = Ids("user_id")
        self._days = Counted("day", pl.Date())
        self._prices = Counted("bin", pl.Int32())
        self._moments: list[pl.DataFrame] = []

    def add(self, rows: pl.DataFrame, *, interactions: bool) -> None:
        """One block; of a catalogue only prices are measured."""
        if "price" in rows.columns:
            self._prices.add(_bins(rows["price"]))
        if interactions:
            self.items.add(rows["item_id"])
            self.users.add(rows["user_id"])
            self._days.add(rows["timestamp"].dt.date())
            self._moments.append(rows.select(first=pl.col("timestamp").min(), last=pl.col("timestamp").max()))

    @property
    def measures(self) -> Measures:
        """What has been measured so far."""
        moments = pl.concat(self._moments) if self._moments else None
        return Measures(
            first_event=moments["first"].min() if moments is not None else None,  # type: ignore[arg-type]
            last_event=moments["last"].max() if moments is not None else None,  # type: ignore[arg-type]
            weekday_rows=self._weekdays("rows"),
            weekday_days=self._weekdays("days"),
            **price_level(self._prices.counts),
            items=self.items.different,
            users=self.users.different,
        )

    def _weekdays(self, what: str) -> tuple[int, ...]:
        by = self._days.counts.group_by((pl.col("day").dt.weekday() - 1).alias("weekday")).agg(pl.len().alias("days"), pl.col("rows").sum())
        told = dict(by.select("weekday", what).rows())
        return tuple(told.get(day, 0) for day in range(7))


def _bins(prices: pl.Series) -> pl.Series:
    above = pl.when((pl.col("price") > 0) & pl.col("price").is_finite()).then(pl.col("price"))
    return prices.alias("price").to_frame().select((above.log() * BINS).floor().cast(pl.Int32).alias("bin"))["bin"]


def price_level(counts: pl.DataFrame) -> dict[str, Any]:
    """``priced``, ``median_price`` and ``price_spread`` from ``bin`` and ``rows``, by bin."""
    total = int(counts["rows"].sum())
    if not total:
        return {"priced": 0, "median_price": None, "price_spread": None}
    low, middle, high = (_quantile(counts, total, share) for share in (0.25, 0.5, 0.75))
    spread = (high - low) / QUARTILES_OF_A_NORMAL
    return {"priced": total, "median_price": math.exp(middle), "price_spread": spread}


def _quantile(counts: pl.DataFrame, total: int, share: float) -> float:
    """The logarithm of the price below which ``share`` of the rows lie, as the middle of its bin."""
    place = int((counts["rows"].cum_sum() < share * total).sum())
    return (int(counts["bin"][place]) + 0.5) / BINS
