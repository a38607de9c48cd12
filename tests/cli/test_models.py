"""``outfitter models``: what was trained, two versions compared, and what is in production put there and taken back by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from outfitter.lake.tables import open_lake
from outfitter.registry.production import history
from outfitter.registry.versions import Registry
from outfitter.settings import load_settings
from tests.cli.commands import Call, one_clear_error
from tests.conftest import Outcome

WITHDRAWING = """
from mlflow.tracking import MlflowClient
from outfitter.registry import batches
from outfitter.settings import load_settings

checked, real = [], batches.validate_batch

def validate(batch, docs):
    checked.append(batch.version.version)
    if len(checked) == 1:
        MlflowClient(load_settings().tracking_uri).set_registered_model_alias("outfitter-lists", "champion", "1")
    return real(batch, docs)

batches.validate_batch = validate
from outfitter.cli.app import main
main()
"""

WHEN_TOLD = """
import sys
import outfitter.registry.production
import tasks.work
from outfitter.cli.app import main
print("ready", flush=True)
sys.stdin.readline()
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of all calls."""
    return tmp_path_factory.mktemp("models") / "home"


@pytest.fixture(scope="module")
def told(folder: Path, together: Callable[..., list[Outcome]], tiny_shop: Path) -> dict[str, Outcome]:
    home = folder
    calls: dict[str, tuple[str | Path, ...]] = {
        "too early": ("models", "list"),
        "run": ("run", "--path", tiny_shop, "--json"),
        "nowhere to go": ("models", "rollback", "--reason", "a whim"),
        "another": ("train", "--json"),
        "list": ("models", "list", "--json"),
        "table": ("models", "list"),
        "show": ("models", "show", "1"),
        "recommend first": ("recommend", "--json"),
        "reproduce": ("models", "reproduce", "2", "--json"),
        "reproduced": ("models", "reproduce", "1"),
        "compare": ("models", "compare", "1", "3", "--json"),
        "compared": ("models", "compare", "1", "3"),
        "no such": ("models", "promote", "7", "--reason", "it must be good"),
        "promote": ("models", "promote", "1", "--reason", "the buyers ask for it", "--json"),
        "no reason": ("models", "promote", "2", "--reason", " "),
        "already": ("models", "promote", "1", "--reason", "once more"),
        "recommend": ("recommend", "--json"),
        "rollback": ("models", "rollback", "--reason", "they changed their minds"),
        "after": ("models", "list", "--json"),
        "recommend again": ("recommend", "--json"),
        "and again": ("recommend", "--json"),
        "never live": ("models", "promote", "2", "--reason", "why not", "--json"),
        "back": ("models", "rollback", "--reason", "nothing but a try"),
    }
    eager = {"OUTFITTER_GATE_ALPHA": "0.49", "OUTFITTER_GATE_MIN_USERS": "30", "OUTFITTER_GATE_BASELINES": '["recent_popularity"]'}
    variables = {"another": eager, "compare": {"OUTFITTER_GATE_ALPHA": "0.1"}}
    outcomes = together([Call(home, words, {"COLUMNS": "160", **variables.get(name, {})}) for name, words in calls.items()])
    return dict(zip(calls, outcomes, strict=True))


def test_before_the_first_ingest_there_is_nothing_to_list(told: dict[str, Outcome]) -> None:
    assert "Run 'outfitter ingest'" in one_clear_error(told["too early"])


def test_every_version_is_listed_with_its_scores_and_decisions(told: dict[str, Outcome]) -> None:
    newest, waiting, first = told["list"].result
    assert [one["version"] for one in (newest, waiting, first)] == ["3", "2", "1"]
    assert [one["in_production"] for one in (newest, waiting, first)] == [True, False, False]
    assert (waiting["decisions"], waiting["verdict"]) == ([], "not enough evidence")
    assert "never in production: not enough evidence" in told["table"].stdout
    assert first["decisions"][0].endswith("bootstrap")
    assert first["metrics"]["ndcg_at_12_low"] <= first["metrics"]["ndcg_at_12"] <= first["metrics"]["ndcg_at_12_high"]
    assert "in production" in told["table"].stdout
    assert newest["model"] in told["table"].stdout


def test_a_version_is_shown_with_its_card_and_its_decisions(told: dict[str, Outcome]) -> None:
    assert told["show"].code == 0, told["show"].stderr
    assert "bootstrap: nothing was in production" in told["show"].stdout
    assert "Limits" in told["show"].stdout


def test_two_versions_meet_on_the_same_users(told: dict[str, Outcome]) -> None:
    found = told["compare"].result
    first, second = found["versions"]
    assert found["gain"]["mean"] == pytest.approx(second["ndcg"] - first["ndcg"])
    assert 0 < found["p"] <= 1
    assert 0 <= found["overlap"] <= 1
    assert found["users"] > 10
    assert f"version 3: {second['model']}" in told["compared"].stdout


def test_a_version_comes_out_the_same_when_it_is_fitted_again(told: dict[str, Outcome]) -> None:
    found = told["reproduce"].result
    assert (found["version"], found["same"], found["differing"]) == ("2", True, [])
    assert found["metrics"]["ndcg_at_12"]["recorded"] == found["metrics"]["ndcg_at_12"]["reproduced"] > 0
    assert told["reproduced"].code == 0
    assert "fitted again from snapshot" in " ".join(told["reproduced"].stdout.split())
    assert "differs" not in told["reproduced"].stdout


def test_a_version_goes_into_production_by_hand_and_is_what_recommends(told: dict[str, Outcome]) -> None:
    moved = {"version": "1", "verdict": "by hand", "reason": "the buyers ask for it", "before": "3", "shadow": None}
    assert told["promote"].result == moved
    assert told["recommend"].result["model_version"] == "1"
    assert "version 3 is in production, in place of version 1" in told["rollback"].stdout
    before, again, once_more = (told[call].result for call in ("recommend first", "recommend again", "and again"))
    assert [one["model_version"] for one in (before, again, once_more)] == ["3"] * 3
    assert before["batch_id"] == again["batch_id"] != told["recommend"].result["batch_id"]
    assert before["published_at"] < told["recommend"].result["published_at"] < again["published_at"] == once_more["published_at"]
    newest, _, by_hand = told["after"].result
    assert newest["in_production"]
    assert newest["decisions"][-1].endswith("rolled back")
    assert by_hand["decisions"][-1].endswith("by hand")


def test_a_reason_is_asked_for(told: dict[str, Outcome]) -> None:
    assert told["no reason"].code == 2
    assert "say why" in told["no reason"].stderr


def test_what_was_never_live_answers_in_the_shadow_before_it_goes_there(told: dict[str, Outcome]) -> None:
    assert "120 users would keep 100% of their lists" in told["never live"].result["shadow"], "it is the champion's recipe on the same data"
    assert "version 3 is in production, in place of version 2" in told["back"].stdout


def test_who_waits_for_evidence_answers_every_night_in_the_shadow(told: dict[str, Outcome], folder: Path) -> None:
    run = told["run"].result
    assert run["train"]["decisions"][-1]["verdict"] == "not enough evidence"
    assert run["recommend"]["model_version"] == "1"
    assert run["recommend"]["shadow"].startswith("item_knn version 2: 120 users would keep ")
    registry = Registry(load_settings(home=folder))
    version = registry.version("2")
    assert registry.run(version.run_id).data.tags["outfitter.shadow"] in run["recommend"]["shadow"]
    assert json.loads(registry.read_text(version.run_id, "shadow.json"))["users"] == 120


def test_what_is_withdrawn_while_its_lists_are_made_is_not_published(
    told: dict[str, Outcome], folder: Path, environment: Callable[[Path], dict[str, str]]
) -> None:
    """The alias is moved in MLflow, as its page would, when the lists of version 3 have been checked."""
    assert told["back"].code == 0
    command = [sys.executable, "-c", WITHDRAWING, "recommend", "--json"]
    variables = {**environment(folder), "OUTFITTER_LIST_LENGTH": "5"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=240, check=True, cwd=folder.parent)
    found = json.loads(done.stdout)
    assert (found["model_version"], found["instead"], found["new"]) == ("1", "", True)
    assert "version 3 was withdrawn while its lists were made: starting again" in done.stderr
    lake = open_lake(load_settings(home=folder))
    assert lake.scan("batches").filter(pl.col("batch_id") == found["batch_id"]).collect()["model_version"].to_list() == ["1"]
    assert history(lake)[-1].verdict == "moved outside"


@pytest.mark.parametrize(
    ("call", "expected"),
    [("no such", "there is no version '7'"), ("already", "version 1 is in production already"), ("nowhere to go", "no earlier version")],
)
def test_what_cannot_be_done_is_told(told: dict[str, Outcome], call: str, expected: str) -> None:
    assert expected in one_clear_error(told[call])


def test_of_two_who_promote_at_once_one_wins_and_the_other_is_told_who(
    told: dict[str, Outcome], folder: Path, environment: Callable[[Path], dict[str, str]]
) -> None:
    settings = load_settings(home=folder)
    registry, lake = Registry(settings), open_lake(settings)
    run_ids = [run.info.run_id for run in registry.client.search_runs([registry.experiment], "tags.`outfitter.role` = 'candidate'")]
    numbers = [registry.register(run_id, {}).version for run_id in run_ids[:2]]
    before = lake.read("promotions").height
    started = [_waiting(number, environment(folder), folder.parent) for number in numbers]
    try:
        assert [process.stdout.readline() for process in started if process.stdout] == ["ready\n"] * 2
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [Outcome(process.returncode, *said) for process in started if (said := process.communicate(timeout=120))]
    finally:
        for process in started:
            process.kill()
            process.wait()
    (won,) = [place for place, outcome in enumerate(ended) if outcome.code == 0]
    message = one_clear_error(ended[1 - won])
    assert (
        f"another process is at work in the home '{folder}': process {started[won].pid} ('outfitter models promote {numbers[won]}"
        in message
    )
    assert f"version {numbers[won]} is in production" in ended[won].stdout
    newest = history(lake)[-1]
    assert (newest.version, newest.verdict, newest.reason) == (numbers[won], "by hand", f"{numbers[won]} is better")
    assert lake.read("promotions").height == before + 1
    assert (registry.alias(), registry.carried_out()) == (newest.version, newest.decision_id)


def _waiting(number: str, variables: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    """``outfitter models promote``, with all that it needs imported, until it is told to go."""
    words = [sys.executable, "-c", WHEN_TOLD, "models", "promote", number, "--reason", f"{number} is better"]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=variables, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
