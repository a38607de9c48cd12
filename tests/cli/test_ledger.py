"""``outfitter deliveries`` and ``outfitter quarantine``: what became of each delivery, and letting a held one in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.commands import Call, one_clear_error
from tests.cli.stream import BAD, ROWS_A_DAY, articles, customers, day_of, transactions
from tests.conftest import Outcome

DAYS = 9
DEAR = transactions(DAYS)
"""A day on which everything costs a hundred times as much: an export in other units."""
BROKEN = transactions(DAYS + 1)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, together: Callable[..., list[Outcome]]) -> dict[str, Outcome]:
    root = tmp_path_factory.mktemp("ledger")
    shop, home = root / "shop", root / "home"
    shop.mkdir()
    files = {"articles.csv": articles(), "customers.csv": customers(), **{transactions(n): day_of(n) for n in range(DAYS)}}
    files |= {DEAR: day_of(DAYS).replace(",0.0", ",9.0"), BROKEN: "t_dat,customer_id\n2020-08-11,1\n"}
    for name, text in files.items():
        (shop / name).write_text(text)
    ingest = ("ingest", "--source", "hm", "--path", shop, "--json")
    calls = {
        "too early": ("deliveries",),
        "ingest": ingest,
        "again": ingest,
        "deliveries": ("deliveries", "--json"),
        "table": ("deliveries",),
        "list": ("quarantine", "list", "--json"),
        "listed": ("quarantine", "list"),
        "show": ("quarantine", "show", transactions(0), "--json"),
        "shown": ("quarantine", "show", DEAR, "--rows", "2"),
        "no such": ("quarantine", "show", "nothing.csv"),
        "hopeless": ("quarantine", "release", BROKEN, "--reason", "why not"),
        "release": ("quarantine", "release", DEAR, "--reason", "prices are in cents now", "--json"),
        "twice": ("quarantine", "release", DEAR, "--reason", "once more"),
        "after": ("ingest", "--source", "hm", "--path", shop, "--json"),
        "all": ("deliveries", "--all", "--json"),
    }
    outcomes = together([Call(home, arguments, {"COLUMNS": "200"}) for arguments in calls.values()])
    return dict(zip(calls, outcomes, strict=True))


def test_a_bad_and_an_odd_delivery_keep_no_other_out(told: dict[str, Outcome]) -> None:
    result = told["ingest"].result
    assert set(result["stopped"]) == {BROKEN}
    assert set(result["held"]) == {DEAR}
    assert "price" in result["held"][DEAR]
    assert result["interactions"] == DAYS * ROWS_A_DAY
    assert told["again"].result["new_deliveries"] == 0


def test_the_ledger_tells_the_last_word_on_each_object(told: dict[str, Outcome]) -> None:
    rows = {row["object"]: row for row in told["deliveries"].result}  # type: ignore[attr-defined]
    assert {name: row["status"] for name, row in rows.items() if row["status"] != "accepted"} == {DEAR: "held", BROKEN: "rejected"}
    assert len(rows) == DAYS + 4
    assert "lacks columns 'article_id', 'price'" in rows[BROKEN]["reason"]
    day = rows[transactions(0)]
    assert (day["rows_in"], day["rows_accepted"], day["rows_quarantined"]) == (ROWS_A_DAY + len(BAD), ROWS_A_DAY, len(BAD))
    assert rows[DEAR]["rows_accepted"] == 0
    assert "held" in told["table"].stdout
    assert DEAR in told["table"].stdout


def test_what_was_set_aside_is_listed_with_its_reasons(told: dict[str, Outcome]) -> None:
    rows = {row["object"]: row for row in told["list"].result}  # type: ignore[attr-defined]
    assert set(rows) == {*(transactions(n) for n in range(DAYS)), DEAR, BROKEN}
    assert sorted(rows[transactions(0)]["reasons"]) == [
        "1  cannot be read",
        "1  price is negative",
        "1  timestamp is missing",
        "1  user id is missing",
    ]
    assert "price is negative" in told["listed"].stdout
    shown = told["show"].result
    assert len(shown) == len(BAD)
    assert any("price is negative" in row["reasons"] for row in shown)  # type: ignore[index]
    assert "is held: 83 rows in, 0 accepted, 83 set aside" in " ".join(told["shown"].stdout.split())


def test_a_released_delivery_counts_and_says_why(told: dict[str, Outcome]) -> None:
    row = told["release"].result
    assert (row["status"], row["rows_accepted"], row["rows_quarantined"]) == ("accepted", ROWS_A_DAY, len(BAD))
    assert row["reason"].startswith("released (prices are in cents now); was held: ")
    after = told["after"].result
    assert after["new_deliveries"] == 0
    assert after["interactions"] == (DAYS + 1) * ROWS_A_DAY
    history = [one["status"] for one in told["all"].result if one["object"] == DEAR]  # type: ignore[index]
    assert history == ["held", "accepted"]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("too early", "is empty"),
        ("no such", "knows no delivery or object 'nothing.csv'"),
        ("hopeless", "nothing of"),
        ("twice", "accepted already"),
    ],
)
def test_what_cannot_be_done_is_told(told: dict[str, Outcome], call: str, expected: str) -> None:
    assert expected in one_clear_error(told[call])
