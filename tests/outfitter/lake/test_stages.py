"""Stages: finished work is found again by all that went into it, and by nothing else."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from outfitter.lake import stages
from outfitter.lake.tables import Lake
from outfitter.settings import EventRule
from tests.outfitter.lake.frames import NOW, at, founded


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return founded(tmp_path / "lake")


def test_a_fingerprint_tells_inputs_apart() -> None:
    prints = [
        stages.fingerprint("train"),
        stages.fingerprint("monitor"),
        stages.fingerprint("train", as_of=NOW),
        stages.fingerprint("train", as_of=at(1)),
        stages.fingerprint("train", events={"view": EventRule(weight=1)}),
        stages.fingerprint("train", events={"view": EventRule(weight=1, target=True)}),
        stages.fingerprint("train", models=["a", "b"]),
        stages.fingerprint("train", models=["b", "a"]),
    ]
    assert len(set(prints)) == len(prints)
    assert all(len(one) == 16 for one in prints)


def test_a_fingerprint_does_not_depend_on_the_order_of_names() -> None:
    assert stages.fingerprint("x", a=1, b={"p": 1, "q": 2}) == stages.fingerprint("x", b={"q": 2, "p": 1}, a=1)


def test_new_code_does_the_work_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stages.fingerprint("train", x=1), stages.fingerprint("recommend", x=1)
    monkeypatch.setitem(stages.STAGE_VERSIONS, "train", 99)
    assert stages.fingerprint("train", x=1) != before[0]
    assert stages.fingerprint("recommend", x=1) == before[1]


def test_a_fingerprint_is_the_same_in_another_process() -> None:
    code = (
        "from outfitter.lake import stages; from outfitter.settings import EventRule; from datetime import datetime, UTC;"
        "print(stages.fingerprint('x', when=datetime(2024, 3, 1, tzinfo=UTC), events={'view': EventRule(weight=.1)}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    assert said == stages.fingerprint("x", when=NOW, events={"view": EventRule(weight=0.1)})


def test_what_was_recorded_is_found(lake: Lake) -> None:
    assert stages.find(lake, "train", "p") is None
    told = stages.record(lake, "train", "p", {"n": 1, "when": NOW, "pair": (1, 2)}, NOW)
    assert told == {"n": 1, "when": str(NOW), "pair": [1, 2]} == stages.find(lake, "train", "p")
    assert datetime.fromisoformat(told["when"]) == NOW
    assert stages.find(lake, "monitor", "p") is None
    assert stages.find(lake, "train", "q") is None


def test_the_first_record_of_a_stage_stands(lake: Lake) -> None:
    stages.record(lake, "train", "p", {"n": 1}, NOW)
    stages.record(lake, "train", "p", {"n": 2}, NOW)
    stages.record(lake, "monitor", "p", {"n": 3}, NOW)
    assert stages.find(lake, "train", "p") == {"n": 1}
    assert stages.find(lake, "monitor", "p") == {"n": 3}
    assert lake.read("stages").height == 2
