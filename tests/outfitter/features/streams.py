"""A shop that delivers day by day, with late, corrected and withdrawn rows, and a catalogue that changes its mind."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from outfitter.features.compute import item_rows, user_rows
from outfitter.features.packing import packed_items, packed_users
from outfitter.lake.snapshot import Snapshot, take_snapshot
from outfitter.lake.tables import Lake
from tests.outfitter.lake.frames import NOW, Arrival, arrival, bought, founded, ingest, listed

TARGETS = ("purchase", "rent", "rating")
USERS, ITEMS = 40, 15
CATEGORIES = ("coat", "shirt", "shoe")
EVENTS = ("purchase", "purchase", "rent", "view", "cart")
DAY = timedelta(days=1)


def day_of(number: int, seed: int, users: int = USERS, rows: int = 12) -> pl.DataFrame:
    """INTERACTION_FRAME of one day, with its last event at its very end."""
    rng = np.random.default_rng((seed, number + 10_000))
    told = [
        (
            f"u{rng.integers(users)}",
            f"i{rng.integers(ITEMS)}",
            number - (0 if last else float(rng.random())),
            str(rng.choice(EVENTS)),
            float(rng.choice([0, 5, 8, 10, 20, 40])),
        )
        for last in [True, *[False] * (rows - 1)]
    ]
    return bought(*told)


def catalogue(seed: int, name: str, day: int) -> Arrival:
    """Most items described, differently under another seed."""
    rng = np.random.default_rng(seed)
    frames = [
        listed(f"i{item}", category=str(rng.choice(CATEGORIES)), colour=str(rng.choice(["red", "blue"]))) for item in range(ITEMS - 2)
    ]
    return arrival(f"{name}-{seed}", name, day, items=pl.concat(frames))


def delivery(number: int, seed: int, version: int = 0) -> Arrival:
    """One day's file; a later version of it has other rows."""
    return arrival(f"day{number}v{version}", f"day{number}", number + version, day_of(number, seed + version))


def opened(root: Path, seed: int = 0) -> Lake:
    """A lake with a history of 450 days in one delivery (so that every window has an end in it), a day and a catalogue."""
    lake = founded(root)
    history = pl.concat([day_of(-number, seed, rows=3) for number in range(9, 450, 2)])
    ingest(lake, catalogue(seed, "articles", -460), arrival("history", "history", -9, history), delivery(0, seed))
    return lake


def snapshot(lake: Lake) -> Snapshot:
    return take_snapshot(lake, NOW)


def whole(taken: Snapshot, cutoff: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The packed rows of everybody and everything, computed from nothing."""
    stamp = pl.lit(cutoff).alias("cutoff")
    users = pl.concat(user_rows(taken, cutoff, TARGETS)).with_columns(stamp).sort("user_key")
    return packed_users(users), packed_items(item_rows(taken, cutoff, TARGETS).with_columns(stamp)).sort("item_key")


STEPS = ("a day", "a late file", "a corrected file", "a file taken back", "another catalogue", "hours later", "a whole dump a day longer")


def step(lake: Lake, name: str, number: int, seed: int) -> None:
    """Let the lake take in what ``name`` says, on day ``number``."""
    dump = pl.concat([day_of(day, seed + 50, rows=4) for day in range(-30, number)])
    deliveries = {
        "a day": [delivery(number, seed)],
        "a late file": [delivery(number, seed), arrival(f"late{number}", f"late{number}", number, day_of(-50, seed + number, rows=6))],
        "a corrected file": [delivery(number, seed), delivery(number - 1, seed, version=1)],
        "a file taken back": [delivery(number, seed), arrival(f"few{number}", "history", number, day_of(-20, seed, users=9))],
        "another catalogue": [delivery(number, seed), catalogue(seed + number, "articles", number)],
        "hours later": [
            arrival(f"hours{number}", f"hours{number}", number, bought(("u1", "i1", number - 0.9), ("u2", "i2", number - 0.8)))
        ],
        "a whole dump a day longer": [arrival(f"dump{number}", "dump", number, dump)],
    }
    ingest(lake, *deliveries[name])
