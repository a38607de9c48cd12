"""Features of when and how a user browses: sessions from gaps in time, parts of the day, days of the week, views and carts."""

from __future__ import annotations

import polars as pl

from outfitter.features.rows import MICROSECONDS_A_DAY, as_day, in_last, pair
from outfitter.features.spec import DAY_PARTS, SESSION_GAP_MINUTES, WEEKDAYS

MICROSECONDS_A_MINUTE = 60_000_000
LOOKS = ("view", "click")
THURSDAY = WEEKDAYS.index("thursday")  # the weekday of 1970-01-01


def browsing(rows: pl.DataFrame) -> pl.DataFrame:
    """user_key and the browsing, session, tenure and recency features. rows: of ``known_rows``, in order; all events count."""
    gap = pl.col("moment") - pl.col("moment").shift(1)
    newcomer = pl.col("user_key") != pl.col("user_key").shift(1)
    begins = (newcomer | (gap > SESSION_GAP_MINUTES * MICROSECONDS_A_MINUTE)).fill_null(True)
    stepped = rows.with_columns(
        begins.alias("begins"),
        pl.when(begins).then(0).otherwise(gap).alias("within"),
        (pl.col("moment") % MICROSECONDS_A_DAY > 0).alias("timed"),
    )
    total = stepped.group_by("user_key", maintain_order=True).agg(
        as_day(pl.col("moment").first()).alias("first_event_day"),
        as_day(pl.col("moment").last()).alias("last_event_day"),
        (pl.col("event").is_in(LOOKS) & in_last(30)).sum().alias("views_30d"),
        ((pl.col("event") == "cart") & in_last(30)).sum().alias("carts_30d"),
        *_sessions(),
    )
    return total.join(_habits(stepped), on="user_key", how="left").join(_followed_looks(rows), on="user_key", how="left")


def _sessions() -> list[pl.Expr]:
    begins, moment = pl.col("begins"), pl.col("moment")
    starts = moment.filter(begins)
    minutes = pl.col("within").sum() / MICROSECONDS_A_MINUTE / begins.sum()
    return [
        (begins & in_last(30)).sum().alias("sessions_30d"),
        (pl.len() / begins.sum()).alias("session_events"),
        pl.when(pl.col("timed").any()).then(minutes).alias("session_minutes"),
        pl.when(begins.sum() > 1).then(as_day(starts.last() - starts.first()) / (begins.sum() - 1)).alias("session_gap_days"),
    ]


def _habits(rows: pl.DataFrame) -> pl.DataFrame:
    """The shares of the parts of the day and of the days of the week over the last year."""
    part = pl.col("moment") % MICROSECONDS_A_DAY // (MICROSECONDS_A_DAY // len(DAY_PARTS))
    weekday = (pl.col("day") + THURSDAY) % len(WEEKDAYS)
    year = rows.filter(in_last(365)).with_columns(part.alias("part"), weekday.alias("weekday"))
    return year.group_by("user_key", maintain_order=True).agg(
        *((pl.col("part") == number).filter(pl.col("timed")).mean().alias(f"hours_{name}") for number, name in enumerate(DAY_PARTS)),
        *((pl.col("weekday") == number).mean().alias(f"weekday_{name}") for number, name in enumerate(WEEKDAYS)),
    )


def _followed_looks(rows: pl.DataFrame) -> pl.DataFrame:
    """Of the items looked at in the last 90 days, the share that were taken in them."""
    recent = rows.filter(in_last(90)).with_columns(pair("user_key", "item_key").alias("pair"))
    looked = recent.filter(pl.col("event").is_in(LOOKS)).unique("pair", maintain_order=True)
    taken = recent.filter("target").select("pair").unique().to_series()
    followed = looked.with_columns(pl.col("pair").is_in(taken.implode()).alias("view_to_purchase_90d"))
    return followed.group_by("user_key", maintain_order=True).agg(pl.col("view_to_purchase_90d").mean())
