"""A file that cannot be what it is said to be: it is rejected with a clear reason, and keeps nothing else out.

Where there is no source at all, or nothing is left to work with, that reason is the command's one error.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.cli import vibrent
from tests.cli.commands import Call, lake_files, one_clear_error
from tests.conftest import Outcome

MORE = vibrent.outfits(7)  # good, and not in the lake yet: it gets in beside a bad file
GOOD = vibrent.rentals(40)
HEADER, ROWS = GOOD.split("\n", 1)

VIBRENT: dict[str, tuple[str | bytes | None, str | bytes | None, tuple[str, ...]]] = {
    "missing file": (MORE, None, ("lacks rentals.csv", "It holds outfits.csv")),
    "missing column": (
        MORE,
        GOOD.replace("rentalPeriod.start", "start"),
        ("rentals.csv lacks column 'rentalPeriod.start'", "it has 'customer.id'"),
    ),
    "wrong delimiter": (MORE, GOOD.replace(";", ","), ("rentals.csv", "separated by a comma, not by a semicolon", "Export it again")),
    "not UTF-8": (MORE, (GOOD + "c1;o\u00e9;2021-01-01;\n").encode("latin-1"), ("rentals.csv is not UTF-8", "line 42", "iconv")),
    "no date readable": (
        MORE,
        HEADER + "\n" + ROWS.replace("-", "/"),
        ("rentals.csv", "'rentalPeriod.start'", "'2021/01/01' in row 1", "2021-10-11"),
    ),
    "column all empty": (
        MORE,
        HEADER + "\n" + "".join(f";{row.split(';', 1)[1]}\n" for row in ROWS.splitlines()),
        ("rentals.csv: column 'customer.id' is empty in every row", "Check the export"),
    ),
    "0 bytes": (MORE, "", ("rentals.csv is empty (0 bytes)", "Deliver it again")),
    "header only": (MORE, vibrent.RENTALS_HEADER, ("rentals.csv has a header but no rows", "leave it out")),
    "a row too short": (MORE, GOOD + "c1;o1\n", ("rentals.csv, line 42", "2 cells, too few", "Correct that line")),
    "bad catalogue": (MORE.replace("retailPrice", "price"), GOOD, ("outfits.csv lacks column 'retailPrice'", "right file")),
}
PLACES: dict[str, tuple[str, ...]] = {
    "missing folder": ("there is no folder", "nowhere", "Give the folder"),
    "a file as folder": ("a-file is a file", "Give the folder"),
    "truncated Parquet": ("reviews.parquet cannot be read as Parquet", "cut short", "Deliver it again, whole"),
}
CASES = {**{name: expected for name, (_, _, expected) in VIBRENT.items()}, **PLACES}


@dataclass(frozen=True)
class Told:
    """What a command said, and the lake before and after."""

    outcome: Outcome
    before: dict[str, bytes]
    after: dict[str, bytes]


def reviews(file: Path) -> Path:
    """A good file of Rent the Runway's."""
    columns = {"user_id": ["1", "2"] * 20, "item_id": [str(n) for n in range(40)], "rating": [8, 10] * 20, "category": "gown"}
    pl.DataFrame(columns).with_columns(review_date=pl.lit("2017-05-06")).write_parquet(file)
    return file


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory, together: Callable[..., list[Outcome]]) -> dict[str, Path]:
    """Homes with a good small delivery, by source."""
    root = tmp_path_factory.mktemp("ingested")
    vibrent.shop(root / "vibrent", vibrent.outfits(6), vibrent.rentals(30))
    (root / "renttherunway").mkdir()
    reviews(root / "renttherunway" / "reviews.parquet")
    homes = {source: root / f"home-{source}" for source in ("vibrent", "renttherunway")}
    for outcome in together([Call(home, ("ingest", "--source", source, "--path", root / source)) for source, home in homes.items()]):
        assert outcome.code == 0, outcome.stderr
    return homes


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, ingested: dict[str, Path], together: Any) -> dict[tuple[str, str], Told]:
    """Every bad folder, given to a copy of a used home and to a new one. Their paths hold spaces, which must not matter."""
    root = tmp_path_factory.mktemp("bad")
    calls, keys = [], []
    for name, folder, source in _bad_folders(root):
        for state in ("used", "new"):
            home = root / f"{name}-{state}-home"
            if state == "used":
                shutil.copytree(ingested[source], home)
            options = ("--json",) if state == "used" else ()
            calls.append(Call(home, ("ingest", "--source", source, "--path", folder, *options)))
            keys.append((name, state))
    before = [lake_files(call.home) for call in calls]
    outcomes = together(calls)
    return {key: Told(outcome, was, lake_files(call.home)) for key, outcome, was, call in zip(keys, outcomes, before, calls, strict=True)}


def _bad_folders(root: Path) -> list[tuple[str, Path, str]]:
    folders = [(name, vibrent.shop(root / name, one, other), "vibrent") for name, (one, other, _) in VIBRENT.items()]
    (root / "a-file").write_text("not a folder")
    (root / "cut").mkdir()
    whole = reviews(root / "whole.parquet").read_bytes()
    (root / "cut" / "reviews.parquet").write_bytes(whole[: len(whole) * 2 // 3])
    places = [(root / "nowhere", "vibrent"), (root / "a-file", "vibrent"), (root / "cut", "renttherunway")]
    return folders + [(name, *place) for name, place in zip(PLACES, places, strict=True)]


NOWHERE = ("missing file", "missing folder", "a file as folder")
"""Cases in which there is no source to read."""


@pytest.mark.parametrize("name", NOWHERE)
def test_without_a_source_there_is_one_clear_error_and_the_lake_stays_as_it_was(told: dict[tuple[str, str], Told], name: str) -> None:
    used, new = told[name, "used"], told[name, "new"]
    assert used.outcome.code == 2
    assert all(part in used.outcome.stderr + used.outcome.stdout for part in CASES[name])
    message = one_clear_error(new.outcome)
    assert all(part in message for part in CASES[name]), message
    assert used.before == used.after
    assert any(path.startswith("interactions/") for path in used.before), "there was nothing to spoil"
    assert new.after == {}


@pytest.mark.parametrize("name", sorted(set(CASES) - set(NOWHERE)))
def test_a_bad_file_is_rejected_with_its_reason_and_keeps_no_other_out(told: dict[tuple[str, str], Told], name: str) -> None:
    result = told[name, "used"].outcome.result
    ((file, reason),) = result["stopped"].items()
    assert all(part in reason for part in CASES[name]), reason
    assert result["interactions"] == (40 if name in ("bad catalogue", "truncated Parquet") else 30)
    assert result["items"] == (40 if name == "truncated Parquet" else 7 if file == "rentals.csv" else 6)


@pytest.mark.parametrize("name", sorted(set(CASES) - set(NOWHERE) - {"bad catalogue"}))
def test_where_nothing_is_left_its_reason_is_the_error(told: dict[tuple[str, str], Told], name: str) -> None:
    message = one_clear_error(told[name, "new"].outcome)
    assert all(part in message for part in CASES[name]), message


def test_without_its_catalogue_a_shop_is_taken_in_all_the_same(told: dict[tuple[str, str], Told]) -> None:
    new = told["bad catalogue", "new"]
    assert new.outcome.code == 0, new.outcome.stderr
    assert re.search(r"stub_items +[1-9]", new.outcome.stdout)
