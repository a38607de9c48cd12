"""Vibrent's two files by hand, small enough to read, and the ways to spoil them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

OUTFITS_HEADER = "id;name;description;group;retailPrice;outfit_tags;tag_categories\n"
RENTALS_HEADER = "customer.id;outfit.id;rentalPeriod.start;rentalPeriod.end\n"


def outfits(count: int) -> str:
    rows = (f"o{n};Dress {n};Long and green;g{n};{100 + n}.0;['Dresses', 'Green'];['Category', 'Color']\n" for n in range(count))
    return OUTFITS_HEADER + "".join(rows)


def rentals(count: int) -> str:
    """Of six outfits by seven customers, no two rows alike for the first hundred."""
    return RENTALS_HEADER + "".join(f"c{n % 7};o{n % 6};2021-{1 + n % 9:02}-{1 + n % 25:02};2021-12-01\n" for n in range(count))


def shop(folder: Path, outfits_csv: str | bytes | None, rentals_csv: str | bytes | None) -> Path:
    """A folder with the files that are not None."""
    folder.mkdir(parents=True)
    for name, content in (("outfits.csv", outfits_csv), ("rentals.csv", rentals_csv)):
        if content is not None:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def big_shop(folder: Path, rows: int) -> Path:
    """Rentals at random seconds, which hardly compress: about ten bytes a row in the lake."""
    shop(folder, outfits(97), None)
    rng = np.random.default_rng(5)
    start = pl.from_epoch(pl.Series(rng.integers(1_500_000_000, 1_640_000_000, rows)), "s").dt.strftime("%Y-%m-%d %H:%M:%S")
    people, garments = (pl.Series(rng.integers(0, top, rows)).cast(pl.String) for top in (900, 97))
    frame = pl.DataFrame({"customer.id": "c" + people, "outfit.id": "o" + garments, "rentalPeriod.start": start})
    frame.with_columns(pl.lit("2021-12-31").alias("rentalPeriod.end")).write_csv(folder / "rentals.csv", separator=";")
    return folder
