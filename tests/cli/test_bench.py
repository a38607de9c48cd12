"""``outfitter bench models``: the table, the files it writes, what it refuses, and a search that is not done twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.commands import Call, one_clear_error
from tests.cli.conftest import Together
from tests.conftest import Command


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sequences of forty users who stay within a quarter of the items."""
    folder, rng = tmp_path_factory.mktemp("toys"), np.random.default_rng(0)
    lines = [f"u{user} " + " ".join(f"i{4 * item + user % 4}" for item in rng.permutation(12)[:7]) for user in range(40)]
    (folder / "sequences.txt").write_text("\n".join(lines) + "\n")
    return folder


def table(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_models_are_compared_and_everything_is_written(outfitter: Command, home: Path, toys: Path, tmp_path: Path) -> None:
    told = ("--source", "sequences", "--path", toys, "--models", "popularity,item_knn", "--k", 5)
    done = outfitter("bench", "models", *map(str, told), "--json", tmp_path / "out.json", "--html", tmp_path / "page")
    assert done.code == 0, done.stderr
    for expected in ("NDCG@5", "leave-last-out, users everyone: 40", "item_knn", "peak memory", "40 users with 48 items"):
        assert expected in done.stdout
    assert "popularity" in done.stderr, "progress"
    popularity, knn = table(tmp_path / "out.json")["models"]
    found = [row["ranking"]["everyone"]["metrics"]["hit_rate"] for row in (popularity, knn)]
    assert found[1]["mean"] > 0.6 > found[0]["high"], "of 5 unseen items of the own quarter one of 5 shown is the one asked for"
    assert 0 < knn["fit_seconds"] < 60
    assert knn["memory_peak"] > knn["memory_before"] > 50
    assert "item_knn" in (tmp_path / "page" / "index.html").read_text()
    assert not (home / "experiments").exists(), "nothing was searched"


def test_a_search_goes_on_and_is_not_done_twice(outfitter: Command, home: Path, toys: Path, tmp_path: Path) -> None:
    told = (
        "--source",
        "sequences",
        "--path",
        str(toys),
        "--models",
        "recent_popularity,item_knn:weighting=bm25",
        "--budget-minutes",
        "0.005",
    )
    first = outfitter("bench", "models", *told, "--json", tmp_path / "one.json")
    assert first.code == 0, first.stderr
    again = outfitter("bench", "models", *told, "--json", tmp_path / "two.json")
    one, two = table(tmp_path / "one.json"), table(tmp_path / "two.json")
    assert [row["search"] for row in one["models"]] == [row["search"] for row in two["models"]]
    knn = one["models"][1]
    assert set(knn["search"]["params"]) == {"neighbours", "shrink", "half_life"}
    assert {name: knn["settings"][name] for name in knn["search"]["params"]} == knn["search"]["params"]
    assert knn["search"]["value"] >= knn["search"]["default"]
    assert knn["settings"]["weighting"] == "bm25"
    assert "on validation, the defaults" in " ".join(again.stdout.split())
    assert len(list((home / "experiments").glob("*.db"))) == 2


REFUSED = [
    (["--models", "svd"], "there is no model 'svd' Choose one of: popularity"),
    (["--models", "als:factors"], "'factors' in 'als:factors' sets nothing Write it as name=value"),
    (
        ["--models", "popularity", "--split", "global-time"],
        "source 'sequences' has no times, only an order Choose --split leave-last-out.",
    ),
    (["--models", "popularity", "--path", "gone"], "there is no folder gone"),
    (["--models", "popularity", "--source", "hmm"], "there is no source called 'hmm'"),
    (["--models", "popularity", "--json", "gone/out.json"], "for --json Make it, or name another file."),
    (["--models", "popularity", "--json", "."], "'.' is a folder"),
    (["--models", "popularity", "--html", sys.executable], f"'{sys.executable}' is a file Name a folder"),
    (["--models", "popularity", "--until", "1969-01-01"], "nobody had done anything by 1969-01-01"),
]


def test_what_cannot_be_done_is_told_in_one_error(together: Together, toys: Path, tmp_path: Path) -> None:
    calls = [Call(tmp_path / "home", ("bench", "models", "--source", "sequences", "--path", str(toys), *words)) for words, _ in REFUSED]
    calls.insert(0, Call(tmp_path / "home", ("bench", "models", "--models", "popularity", "--source", "vibrent")))
    outcomes = together(calls)
    for outcome, message in zip(outcomes, ["source 'vibrent' needs a folder", *(message for _, message in REFUSED)], strict=True):
        assert message in one_clear_error(outcome)
        assert outcome.stdout == ""


@pytest.mark.parametrize(
    "words",
    [["--k", "0"], ["--seeds", "0"], ["--windows", "1"], ["--days", "0"], ["--days", "7"], ["--windows", "3"], ["--budget-minutes", "-1"]],
)
def test_an_option_out_of_range_or_out_of_place_is_refused_by_its_name(words: list[str]) -> None:
    from typer.testing import CliRunner

    from outfitter.cli.app import app

    answer = CliRunner().invoke(app, ["bench", "models", "--models", "popularity", *words], env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert words[0] in answer.output


def test_a_model_that_cannot_be_fitted_ends_in_2_after_the_table(outfitter: Command, toys: Path) -> None:
    """There are no stars in sequences."""
    done = outfitter("bench", "models", "--source", "sequences", "--path", toys, "--models", "popularity,biased_mf")
    assert done.code == 2
    assert "biased_mf could not be compared: 'biased_mf' learns from ratings, and no event has a value" in " ".join(done.stdout.split())
    assert "NDCG@10" in done.stdout
