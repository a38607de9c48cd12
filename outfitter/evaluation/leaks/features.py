"""The as-of check: what models get is what a computation gives that cannot see anything later; and the canary that tries the check."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from outfitter.evaluation.leaks.differences import differences
from outfitter.evaluation.leaks.report import Check
from outfitter.evaluation.leaks.sample import STAMP, Sample, recomputed, targets_of
from outfitter.evaluation.training import Material, joined_by_feast
from outfitter.features.asof import WEEK
from outfitter.features.spec import ITEM_FEATURES, USER_FEATURES, names
from outfitter.lake.snapshot import Snapshot

LISTED = 5
MENDED = "Mend the computation in outfitter/features or its join, raise FEATURES_VERSION in outfitter/features/spec.py, and run again."
BLIND = "Mend 'differences' in outfitter/evaluation/leaks/differences.py: while it is blind, nothing that it passed is shown to be clean."


@dataclass(frozen=True)
class Side:
    """Rows of users or of items, with ``cutoff`` and their key. learnt: as models get them, with the ``source``; known: by brute force."""

    kind: str
    columns: list[str]
    learnt: pl.DataFrame
    known: pl.DataFrame

    @property
    def keys(self) -> list[str]:
        return ["cutoff", f"{self.kind}_key"]

    def expected(self, weeks_later: int = 0) -> pl.DataFrame:
        """What could be known of each row of ``learnt``, in its order; nulls where nothing was."""
        asked = self.learnt.select(pl.col("cutoff") + weeks_later * WEEK, self.keys[1])
        return asked.join(self.known, on=self.keys, how="left", maintain_order="left").select(self.columns)

    def followed(self) -> Side:
        """Only the rows whose next week was computed as well."""
        return replace(self, learnt=self.learnt.filter((pl.col("cutoff") + WEEK).is_in(self.known["cutoff"].unique().implode())))


def sides(material: Material, sample: Sample, with_rows: bool) -> tuple[Side, Side]:
    """The users' and the items' side of the sample. with_rows: whether some model learns from rows that Feast joins."""
    known_users, known_items = recomputed(material, sample)
    users = [_from(sample.profiles, "the exam's profiles")]
    items = [_from(material.rows("item_features", week), "the item rows") for week in sample.weeks[: sample.item_weeks]]
    if with_rows and sample.rows.height:
        joined = _from(joined_by_feast(material, sample.rows), "the training rows")
        users.append(joined)
        items.append(joined.filter(pl.col("cutoff").is_in(known_items["cutoff"].unique().implode())))
    user, item = ([*names(USER_FEATURES), "last_items"], names(ITEM_FEATURES))
    return _side("user", user, users, known_users), _side("item", item, items, known_items)


def _from(rows: pl.DataFrame, source: str) -> pl.DataFrame:
    return rows.with_columns(pl.lit(source).alias("source"), pl.col("cutoff").cast(STAMP))


def _side(kind: str, columns: list[str], parts: list[pl.DataFrame], known: pl.DataFrame) -> Side:
    key = f"{kind}_key"
    learnt = pl.concat([part.select("cutoff", pl.col(key).cast(pl.Int32), "source", *columns) for part in parts])
    return Side(kind, columns, learnt, known.select("cutoff", pl.col(key).cast(pl.Int32), *columns))


def check_features(snapshot: Snapshot, both: tuple[Side, Side]) -> Check:
    """Whether every value that models get could be known at the newest cut-off strictly before the event, or at the exam's moment."""
    figures = {f"{side.kind}_rows": side.learnt.height for side in both}
    found = [(side, differences(side.learnt, side.expected(), side.columns)) for side in both]
    figures["differing"] = sum(wrong["row"].n_unique() for _, wrong in found)
    for side, wrong in found:
        if wrong.height:
            return Check("as-of features", False, _told(snapshot, side, wrong), figures, MENDED)
    weeks = ", ".join(f"{week:%Y-%m-%d}" for week in sorted(both[0].known["cutoff"].unique()))
    told = f"{figures['user_rows']:,} user rows and {figures['item_rows']:,} item rows are what data cut off at {weeks} give"
    return Check("as-of features", True, told, figures, tried=any(side.learnt.height for side in both))


