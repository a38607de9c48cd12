"""A registered version says where it comes from: code, data and what validation found of them, features, parameters."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from feature_repo import definitions
from outfitter import __version__
from outfitter.registry import provenance
from outfitter.registry.contest import require_champion
from outfitter.registry.promotion import bootstrap
from outfitter.registry.provenance import revision
from outfitter.registry.versions import REGISTERED, Registry
from tests.outfitter.registry.conftest import Trained


def test_a_version_says_where_it_comes_from(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    version = require_champion(trained.registry)
    ledger = trained.material.snapshot.lake.read("deliveries")
    rows = f"0 of {ledger['rows_in'].sum():,} rows quarantined"
    expected = {
        "outfitter.code": revision(),
        "outfitter.snapshot": trained.material.snapshot.id,
        "outfitter.materialization": trained.material.materialization,
        "outfitter.deliveries": f"{ledger.height} accepted; {rows}",
        "outfitter.feature_service": "none: reads histories alone",
        "outfitter.fit_until": trained.windows.as_of.isoformat(),
    }
    assert {name: version.tags[name] for name in expected} == expected
    assert json.loads(version.tags["outfitter.params"]).keys() <= {"half_life"}
    found = json.loads(trained.registry.read_text(version.run_id, "validations.json"))
    assert [one["delivery_id"] for one in found] == ledger.sort("object")["delivery_id"].to_list()
    assert {one["status"] for one in found} == {"accepted"}
    run = trained.registry.run(version.run_id)
    assert run.data.tags["outfitter.feature_service"] == definitions.training.name, "what the training joined, whether or not it was read"


def test_a_card_tells_of_its_window_and_of_every_segment(trained: Trained) -> None:
    contest = trained.contest()
    bootstrap(contest, trained.candidates)
    card = trained.registry.read_text(require_champion(trained.registry).run_id, "model_card.md")
    first, exam = contest.exam.events["timestamp"].min(), contest.exam
    assert f"events from {first:%Y-%m-%d} up to" in card
    assert f"fitted up to {exam.asked:%Y-%m-%d}" in card
    told = card.split("## By segment")[1].split("## Parameters")[0]
    assert f"| 5 items or more | {int((exam.activity >= 5).sum()):,} | " in told
    assert ("| no history |" in told) == bool((exam.activity == 0).any())


def test_the_revision_is_that_of_the_checkout_it_runs_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        return subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True, text=True).stdout.strip()

    def told() -> str:
        revision.cache_clear()
        return revision()

    code = tmp_path / "installed.py"
    code.write_text("first")
    monkeypatch.setattr(provenance, "__file__", str(code))
    assert told() == __version__, "there is no repository"
    git("init", "-q")
    assert told() == __version__, "it lies in somebody's repository and is no part of it"
    git("add", "installed.py")
    git("commit", "-qm", "now it is")
    assert told() == f"{__version__} {git('rev-parse', 'HEAD')}"
    code.write_text("second")
    assert told() == f"{__version__} {git('rev-parse', 'HEAD')}+"
    monkeypatch.setattr(provenance.shutil, "which", lambda _: None)
    assert told() == __version__, "without git nobody can tell"
    monkeypatch.undo()
    revision.cache_clear()


def test_each_purpose_has_its_own_versions_and_champion(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outfitter.registry.versions.PURPOSES", {"lists": "lists", "similar": "items that are alike"})
    other = Registry(trained.material.settings, "similar")
    bootstrap(trained.contest(), trained.candidates)
    assert (trained.registry.name, other.name) == (REGISTERED, "outfitter-similar")
    assert (other.champion(), other.all_versions()) == (None, [])
    made = other.register(trained.candidates[0].run_id, {})
    other.promote(made.version, "decision")
    assert (other.alias(), other.carried_out()) == ("1", "decision")
    assert len(trained.registry.all_versions()) == 1
    assert trained.registry.carried_out() != "decision"
    with pytest.raises(KeyError):
        Registry(trained.material.settings, "nothing")
