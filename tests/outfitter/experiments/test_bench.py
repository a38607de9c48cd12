"""The comparison as a whole: what is chosen is used, one failure stops nothing, and the table says what it depends on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import Recipe
from outfitter.errors import ModelError, SettingsError
from outfitter.evaluation.folds import ByTime, LeaveLastOut
from outfitter.experiments import analysis, bench, worker
from outfitter.experiments.bench import Plan, compare
from outfitter.experiments.entries import Entry, parse
from outfitter.experiments.search import Found
from outfitter.settings import Settings
from tests.outfitter.evaluation.tiny import dataset, random_walks, walks
from tests.outfitter.lake.frames import listed

DATA = random_walks(users=60, items=20, own_last=False)
FOUND = Found({"neighbours": 7}, 0.4, 0.3, 5, 1, 0, 0.2, "study")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, bootstrap_samples=200, seed=4)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[tuple[int, Recipe]]]]:
    """In place of a process of its own, the same function here; says what it was asked."""
    told: list[tuple[str, list[tuple[int, Recipe]]]] = []

    def here(given: worker.Bench, label: str, recipes: list[tuple[int, Recipe]]) -> list[worker.Answer]:
        told.append((label, recipes))
        return worker._answers(given, label, recipes)

    monkeypatch.setattr(bench, "answers", here)
    return told


def plan(models: str, split: Any = None, seeds: int = 1, minutes: float = 0) -> Plan:
    return Plan(parse(models), split or LeaveLastOut(), 5, seeds, minutes)


def test_a_row_a_model_and_the_first_is_the_reference(settings: Settings) -> None:
    table, outcomes = compare(plan("popularity,item_knn,item_knn:half_life=50"), DATA, settings)
    rows = {row["model"]: row for row in table["models"]}
    assert table["references"] == {"ranking": "popularity", "ratings": None}
    assert len(table["versions"]["models"]) == 12
    assert list(rows) == [outcome.entry.label for outcome in outcomes] == ["popularity", "item_knn", "item_knn:half_life=50"]
    means = {label: row["ranking"]["everyone"]["metrics"]["ndcg"]["mean"] for label, row in rows.items()}
    assert len({*means.values(), 0.0}) == 4
    for label, row in rows.items():
        gain = row["ranking"]["everyone"]["against_reference"]["ndcg"]
        assert gain["mean"] == pytest.approx(means[label] - means["popularity"])
        assert gain["low"] <= gain["mean"] <= gain["high"]
        assert (row["error"], row["search"], row["fits"]) == (None, None, 1)
        assert row["memory_peak"] >= row["memory_before"] > 0
        assert 0 < row["coverage"] <= 1
    assert rows["item_knn:half_life=50"]["settings"]["half_life"] == 50
    assert rows["item_knn"]["family"] == "item_knn"


def test_the_table_says_what_it_is_of_and_is_json(settings: Settings) -> None:
    data = dataset(*((f"u{user}", item, -day, "purchase") for user in range(3) for day, item in enumerate("abc")), (None, "a", 0))
    table, _ = compare(plan("popularity", seeds=2), data, settings)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert table["data"]["users"] == 3
    assert table["data"]["dropped"] == {"user id is missing": 1}
    assert table["split"] == {"name": "leave-last-out", "repeats": False}
    assert (table["k"], table["seeds"], table["search_minutes"]) == (5, [4, 5], 0)
    assert table["intervals"] == {"share": 0.95, "resampled": "users", "samples": 200, "seed": 4}
    assert "resident pages" in table["measured"]


def test_only_what_chance_has_a_part_in_is_fitted_several_times(settings: Settings, asked: list[Any]) -> None:
    table, _ = compare(plan("item_knn,als:factors=4", seeds=3), DATA, settings)
    assert [(label, [seed for seed, _ in recipes]) for label, recipes in asked] == [("item_knn", [4]), ("als:factors=4", [4, 5, 6])]
    assert [dict(recipe.params)["seed"] for _, recipe in asked[1][1]] == [4, 5, 6]
    als = table["models"][1]
    assert [one["seed"] for one in als["by_seed"]] == [4, 5, 6]
    assert als["ranking"]["everyone"]["metrics"]["map"]["mean"] == pytest.approx(np.mean([one["map"] for one in als["by_seed"]]))


def test_what_a_search_found_is_fitted_on_everything_before_the_test(
    settings: Settings, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_searched", lambda entry, *_: FOUND if entry.model == "item_knn" else None)
    table, _ = compare(plan("popularity,item_knn:shrink=2", minutes=1), DATA, settings)
    ((_, recipe),) = asked[1][1]
    assert {name: dict(recipe.params)[name] for name in ("neighbours", "shrink")} == {"neighbours": 7, "shrink": 2}
    row = table["models"][1]
    assert row["settings"]["neighbours"] == 7
    assert row["search"]["params"] == {"neighbours": 7}
    assert row["search"]["trials"] == 5


def test_a_blend_is_of_members_with_their_own_settings(settings: Settings, asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    weights = replace(FOUND, params={"weight of item_knn": 0.25, "weight of popularity": 0.75, "by": "rank"})

    def finding(entry: Entry, *_: Any) -> Found | None:
        searched.append(entry.label)
        return {"item_knn": FOUND, "popularity": None}.get(entry.label, weights)

    monkeypatch.setattr(bench, "_searched", finding)
    table, _ = compare(plan("item_knn+popularity", minutes=1), DATA, settings)
    assert searched == ["item_knn", "popularity", "item_knn+popularity"]
    (row,) = table["models"]
    assert row["settings"]["weights"] == (0.25, 0.75)
    assert dict(dict(row["settings"]["members"])["item_knn"])["neighbours"] == 7
    assert row["ranking"]["everyone"]["metrics"]["ndcg"]["mean"] > 0


def test_nothing_is_searched_without_time_or_without_a_range(settings: Settings) -> None:
    given = worker.Bench(DATA, LeaveLastOut(), 5)
    (popularity,) = parse("popularity")
    (knn,) = parse("item_knn")
    assert bench._searched(popularity, plan("popularity", minutes=9), given, settings) is None
    assert bench._searched(knn, plan("item_knn"), given, settings) is None
    assert not bench.studies(settings).exists()


def test_a_model_that_fails_stops_no_other(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bench.answers

    def picky(given: Any, label: str, recipes: Any) -> Any:
        if label != "item_knn":
            raise ModelError(f"{label} is ill", "Rest.")
        return real(given, label, recipes)

    monkeypatch.setattr(bench, "answers", picky)
    table, _ = compare(plan("popularity,item_knn"), DATA, settings)
    ill, well = table["models"]
    assert ill["error"] == "popularity is ill. Rest."
    assert "ranking" not in ill
    assert well["ranking"]["everyone"]["against_reference"]["ndcg"]["mean"] == 0, "the first that could be compared is the reference"
    with pytest.raises(ModelError, match="no model could be compared: popularity is ill"):
        compare(plan("popularity"), DATA, settings)


def test_what_cannot_be_split_is_told_before_anything_is_fitted(settings: Settings, asked: list[Any]) -> None:
    with pytest.raises(SettingsError, match="has no times"):
        compare(plan("popularity", ByTime(7)), walks("abcd"), settings)
    assert asked == []


def test_windows_are_pooled_and_users_without_a_history_told_apart(settings: Settings) -> None:
    late = [("late", item, -day) for day, item in enumerate("xyz")]
    data = dataset(*((f"u{user}", f"i{user + day}", -float(day)) for user in range(9) for day in range(0, 40, 4)), *late)
    table, _ = compare(plan("popularity,recent_popularity", ByTime(8, windows=3)), data, settings)
    groups = table["models"][0]["ranking"]
    assert {name: (group["asked"], group["users"]) for name, group in groups.items()} == {
        **{"everyone": (28, 10), "with a history": (27, 9), "without a history": (1, 1)}
    }
    assert table["models"][0]["fits"] == 3
    assert table["split"] == {"name": "rolling", "days": 8, "windows": 3, "repeats": False}


def test_the_error_analysis_is_of_the_newest_fold(settings: Settings, tmp_path: Path) -> None:
    asked = plan("popularity,item_knn", ByTime(8, windows=2))
    _, outcomes = compare(asked, DATA, settings)
    page = analysis.write_analysis(tmp_path / "page", asked, DATA, outcomes, settings)
    *_, fold = asked.split.tests(DATA)
    text = page.read_text()
    assert f"fold {fold.name}" in text
    assert "item_knn" in text
    assert "u12" not in text.replace("user 12", ""), "nobody's id is passed around"


def test_what_the_analysis_knows_of_users_and_items() -> None:
    catalogue = listed("a", category="coat", price=5.0).vstack(listed("b", "c", category="hat"))
    rows = [("u", "a", -30), ("u", "b", -20, "view"), ("v", "a", -12), ("v", "a", -11), ("u", "c", -2), ("v", "b", -1), ("w", "d", 0)]
    data = dataset(*rows, catalogue=catalogue)
    (fold,) = ByTime(10).tests(data)
    case = analysis.case_of(fold, data)
    assert case.taken_before.tolist() == [1, 2, 0]
    assert case.takers.tolist() == [2, 0, 0, 0]
    assert case.n_known == 2
    assert list(case.user_names) == ["user 0", "user 1", "user 2"]
    activity, history, age, category, price = ([one.labels[code] for code in one.codes] for one in case.segments)
    assert activity == ["1 to 4", "1 to 4", "none"]
    assert history == ["some history", "some history", "no history"]
    assert age == ["new in the window", "8 to 30 days", "new in the window"], "b was looked at ten days before"
    assert category == ["hat", "hat", "no category"]
    assert len(set(price)) == 1, "each of them was paid ten"
    (last,) = LeaveLastOut().tests(walks("abc"))
    assert len(analysis.case_of(last, walks("abc")).segments) == 4, "positions give no age"
