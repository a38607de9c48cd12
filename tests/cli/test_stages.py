"""Each stage alone: in order, out of order, on an earlier day, and as a machine reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from outfitter.features.spec import FEATURE_TABLES
from outfitter.lake.tables import Lake
from tests.cli import vibrent
from tests.cli.commands import Call, lake_files, one_clear_error
from tests.conftest import Outcome

STAGES = ("ingest", "materialize", "train", "recommend", "monitor")
LATER = STAGES[1:]
EARLIER = "2025-06-16"


class Story:
    """What was said, by home and command, in the order in which it was asked."""

    def __init__(self, home: Path, outcomes: dict[tuple[str, ...], Outcome]) -> None:
        self.home = home
        self.outcomes = outcomes

    def __getitem__(self, words: str) -> Outcome:
        return self.outcomes[tuple(words.split())]

    def result(self, words: str) -> dict[str, Any]:
        """The one document on standard output; ``json.loads`` refuses anything before or after it."""
        outcome = self[words]
        assert outcome.code == 0, outcome.stderr
        assert outcome.stdout.count("\n") == 1
        found: dict[str, Any] = json.loads(outcome.stdout)
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, tiny_shop: Path, blank_mlflow: Path, together: Callable[..., list[Outcome]]) -> Story:
    """One home's life, each command named by its words; those of the home that nobody has used begin with ``new``."""
    root = tmp_path_factory.mktemp("stages")
    for home in ("used", "new", "back"):
        (root / home / "mlflow").mkdir(parents=True)
        shutil.copy(blank_mlflow, root / home / "mlflow" / "mlflow.db")
    told = [f"new {stage}" for stage in LATER]
    told += ["used ingest --json", "used train", "used recommend", "used materialize --json", "used recommend --json"]
    told += ["used train --json", "used recommend --json again", "used monitor --json"]
    told += [f"used {stage} --json once more" for stage in STAGES]
    told += [f"used {stage} --as-of {EARLIER}" for stage in ("train", "recommend")]
    told += [f"used {stage} --json --as-of {EARLIER}" for stage in LATER]
    told += ["used materialize --as-of 2020-01-01", "back ingest --json"]
    told += [f"back {stage} --json --as-of {EARLIER}" for stage in LATER]
    calls = [Call(root / words.split()[0], _arguments(words.split()[1:], tiny_shop)) for words in told]
    outcomes = together(calls)
    return Story(root / "used", {tuple(words.split()): outcome for words, outcome in zip(told, outcomes, strict=True)})


def _arguments(words: list[str], shop: Path) -> tuple[str | Path, ...]:
    plain = [word for word in words if word not in ("again", "once", "more")]
    return (*plain, *(("--path", shop) if plain[0] == "ingest" else ()))


@pytest.mark.parametrize("stage", LATER)
def test_nothing_can_be_done_before_the_first_ingest(story: Story, stage: str) -> None:
    message = one_clear_error(story[f"new {stage}"])
    assert "new/lake' is empty" in message
    assert "Run 'outfitter ingest'" in message


@pytest.mark.parametrize("stage", ["train", "recommend"])
def test_features_come_first(story: Story, stage: str) -> None:
    message = one_clear_error(story[f"used {stage}"])
    assert "there are no features as of 2025-06-30" in message
    assert "Run 'outfitter materialize' first" in message
    assert f"there are no features as of {EARLIER} 00:00" in one_clear_error(story[f"used {stage} --as-of {EARLIER}"])


def test_a_model_comes_before_its_lists(story: Story) -> None:
    message = one_clear_error(story["used recommend --json"])
    assert "the registry has no champion" in message
    assert "Run 'outfitter train'" in message
    assert story["used recommend --json"].result["error"] == "ModelError"


def test_in_order_every_stage_tells_one_document(story: Story) -> None:
    ingested, features = story.result("used ingest --json"), story.result("used materialize --json")
    trained, lists = story.result("used train --json"), story.result("used recommend --json again")
    assert ingested["snapshot"] == features["snapshot"] == trained["snapshot"]
    assert features["read_back"] > 0
    assert trained["decisions"][0]["verdict"] == "bootstrap"
    assert lists["users"] == ingested["users"] == 120
    assert lists["run_id"] == trained["champion"]["run_id"]
    assert Path(story.result("used monitor --json")["report"]).stat().st_size > 100_000


def test_once_more_finds_everything_done(story: Story) -> None:
    assert story.result("used ingest --json once more")["new_deliveries"] == 0
    first = {"train": "used train --json", "materialize": "used materialize --json", "monitor": "used monitor --json"}
    for stage in LATER:
        again = story.result(f"used {stage} --json once more")
        assert again["new"] is False
        earlier = story.result(first.get(stage, f"used {stage} --json again"))
        assert {**again, "new": True} == earlier


def test_an_earlier_day_sees_nothing_of_what_came_later(story: Story) -> None:
    features = story.result(f"back materialize --json --as-of {EARLIER}")
    assert features["as_of"].startswith(EARLIER)
    assert features["read_back"] == 0, "what is online is the newest, never an earlier day"
    lake = Lake(str(story.home.with_name("back") / "lake"), FEATURE_TABLES)
    for table in FEATURE_TABLES:
        cutoffs = lake.read(table).filter(pl.col("materialization") == features["materialization"])["cutoff"]
        assert str(cutoffs.max()).startswith(EARLIER)
    trained, lists = (story.result(f"back {stage} --json --as-of {EARLIER}") for stage in ("train", "recommend"))
    assert trained["windows"][-1].startswith(EARLIER)
    assert trained["new"]
    assert lists["as_of"].startswith(EARLIER)
    assert lists["batch_id"] != story.result("used recommend --json again")["batch_id"]
    assert f"{EARLIER}-" in story.result(f"back monitor --json --as-of {EARLIER}")["report"]


@pytest.mark.parametrize("stage", ["train", "recommend"])
def test_what_is_live_has_seen_too_much_for_an_earlier_day(story: Story, stage: str) -> None:
    assert story.result(f"used materialize --json --as-of {EARLIER}")["read_back"] == 0
    refused = story[f"used {stage} --json --as-of {EARLIER}"]
    assert "the model in production has learnt until 2025-06-30" in one_clear_error(refused)
    assert refused.result["error"] == "ModelError"


def test_a_day_before_the_first_event_is_refused(story: Story) -> None:
    message = one_clear_error(story["used materialize --as-of 2020-01-01"])
    assert "nothing had happened by 2020-01-01" in message
    assert "the first event is of 2025-02-01" in message
    assert "Give a later --as-of" in message


def test_another_source_in_the_same_home_is_refused(story: Story, tmp_path: Path, together: Any) -> None:
    other = vibrent.shop(tmp_path / "other", vibrent.outfits(6), vibrent.rentals(30))
    before = lake_files(story.home)
    (refused,) = together([Call(story.home, ("ingest", "--source", "vibrent", "--path", other))])
    message = one_clear_error(refused)
    assert "holds data of source 'synthetic', not 'vibrent'" in message
    assert "OUTFITTER_HOME=.outfitter-vibrent outfitter run --source vibrent --path" in message
    assert lake_files(story.home) == before
