"""``outfitter lineage`` on the home that the other tests of lineage read: a home takes longer to make than all of its questions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from outfitter.cli.app import app
from tests.outfitter.lake.frames import at, founded
from tests.outfitter.registry.lineage.conftest import LATE, Life


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """A command exports what libraries read."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def asked(home: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["lineage", *words], env={"OUTFITTER_HOME": str(home), "COLUMNS": "200"}, prog_name="outfitter")


def home_of(life: Life) -> Path:
    return life.trained.material.settings.home


def files(home: Path) -> set[Path]:
    return {path for part in ("lake", "mlflow") for path in (home / part).rglob("*")}


def test_a_list_in_words_with_its_page(life: Life) -> None:
    before = files(home_of(life))
    answer = asked(home_of(life), "rec", life.user)
    assert answer.exit_code == 0, answer.output
    for said in (
        life.second["batch_id"],
        life.first["snapshot_id"],
        life.second["snapshot_id"],
        "bootstrap",
        "last_event_day",
        "late<b>.csv",
    ):
        assert said in answer.output
    page = Path(answer.output.splitlines()[-1].removeprefix("drawn: "))
    assert page.parent == home_of(life) / "reports" / "lineage"
    assert "<svg" in page.read_text()
    assert files(home_of(life)) == before, "it only reads"


def test_a_list_of_then_as_json(life: Life, tmp_path: Path) -> None:
    when = f"{at(1.5):%Y-%m-%dT%H:%M:%S}"
    answer = asked(home_of(life), "rec", life.user, "--at", when, "--json", "--html", str(tmp_path / "new" / "page.html"))
    told = json.loads(answer.stdout)
    assert told["batch"]["batch_id"] == life.first["batch_id"]
    assert datetime.fromisoformat(told["batch"]["published_at"]) == life.first["published_at"]
    assert {node["kind"] for node in told["graph"]["nodes"]} == {"delivery", "snapshot", "features", "model", "decision", "batch", "list"}
    assert (tmp_path / "new" / "page.html").read_text().startswith("<!doctype html>")


def test_a_delivery_in_words_and_as_json(life: Life) -> None:
    answer = asked(home_of(life), "delivery", life.replaced)
    assert answer.exit_code == 0, answer.output
    assert "it was replaced by" in answer.output
    assert "candidate" in answer.output
    told = json.loads(asked(home_of(life), "delivery", LATE[:6], "--json").stdout)
    assert [one["batch_id"] for one in told["batches"]] == [life.second["batch_id"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("rec", "nobody"), "no delivery has ever named a user 'nobody'"),
        (("rec", "newcomer", "--at", "2024-03-02"), "user 'newcomer' has no list in batch"),
        (("delivery", "f00d"), "2 deliveries begin with 'f00d'"),
        (("rec", "newcomer", "--html", "/dev/null/page.html"), "the page '/dev/null/page.html' cannot be written"),
    ],
)
def test_what_cannot_be_answered_is_one_clear_error(life: Life, words: tuple[str, ...], expected: str) -> None:
    answer = asked(home_of(life), *words)
    assert answer.exit_code == 2
    assert expected in answer.stderr
    assert "Traceback" not in answer.output
    assert expected in json.loads(asked(home_of(life), *words, "--json").stdout)["message"]


def test_before_anything_was_trained_no_registry_is_made(tmp_path: Path) -> None:
    assert "Run 'outfitter ingest'" in asked(tmp_path / "home", "rec", "u1").stderr
    founded(tmp_path / "home" / "lake")
    assert "no delivery has ever named a user" in asked(tmp_path / "home", "rec", "u1").stderr
    assert not (tmp_path / "home" / "mlflow").exists()
