"""The shop's customers: how active each is, where and how they shop, and what they like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.knobs import LAST_DAY, Flags, Ints, Reals, Shop, Stream, Vectors
from outfitter.datasets.synthetic.vocabulary import CHANNEL_SHARES, CHANNELS, MEMBERSHIPS, REGIONS

SEGMENTS = 12
DIMENSIONS = 8
CENTRE_SPREAD = 3.4
OWN_SPREAD = 1.2
"""Standard deviations of a segment's and of one person's logits over items, at taste 1."""
ACTIVITY_SPREAD = 0.9
IDLE_SHARE = 0.02
LATE_SHARE = 0.25
MOVED_SHARE = 0.6


@dataclass(frozen=True)
class People:
    """n users.

    ids String[n]; activity float64[n] >= 0, relative; joined float64[n], the share of the history gone when they came, 0 for most;
    segment, second int64[n]: the taste segments they shop by, mostly and now and then; moved int64[n]: their main segment in
    the drift window; own float32[n, DIMENSIONS]: how their taste departs from their segment's; region, channel int64[n]: codes.
    """

    ids: pl.Series
    activity: Reals
    joined: Reals
    segment: Ints
    second: Ints
    moved: Ints
    own: Vectors
    region: Ints
    channel: Ints


def build_people(shop: Shop) -> People:
    """Draw the shop's users; the same for every ``drift``, ``taste`` scaling their tastes alone."""
    rng = shop.rng(Stream.PEOPLE)
    n = shop.users
    ids = hex_ids(rng, n)
    segment = rng.choice(SEGMENTS, n, p=segment_shares())
    own = rng.standard_normal((n, DIMENSIONS), dtype=np.float32) * np.float32(OWN_SPREAD * shop.taste)
    return People(
        ids=ids,
        activity=_activity(rng, n),
        joined=np.where(rng.random(n) < LATE_SHARE, rng.random(n), 0.0),
        segment=segment,
        second=(segment + rng.integers(1, SEGMENTS, n)) % SEGMENTS,
        moved=_moved(shop, segment),
        own=own,
        region=rng.choice(len(REGIONS), n, p=[share for *_, share in REGIONS]),
        channel=rng.choice(len(CHANNELS), n, p=CHANNEL_SHARES),
    )


def segment_centres(shop: Shop) -> Reals:
    """float64[SEGMENTS, DIMENSIONS]: what the people of each segment have in common."""
    return shop.rng(Stream.TASTE).standard_normal((SEGMENTS, DIMENSIONS)) * CENTRE_SPREAD * shop.taste


def users_table(shop: Shop, people: People) -> pl.DataFrame:
    """``users.csv``: who the people say they are. Age and gender lean on the segment, some leave them open."""
    rng = shop.rng(Stream.PEOPLE, part=1)
    n = shop.users
    leaning = shop.rng(Stream.PEOPLE, part=2)
    age = np.clip(leaning.uniform(22, 55, SEGMENTS)[people.segment] + rng.normal(0, 8, n), 16, 90)
    female = rng.random(n) < leaning.uniform(0.25, 0.9, SEGMENTS)[people.segment]
    birth_year = pl.Series("birth_year", LAST_DAY.year - np.round(age).astype(np.int64))
    gender = pl.Series("gender", np.where(female, "female", "male"))
    tier = np.searchsorted(np.quantile(people.activity, [0.5, 0.9]), people.activity, side="right")
    return pl.DataFrame(
        {
            "user_id": people.ids,
            "birth_year": _leave_open(birth_year, rng.random(n) < 0.08),
            "gender": _leave_open(gender, rng.random(n) < 0.1),
            "region": [f"{market}-{region}" for market, region, _ in (REGIONS[code] for code in people.region)],
            "membership": [MEMBERSHIPS[code] for code in tier],
        }
    )


def hex_ids(rng: np.random.Generator, n: int, digits: int = 32) -> pl.Series:
    """String[n]: opaque ids of so many hexadecimal ``digits``, an even number."""
    text = rng.bytes(digits // 2 * n).hex()
    return pl.Series("user_id", [text[i : i + digits] for i in range(0, digits * n, digits)], dtype=pl.String)


def segment_shares() -> Reals:
    """float64[SEGMENTS]: how many of the people belong to each segment, the first being the largest."""
    shares = 1.0 / np.sqrt(np.arange(1, SEGMENTS + 1))
    return np.asarray(shares / shares.sum())


def _activity(rng: np.random.Generator, n: int) -> Reals:
    """Long-tailed; a few registered and never came. At least one person shops, whatever the draw."""
    activity = rng.lognormal(0.0, ACTIVITY_SPREAD, n)
    idle = rng.permutation(n)[: max(1, round(IDLE_SHARE * n))]
    activity[idle] = 0.0
    return activity


def _moved(shop: Shop, segment: Ints) -> Ints:
    rng = shop.rng(Stream.DRIFT)
    elsewhere = (segment + rng.integers(1, SEGMENTS, len(segment))) % SEGMENTS
    return np.where(rng.random(len(segment)) < MOVED_SHARE * shop.drift, elsewhere, segment)


def _leave_open(column: pl.Series, where: Flags) -> pl.Series:
    return column.zip_with(pl.Series(~where), pl.Series(column.name, [None], dtype=column.dtype).new_from_index(0, len(column)))
