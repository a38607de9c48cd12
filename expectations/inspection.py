"""One delivery, block by block: which rows the lake may take, which are set aside and why, and what is to be remembered of them all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import polars as pl

from expectations import docs as data_docs
from expectations import interactions, items, users
from expectations.guard import quiet
from expectations.judging import Bench
from expectations.measuring import Measuring
from expectations.profile import Profile
from expectations.repeats import REPEAT, SAME_INTERACTION, SAME_ITEM, SAME_USER, Repeats
from expectations.results import failed_rows
from expectations.runner import check_rows
from expectations.tally import Tally
from outfitter.datasets.base import Frames, Role
from outfitter.schema import INTERACTION_FRAME, ITEM_FRAME, USER_FRAME, conform

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite

SET_ASIDE = {"table": pl.String(), "row": pl.Int64(), "reasons": pl.List(pl.String()), "content": pl.String()}
TABLES: tuple[Role, ...] = ("interactions", "users", "items")
SCHEMAS = {"interactions": INTERACTION_FRAME, "users": USER_FRAME, "items": ITEM_FRAME}
SAME = {"interactions": SAME_INTERACTION, "users": SAME_USER, "items": SAME_ITEM}


@dataclass(frozen=True)
class Sifted:
    """What a block became: frames in the frame schemas, None where the adapter gave none, and ``quarantine`` in ``SET_ASIDE``."""

    interactions: pl.DataFrame | None
    items: pl.DataFrame | None
    users: pl.DataFrame | None
    quarantine: pl.DataFrame


@dataclass(frozen=True)
class Findings:
    """What is known after the last block. items_met, users_met: ``item_id`` or ``user_id`` and ``rows`` of the passing interactions."""

    profile: Profile
    items_met: pl.DataFrame
    users_met: pl.DataFrame


class Inspection:
    """Holds the blocks of the delivery ``name`` to the row-level suites, in memory bounded by the block.

    What grows with the delivery are different ids and, where identical rows are errors, 24 bytes a row. Beside interactions, items and
    users are derived from them: the first mention counts and later ones are dropped without a word.
    """

    def __init__(self, bench: Bench, name: str, role: Role) -> None:
        self._bench, self._name, self._role = bench, name, role
        self._repeats = {table: Repeats(SAME[table]) for table in TABLES if self._looks_for_repeats(table)}
        self._suites: dict[str, ExpectationSuite] = {}
        self._tallies: dict[str, Tally] = {}
        self._measuring = Measuring()
        self._rows = self._aside = 0
        self._missing: dict[str, None] = {}

    def take(self, frames: Frames) -> Sifted:
        """Sift the next block. A column that a frame lacks is taken for empty, and rejects the delivery when it is concluded."""
        sifted: dict[str, pl.DataFrame | None] = dict.fromkeys(TABLES)
        aside = [pl.DataFrame(schema=SET_ASIDE)]
        for table in TABLES:
            frame: pl.DataFrame | None = getattr(frames, table)
            if frame is not None:
                sifted[table], bad = self._sift(self._whole(frame, table), table)
                aside.append(bad)
        return Sifted(sifted["interactions"], sifted["items"], sifted["users"], pl.concat(aside))

    def finish(self) -> Findings:
        """What was found over all blocks; the rows' results go to the data docs, a page for each table."""
        with quiet():
            for table, tally in self._tallies.items():
                if tally.outcome is not None:
                    data_docs.add_page(self._bench.docs, self._suites[table], tally.outcome.key, tally.summed())
        tallies = [self._tallies[table] for table in TABLES if table in self._tallies]
        checks = tuple(one for tally in tallies for one in tally.checks)
        digest = hashlib.sha256("".join(tally.digest for tally in tallies).encode()).hexdigest()
        profile = Profile(self._rows, self._aside, tuple(self._missing), checks, self._measuring.measures, digest)
        return Findings(profile, self._measuring.items.counts, self._measuring.users.counts)

    def _looks_for_repeats(self, table: Role) -> bool:
        return table != "interactions" or self._bench.adapter.identical_rows == "duplicate"

    def _whole(self, frame: pl.DataFrame, table: Role) -> pl.DataFrame:
        """``frame`` with all columns of its schema, and ``repeat_of`` where repeats are looked for."""
        self._missing.update({f"{table}: {name}": None for name in SCHEMAS[table] if name not in frame.columns})
        frame = conform(frame, SCHEMAS[table])
        if table not in self._repeats:
            return frame
        marked = self._repeats[table].mark(frame)
        return marked if table == self._role else marked.filter(pl.col(REPEAT).is_null())

    def _sift(self, frame: pl.DataFrame, table: Role) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows that pass, and those set aside."""
        failed = self._failed(frame, table)
        rows = frame.drop(REPEAT, strict=False)
        good = rows.filter(~pl.int_range(pl.len()).is_in(failed["position"].implode())) if failed.height else rows
        if table == self._role:
            self._rows += frame.height
            self._aside += failed.height
            self._measuring.add(good, interactions=table == "interactions")
        return good, _set_aside(rows, table, failed)

    def _failed(self, frame: pl.DataFrame, table: Role) -> pl.DataFrame:
        if table not in self._suites:
            self._suites[table], self._tallies[table] = self._suite(table), Tally(table)
        if frame.is_empty():
            return failed_rows([], frame, "sequence")
        outcome = check_rows(frame, self._suites[table], f"{table}: {self._name}")
        self._tallies[table].add(outcome, frame["sequence"])
        return failed_rows(outcome.results, frame, "sequence")

    def _suite(self, table: Role) -> ExpectationSuite:
        bench = self._bench
        share = bench.settings.max_bad_share
        if table == "items":
            return items.suite(max_bad_share=share)
        if table == "users":
            return users.suite(latest=bench.now, max_bad_share=share)
        events, duplicates = sorted(bench.settings.events), table in self._repeats
        timed = not bench.adapter.synthetic_time
        return interactions.suite(latest=bench.now, events=events, max_bad_share=share, duplicates=duplicates, timed=timed)


def _set_aside(frame: pl.DataFrame, table: str, failed: pl.DataFrame) -> pl.DataFrame:
    """The rows at the positions of ``failed`` as the quarantine keeps them."""
    rows = frame[failed["position"]] if failed.height else frame.clear()
    content = [_json(row) for row in rows.iter_rows(named=True)]
    named = rows.select(
        pl.lit(table).alias("table"), pl.col("sequence").alias("row"), failed["reasons"], pl.Series("content", content, dtype=pl.String)
    )
    return named.select(pl.col(name).cast(dtype) for name, dtype in SET_ASIDE.items())


def _json(row: Mapping[str, Any]) -> str:
    """The row as JSON, which has no word for a number that is none: it is told in text."""
    told = {name: str(value) if isinstance(value, float) and not isfinite(value) else value for name, value in row.items()}
    return json.dumps(told, default=str, ensure_ascii=False, allow_nan=False)
