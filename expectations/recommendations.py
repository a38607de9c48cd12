"""What a batch of recommendations is held to before anybody sees it: a single bad list stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from expectations.rules import row, table, whole
from outfitter.schema import Schema

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.expectation import Expectation

SUMMARY: Schema = {
    "user_key": pl.Int32(),
    "n_items": pl.Int64(),
    "n_distinct": pl.Int64(),
    "n_missing": pl.Int64(),  # how many more items the user could have been shown, up to k
    "n_unavailable": pl.Int64(),  # items that may not be shown
    "n_seen": pl.Int64(),  # items the user had before
    "ordered": pl.Boolean(),  # no score is above the one before it
    "finite": pl.Boolean(),  # as many scores as items, and every one a finite number
}


def suite(*, k: int, users: int, repeats: bool) -> ExpectationSuite:
    """The suite for frames in ``SUMMARY``, one row a list.

    k: the longest a list may be. users: how many lists there must be. repeats: what a user had before may be shown again.
    """
    import great_expectations as gx

    from expectations.vocabulary import Rows

    number = table(f"the number of users is not {users:,}")
    count = Rows(min_value=users, max_value=users, meta=number)
    fresh = [] if repeats else [_none("n_seen", "an item was bought before")]
    return gx.ExpectationSuite(name="recommendations", expectations=[*whole(list(SUMMARY)), count, *_lists(k), *fresh, *_scores()])


def _lists(k: int) -> list[Expectation]:
    from expectations.vocabulary import Alike, Between, Present, Unique

    known, once = row("user key is missing", "lists"), row("user has more than one list", "lists")
    return [
        Present(column="user_key", meta=known),
        Unique(column="user_key", meta=once),
        Between(column="n_items", max_value=k, meta=row(f"the list has more than {k} items", "lists")),
        _none("n_missing", "the list is shorter than it could be"),
        Alike(column_A="n_items", column_B="n_distinct", meta=row("an item stands in the list twice", "lists")),
        _none("n_unavailable", "an item is not available"),
    ]


def _none(column: str, reason: str) -> Expectation:
    from expectations.vocabulary import Between

    return Between(column=column, max_value=0, meta=row(reason, "lists"))


def _scores() -> list[Expectation]:
    from expectations.vocabulary import OneOf

    words = {"ordered": "scores are not in descending order", "finite": "a score is missing or not a finite number"}
    return [OneOf(column=column, value_set=[True], meta=row(said, "lists")) for column, said in words.items()]


def summary(lists: pl.DataFrame, *, k: int, available: pl.Series, seen: pl.DataFrame, repeats: bool) -> pl.DataFrame:
    """``SUMMARY``: one row for every row of ``lists`` (``user_key``, ``items``, ``scores``), in its order.

    k: the length a list should have. available: the item keys that may be shown. seen: ``user_key`` and ``item_key`` of what users
    had before; pairs may repeat. repeats: what a user had before may be shown again, so it does not shorten what is left to show.
    """
    shown = lists.select("user_key", pl.col("items").alias("item_key")).with_row_index("list").explode("item_key").drop_nulls("item_key")
    barred = shown.filter(~pl.col("item_key").is_in(available.implode())).group_by("list").len("n_unavailable")
    had = shown.join(seen.unique(), on=["user_key", "item_key"], how="semi").group_by("list").len("n_seen")
    counted = lists.with_row_index("list").join(barred, on="list", how="left", maintain_order="left")
    counted = counted.join(had, on="list", how="left", maintain_order="left")
    counted = counted.join(_left(available, seen, repeats), on="user_key", how="left", maintain_order="left")
    left = pl.col("left").fill_null(available.n_unique())
    counted = counted.with_columns(pl.col("n_unavailable", "n_seen").fill_null(0), *_of_lists())
    return counted.with_columns((pl.min_horizontal(left, pl.lit(k)) - pl.col("n_items")).alias("n_missing")).select(
        pl.col(name).cast(dtype) for name, dtype in SUMMARY.items()
    )


def _left(available: pl.Series, seen: pl.DataFrame, repeats: bool) -> pl.DataFrame:
    """user_key, left: how many available items a user has not had, for those who had some."""
    had = seen.unique().filter(pl.col("item_key").is_in(available.implode()) & (not repeats))
    return had.group_by("user_key").agg((available.n_unique() - pl.len().cast(pl.Int64)).alias("left"))


def _of_lists() -> list[pl.Expr]:
    """What a list's two columns tell by themselves."""
    items, scores = pl.col("items"), pl.col("scores")
    same_length = (items.list.len() == scores.list.len()).fill_null(value=False)
    element = pl.element()
    return [
        items.list.len().fill_null(0).alias("n_items"),
        items.list.n_unique().fill_null(0).alias("n_distinct"),
        (scores.list.eval(element.diff() > 0).list.any().not_()).fill_null(value=False).alias("ordered"),
        (same_length & scores.list.eval(element.is_finite().fill_null(value=False)).list.all()).fill_null(value=False).alias("finite"),
    ]
