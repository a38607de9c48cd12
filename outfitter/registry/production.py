"""What is in production and how it got there: every move of the alias ``champion`` has its row in ``promotions``, whoever made it.

A row is written first, and holds from then on; the alias follows, and a tag on the registered model names the row that it carries out.
So a killed run leaves one of two states: the tag is behind the rows, and the alias is moved to where the newest row says; or both agree,
and an alias that points elsewhere was moved by hand, in MLflow's page or by its API, which gets a row of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from models.checkpoint import read
from outfitter.errors import ModelError, OvertakenError
from outfitter.lake import stages
from outfitter.lake.tables import Lake
from outfitter.registry.gate import Decision
from outfitter.registry.records import count, write_down
from outfitter.registry.shadow import Shadow
from outfitter.registry.versions import Registry

log = logging.getLogger("outfitter.registry")

By = Literal["by hand", "rolled back", "moved outside"]
"""Verdicts that no gate gave: ``outfitter models promote`` and ``rollback``, and an alias that was moved without Outfitter."""
LOOK = "'outfitter models list' shows what is in production; run the same command again if it is still wanted."


@dataclass(frozen=True)
class Move:
    """One row of the history: since when a version is in production, and why."""

    decision_id: str
    decided_at: datetime
    verdict: str
    reason: str
    version: str


def history(lake: Lake) -> list[Move]:
    """What was in production, oldest first; decisions that changed nothing are left out."""
    rows = lake.scan("promotions").filter(pl.col("version").is_not_null()).sort("sequence").collect()
    return [Move(**row) for row in rows.select("decision_id", "decided_at", "verdict", "reason", "version").iter_rows(named=True)]


def settle(lake: Lake, registry: Registry, at: datetime) -> Move | None:
    """Carry out the newest row where a killed run did not, or write down what was moved without one; returns what is in production."""
    moves, champion = history(lake), registry.alias()
    newest = moves[-1] if moves else None
    if newest is not None and (champion is None or registry.carried_out() != newest.decision_id):
        return _point_at(registry, newest)
    if champion is None or (newest is not None and champion == newest.version):
        return newest
    before = f"version {newest.version}" if newest else "nothing"
    return move(lake, registry, champion, "moved outside", f"the alias was moved from {before} without Outfitter", at)


def _point_at(registry: Registry, newest: Move) -> Move:
    """A version that was deleted cannot be pointed at, which is for whoever wants to use it to find out."""
    try:
        registry.promote(newest.version, newest.decision_id)
    except ModelError as error:
        log.warning("version %s should be in production: %s", newest.version, error.message)
    return newest


def fall_back(lake: Lake, registry: Registry, at: datetime) -> None:
    """Put the last version that is whole into production where the files of the present one are gone, and write down why.

    Raises ModelError when none is.
    """
    why = ""
    for number in dict.fromkeys(one.version for one in reversed(history(lake))):
        try:
            read(registry.version(number).path)
        except ModelError as error:
            why = why or f"version {number} cannot be used: {error.message}"
            continue
        if why:
            log.warning("version %s is put into production: %s", number, why)
            move(lake, registry, number, "rolled back", why, at)
        return
    if why:
        raise ModelError(
            f"no version that was in production can be used; {why}", "Restore the artifacts from a backup, or promote another."
        )


def move(lake: Lake, registry: Registry, version: str, verdict: By, reason: str, at: datetime, shadow: Shadow | None = None) -> Move:
    """Put a registered version into production without a gate, and write down who did and why.

    shadow: what it was found to show in the shadow, where that was looked at. Raises OvertakenError when another move came first, or is
    only half carried out: then nothing is moved.
    """
    number = count(lake)
    _refuse_half_done(lake, registry)
    decision_id = stages.fingerprint("move", number=number, version=version, verdict=verdict)
    before = registry.alias()
    decision = Decision(verdict, reason, registry.model_of(version), registry.model_of(before) if before else None, shadow=shadow)
    try:
        write_down(lake, decision_id, decision, version, registry.tags(version).get("outfitter.snapshot"), at, number)
    except OvertakenError as error:
        raise OvertakenError(f"version {version} was not put into production: {_newest(lake)}", LOOK) from error
    registry.promote(version, decision_id)
    return Move(decision_id, at, verdict, reason, version)


def _refuse_half_done(lake: Lake, registry: Registry) -> None:
    """The row of a move holds before its alias is set: a second move in between would leave the alias to whoever is slower."""
    moves = history(lake)
    if moves and registry.carried_out() != moves[-1].decision_id:
        raise OvertakenError(f"a move is under way: {_newest(lake)}", LOOK)


def _newest(lake: Lake) -> str:
    newest = history(lake)[-1]
    return f"meanwhile version {newest.version} was ({newest.verdict}: {newest.reason})"


def before_last(lake: Lake) -> str:
    """The version that was in production before the present one. Raises ModelError when there was none."""
    moves = history(lake)
    earlier = [one.version for one in moves if one.version != moves[-1].version]
    if not earlier:
        raise ModelError("there is no earlier version to go back to", "'outfitter models list' shows all there are; name one with --to.")
    return earlier[-1]
