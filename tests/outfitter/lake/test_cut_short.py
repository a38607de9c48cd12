"""A process killed between any two commits of a delivery: what the next run makes of it, whatever the source holds by then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outfitter.lake.deliveries import commit
from outfitter.lake.founding import Facts, facts, found
from outfitter.lake.snapshot import take_snapshot
from outfitter.lake.tables import Lake
from outfitter.schema import TABLES
from tests.outfitter.lake.frames import NOW, Arrival, arrival, bought, contents, filled, founded, ingest, listed, people

ROWS = {"users": people("u1", "u2", region="north"), "items": listed("i1", title="old")}
FIRST = arrival("a1", "all.csv", 1, bought(("u1", "i1", -9), ("u2", "i2", -8)), **ROWS, set_aside=2)
SECOND = arrival("a2", "all.csv", 2, bought(("u1", "i1", -9), ("u3", "i3", -6)), people("u3"), listed("i1", title="new"), set_aside=1)
FIRST_AGAIN = arrival("a1", "all.csv", 4, FIRST.rows["interactions"], **ROWS, set_aside=2)
BROKEN = arrival("a4", "all.csv", 5, bought(("u1", "i4", -5)), stopped="too many bad rows")
OTHER = arrival("b1", "other.csv", 1, bought(("u4", "i1", -4)))
MOST_WRITES = 12


class KilledError(BaseException):
    """Nothing may catch this, as nothing catches ``kill -9``."""


def killed(monkeypatch: pytest.MonkeyPatch, method: str, after: int, work: Callable[[], Any]) -> bool:
    """Run ``work`` and kill it in place of the call of a lake's ``method`` that follows ``after`` calls; says whether it was."""
    left, real = after, getattr(Lake, method)

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if not left:
            raise KilledError
        left -= 1
        return real(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Lake, method, counted)
        try:
            work()
        except KilledError:
            return True
    return False


# what the lake holds; what is cut short; what comes next; what must count when the ledger never heard of the one cut short
STORIES: dict[str, tuple[list[Arrival], Arrival, list[Arrival], list[Arrival]]] = {
    "a newer version comes again": ([FIRST], SECOND, [SECOND, OTHER], [SECOND, OTHER]),
    "a first delivery is mended meanwhile": ([], FIRST, [SECOND], [SECOND]),
    "a first delivery is taken away": ([], FIRST, [OTHER], [OTHER]),
    "a newer version is taken back": ([FIRST], SECOND, [FIRST_AGAIN, OTHER], [FIRST, OTHER]),
    "a newer version breaks": ([FIRST], SECOND, [BROKEN, OTHER], [FIRST, OTHER]),
    "an earlier content is back": ([FIRST, SECOND], FIRST_AGAIN, [FIRST_AGAIN, OTHER], [FIRST, OTHER]),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_commit_cut_short_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: str) -> None:
    before, cut, then, expected = STORIES[story]
    ingest(founded(tmp_path / "before"), *before)
    unheard = contents(filled(tmp_path / "unheard", *expected))
    heard = contents(filled(tmp_path / "heard", *before, cut, *then))
    cuts = 0
    for after in range(MOST_WRITES):
        shutil.copytree(tmp_path / "before", tmp_path / str(after))
        lake = Lake(str(tmp_path / str(after)))
        cut_short = killed(monkeypatch, "append", after, lambda lake=lake: ingest(lake, cut, swept=False))  # type: ignore[misc]
        want = unheard if cut_short else heard
        ingest(lake, *then, swept=False)
        assert contents(take_snapshot(lake, NOW)) == want, f"cut short after {after} appends"
        cuts += cut_short
        if not cut_short:
            break
    assert cuts >= 2
    assert not cut_short


def test_a_sweep_cut_short_is_finished_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = contents(filled(tmp_path / "expected", SECOND, OTHER))
    ingest(founded(tmp_path / "before"), FIRST, SECOND, OTHER, swept=False)
    for after in range(5):
        shutil.copytree(tmp_path / "before", tmp_path / str(after))
        lake = Lake(str(tmp_path / str(after)))
        assert killed(monkeypatch, "delete_rows", after, lambda lake=lake: take_snapshot(lake, NOW)) is (after < 4)  # type: ignore[misc]
        assert contents(take_snapshot(lake, NOW)) == want
        assert lake.read("snapshots").height == 1


def test_a_second_commit_of_the_same_delivery_changes_nothing(tmp_path: Path) -> None:
    """As when the process dies right after the last write, before it could say so."""
    lake = founded(tmp_path / "lake")
    ingest(lake, FIRST)
    before = contents(take_snapshot(lake, NOW))
    versions = {table: lake.version(table) for table in TABLES}
    commit(lake, FIRST.delivery, FIRST.judgement, FIRST.staged(tmp_path / "staged"), 2, NOW)
    assert {table: lake.version(table) for table in TABLES} == versions
    assert contents(take_snapshot(lake, NOW)) == before
    assert lake.read("deliveries").height == 1


def test_founding_cut_short_is_finished_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for after in range(len(TABLES) + 2):
        lake = Lake(str(tmp_path / str(after)))
        cut_short = killed(monkeypatch, "create", after, lambda lake=lake: found(lake, 4, "vibrent", NOW))  # type: ignore[misc]
        assert facts(lake) == (None if cut_short else Facts(4, "vibrent"))
        assert found(lake, 8, "vibrent", NOW) == Facts(8 if cut_short else 4, "vibrent")
        assert lake.read("lake").height == 1
    assert not cut_short
