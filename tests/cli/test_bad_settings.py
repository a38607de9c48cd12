"""What is wrong before any file is read: settings, arguments, a home that cannot be written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli import vibrent
from tests.cli.commands import Call, lake_files, one_clear_error
from tests.conftest import Outcome

Cases = dict[str, tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]]
CASES: Cases = {
    "unknown source": (("ingest", "--source", "vibrant"), {}, ("'vibrant'", "Did you mean 'vibrent'?")),
    "no folder": (("ingest", "--source", "vibrent"), {}, ("source 'vibrent' needs a folder", "--path DIR")),
    "bad number": (("ingest",), {"OUTFITTER_SEED": "-1"}, ("OUTFITTER_SEED", "greater than or equal to 0", "docs/settings.md")),
    "bad list": (("train",), {"OUTFITTER_MODELS": "als"}, ('"models"', "JSON", "OUTFITTER_MODELS='[\"als\"]'")),
    "two at once": (("ingest",), {"OUTFITTER_SEED": "x", "OUTFITTER_WINDOW_DAYS": "13"}, ("'seed'", "'window_days'", "multiple of 7")),
    "unknown variable": (("ingest",), {"OUTFITTER_SEEED": "1"}, ("OUTFITTER_SEEED, which is no setting", "docs/settings.md")),
    "unknown model": (("run",), {"OUTFITTER_MODELS": '["alz"]'}, ("there is no model 'alz'", "Choose one of", "als")),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, together: Callable[..., list[Outcome]]) -> dict[str, Outcome]:
    """Every bad thing said to a home never used, and one home below a regular file."""
    root = tmp_path_factory.mktemp("settings")
    shop = vibrent.shop(root / "shop", vibrent.outfits(6), vibrent.rentals(30))
    (root / "a-file").write_text("not a folder")
    calls = {name: Call(root / "home", arguments, variables) for name, (arguments, variables, _) in CASES.items()}
    calls["home below a file"] = Call(root / "a-file" / "home", ("ingest", "--source", "vibrent", "--path", shop))
    calls["odd home"] = Call(root / "50%[off]", ("ingest", "--source", "vibrent", "--path", shop))
    calls["too little space"] = Call(root / "home", ("ingest",), {"OUTFITTER_MIN_FREE_MB": str(1 << 40)})
    calls["as json"] = Call(root / "home", ("ingest", "--json", "--source", "vibrant"))
    calls["bad date"] = Call(root / "home", ("run", "--as-of", "31.12.2024"))
    outcomes = dict(zip(calls, together(list(calls.values())), strict=True))
    assert lake_files(root / "home") == {}
    return outcomes


@pytest.mark.parametrize("name", CASES)
def test_a_bad_setting_is_named_with_what_to_do(told: dict[str, Outcome], name: str) -> None:
    message = one_clear_error(told[name])
    assert all(part in message for part in CASES[name][2]), message


def test_a_home_that_cannot_be_written(told: dict[str, Outcome]) -> None:
    message = one_clear_error(told["home below a file"])
    assert "a-file/home' cannot be written: Not a directory" in message
    assert "Set OUTFITTER_HOME" in message


def test_a_home_that_the_lake_cannot_spell(told: dict[str, Outcome]) -> None:
    message = one_clear_error(told["odd home"])
    assert "its path holds '%' '[' ']'" in message
    assert "Set OUTFITTER_HOME" in message


def test_a_nearly_full_disk_is_told_before_anything_starts(told: dict[str, Outcome]) -> None:
    message = one_clear_error(told["too little space"])
    assert "MiB are free on the disk that holds the home" in message
    assert "min_free_mb" in message


def test_an_error_is_a_document_too(told: dict[str, Outcome]) -> None:
    assert told["as json"].code == 2
    assert told["as json"].result["error"] == "SourceError"
    assert told["as json"].result["message"] in told["as json"].stderr
    assert "renttherunway, sequences, synthetic, vibrent" in told["as json"].result["hint"]


def test_a_bad_date_names_the_option_and_the_formats(told: dict[str, Outcome]) -> None:
    assert told["bad date"].code == 2
    said = " ".join(told["bad date"].stderr.replace("│", " ").split())
    assert "Invalid value for '--as-of'" in said
    assert "'31.12.2024' does not match the formats '%Y-%m-%d'" in said
    assert "Traceback" not in said