def _told(snapshot: Snapshot, side: Side, wrong: pl.DataFrame) -> str:
    first = wrong.row(0, named=True)
    row = side.learnt.row(first["row"], named=True)
    features = wrong["feature"].unique(maintain_order=True).to_list()
    more = f" and {len(features) - LISTED} more" if len(features) > LISTED else ""
    return (
        f"feature '{first['feature']}' of {_named(snapshot, side.kind, row[side.keys[1]])} as of {row['cutoff']:%Y-%m-%d %H:%M} is "
        f"{first['learnt']} in {row['source']}, and {first['known']} when everything later is removed first; "
        f"{wrong['row'].n_unique():,} of {side.learnt.height:,} {side.kind} rows differ, in {', '.join(features[:LISTED])}{more}"
    )


def _named(snapshot: Snapshot, kind: str, key: int) -> str:
    rows = snapshot.users() if kind == "user" else snapshot.items()
    found = rows.filter(pl.col(f"{kind}_key") == key).select(f"{kind}_id").collect().to_series()
    return f"{kind} '{found[0]}'" if len(found) else f"{kind} with key {key}"


def check_last_items(material: Material, sample: Sample, users: Side) -> Check:
    """Whether ``last_items`` holds only what the user had taken by the cut-off, by the interactions themselves."""
    listed = users.learnt.select("cutoff", "user_key", "source", pl.col("last_items").alias("item_key")).explode("item_key")
    listed = listed.drop_nulls("item_key").with_columns(pl.col("item_key").cast(pl.Int32))
    mine = pl.col("bucket").is_in(sample.buckets) & pl.col("user_key").is_in(sample.users.implode())
    taken = material.snapshot.scan("interactions").filter(mine & pl.col("event").is_in(targets_of(material.settings)))
    first = taken.group_by("user_key", "item_key").agg(pl.col("timestamp").min().alias("first")).collect()
    held = listed.join(first, on=["user_key", "item_key"], how="left", maintain_order="left")
    wrong = held.filter(pl.col("first").is_null() | (pl.col("first") > pl.col("cutoff")))
    figures = {"listed_items": listed.height, "listed_too_early": wrong.height}
    if wrong.is_empty():
        told = f"{listed.height:,} listed items had all been taken by the cut-off"
        return Check("last items", True, told, figures, tried=listed.height > 0)
    row = wrong.row(0, named=True)
    who, what = _named(material.snapshot, "user", row["user_key"]), _named(material.snapshot, "item", row["item_key"])
    when = f"taken on {row['first']:%Y-%m-%d %H:%M}" if row["first"] else "never taken"
    told = f"last_items of {who} as of {row['cutoff']:%Y-%m-%d %H:%M} in {row['source']} holds {what}, {when}"
    return Check("last items", False, f"{told}; {wrong.height:,} of {listed.height:,} listed items are not of the past", figures, MENDED)


def check_canary(both: tuple[Side, Side]) -> Check:
    """Whether the comparison of ``check_features`` catches a feature that is known a week too early, planted in a copy of the rows."""
    figures: dict[str, int] = {}
    said = []
    for side in (side.followed() for side in both):
        later = side.expected(weeks_later=1)
        feature, moved = _most_moved(side, later)
        if feature is None:
            continue
        planted = side.learnt.with_columns(later[feature])
        found = differences(planted, side.expected(), side.columns).filter(pl.col("feature") == feature)
        figures |= {f"{side.kind}_rows_moved": moved, f"{side.kind}_rows_caught": found["row"].n_unique()}
        said.append(f"'{feature}' of the {side.kind}s: caught in {found['row'].n_unique():,} of the {moved:,} rows that moved")
        if found.is_empty():
            told = f"feature '{feature}' as of one week later, planted in {moved:,} {side.kind} rows, was not caught"
            return Check("planted canary", False, f"the as-of check is blind: {told}", figures, BLIND)
    told = "; ".join(said) or "no feature of the sample moved within a week, so the as-of check could not be tried"
    return Check("planted canary", True, told, figures, tried=bool(said))


def _most_moved(side: Side, later: pl.DataFrame) -> tuple[str | None, int]:
    """The number that is another one a week later in most rows. Counted without ``differences``, which is what is on trial."""
    numbers = [name for name in side.columns if not later.schema[name].is_nested()]
    moved = {name: int(side.learnt[name].ne_missing(later[name]).sum()) for name in numbers}
    feature = max(numbers, key=lambda name: moved[name])
    return (feature, moved[feature]) if moved[feature] else (None, 0)
