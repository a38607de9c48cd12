"""A search: the defaults first, nothing of the test, on where it was killed, and away with what is plainly worse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from models.base import Recipe
from models.neighbours.item_knn import ItemKNN
from models.popularity import RecentPopularity
from models.training.watch import watch
from outfitter.errors import ModelError
from outfitter.evaluation.folds import ByTime, Fold, LeaveLastOut, Split
from outfitter.experiments import search as searching
from outfitter.experiments import trial, trying
from outfitter.experiments.entries import parse
from outfitter.experiments.search import DEFAULT, ERROR, Found, ended, search
from outfitter.experiments.trial import Task
from tests.conftest import REPOSITORY
from tests.outfitter.evaluation.tiny import dataset, random_walks, with_other_tests

DATA = random_walks()


def task(model: str = "item_knn", split: Split | None = None, seed: int = 0) -> Task:
    (entry,) = parse(model)
    return Task(entry, DATA, split or LeaveLastOut(), 5, seed)


def trials(found: Found, folder: Path) -> list[FrozenTrial]:
    return optuna.load_study(study_name=found.study, storage=f"sqlite:///{folder / found.study}.db").trials


def judged(monkeypatch: pytest.MonkeyPatch, worth: Callable[[Any, Fold], float]) -> None:
    """Let ``worth`` say what a fitted model is worth, in four equal parts of a thousand users each."""

    def told(model: Any, fold: Fold, k: int, repeats: bool) -> Iterator[tuple[float, int]]:
        for part in range(1, 5):
            yield worth(model, fold), 1000 * part

    monkeypatch.setattr(trial, "worth", told)


def test_the_defaults_come_first_and_nothing_worse_is_chosen(tmp_path: Path) -> None:
    found = search(task(), 10, tmp_path, most=6)
    first, *others = trials(found, tmp_path)
    assert first.params == {name: value for name, value in ItemKNN().params().items() if name in first.params}
    assert found.default == first.value
    assert found.value == max(one.value for one in (first, *others))  # type: ignore[type-var]
    assert found.params == next(one.params for one in (first, *others) if one.value == found.value)
    assert (found.trials, found.pruned, found.failed) == (6, 0, 0)
    assert 0 < found.minutes < 1


def test_a_value_is_the_ndcg_of_the_validation_folds(tmp_path: Path) -> None:
    split = ByTime(10, windows=2)
    found = search(task(split=split), 10, tmp_path, most=1)
    means = []
    for fold in split.validations(DATA):
        model = ItemKNN().fit(fold.training)
        discounts = 1 / np.log2(np.arange(2, 7))
        shown = model.recommend(fold.asked, 5, fold.available).items
        scores = []
        for user, row in enumerate(shown):
            truth = set(fold.truth.items[fold.truth.indptr[user] : fold.truth.indptr[user + 1]].tolist())
            gained = sum(discount for item, discount in zip(row.tolist(), discounts, strict=True) if item in truth)
            scores.append(gained / discounts[: len(truth)].sum())
        means.append(np.mean(scores))
    assert len(means) == 3
    assert found.value == pytest.approx(np.mean(means))


@pytest.mark.parametrize("split", [LeaveLastOut(), ByTime(12)])
def test_other_test_items_choose_the_same_settings(split: Split, tmp_path: Path) -> None:
    (entry,) = parse("item_knn")
    found = []
    for place, data in enumerate((DATA, with_other_tests(DATA, split))):
        one = search(Task(entry, data, split, 5, 0), 10, tmp_path / str(place), most=12)
        found.append([(one.params, one.value) for one in trials(one, tmp_path / str(place))])
    assert found[0] == found[1]
    assert len({value for _, value in found[0]}) > 3, "settings matter here"


def test_a_study_is_found_again_by_the_same_question_only() -> None:
    names = {task().name, task("item_knn:shrink=1").name, task("als").name, task(split=ByTime(9)).name, task(seed=1).name}
    names.add(replace(task(), data=random_walks(seed=4)).name)
    names.add(replace(task(), k=6).name)
    data = task().data
    names.add(replace(task(), data=replace(data, weight=data.weight * 2)).name)
    names.add(replace(task(), data=replace(data, taken=~data.taken)).name)
    assert len(names) == 9
    assert task().name in names


def test_the_budget_counts_all_that_a_trial_takes(tmp_path: Path) -> None:
    """Choosing and recording too: of a model that is fitted in a millisecond they are nearly everything."""
    found = search(task("recent_popularity"), 0.05, tmp_path)
    took = [one.user_attrs[searching.SECONDS] for one in trials(found, tmp_path)]
    assert 3 <= sum(took) < 3 + 2 * max(took)
    assert found.trials < 600


def test_the_same_seed_tries_the_same_and_another_one_others(tmp_path: Path) -> None:
    tried = [
        [one.params for one in trials(search(task(seed=seed), 10, tmp_path / name, most=4), tmp_path / name)]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert tried[0] == tried[1]
    assert tried[0][1:] != tried[2][1:]


KILLED = """
import os, signal, sys
from pathlib import Path
from outfitter.experiments import search, trial
from tests.outfitter.experiments.test_search import task

fits = []
fit = trial.fit

def dying(*given):
    fits.append(1)
    if len(fits) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return fit(*given)

trial.fit = dying
search.search(task(), 10, Path(sys.argv[1]), most=6)
"""


def test_a_killed_search_goes_on_where_it_was(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    dead = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, capture_output=True, check=False, timeout=120)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    found = search(task(), 10, tmp_path, most=4)
    before, after = trials(found, tmp_path)[:3], trials(found, tmp_path)[3:]
    assert [one.state for one in before] == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL]
    assert after[0].params == before[2].params, "what was killed is done again"
    assert [one.state for one in after] == [TrialState.COMPLETE] * 2
    assert (found.trials, found.failed) == (4, 0)
    assert after[1].params not in [one.params for one in before]
    again = search(task(), 10, tmp_path, most=4)
    assert again == found, "nothing is left to do"


def test_a_search_killed_in_the_defaults_begins_with_them_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(trial, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            search(task(), 10, tmp_path, most=2)
    found = search(task(), 10, tmp_path, most=2)
    assert [DEFAULT in one.user_attrs for one in trials(found, tmp_path)] == [True, True, False]
    assert found.default is not None


def test_settings_that_get_the_process_killed_twice_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killing(recipe: Recipe, fold: Fold, data: Any) -> Any:
        if dict(recipe.params)["neighbours"] != ItemKNN().neighbours:
            raise KeyboardInterrupt
        return trying.fit(recipe, fold, data)

    with monkeypatch.context() as patched:
        patched.setattr(trial, "fit", killing)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                search(task(), 10, tmp_path, most=3)
    found = search(task(), 10, tmp_path, most=3)
    first, second, third, *_ = trials(found, tmp_path)
    assert second.params == third.params
    assert third.user_attrs["error"] == "the process was killed in each of 2 attempts"
    assert (found.trials, found.failed, found.value >= first.value) == (3, 1, True)


def test_defaults_that_get_the_process_killed_twice_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "fit", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            search(task(), 10, tmp_path, most=2)
    with pytest.raises(ModelError, match="item_knn with its defaults: the process was killed in each of 2 attempts"):
        search(task(), 10, tmp_path, most=2)


def test_the_budget_counts_what_was_spent_before(tmp_path: Path) -> None:
    first = search(task(), 1e-6, tmp_path)
    assert (first.trials, first.params) == (1, {name: ItemKNN().params()[name] for name in first.params})
    assert search(task(), 1e-6, tmp_path) == first
    assert search(task(), first.minutes + 1e-6, tmp_path).trials == 2


def test_settings_that_cannot_be_fitted_fail_and_the_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(recipe: Recipe, fold: Fold, data: Any) -> Any:
        if dict(recipe.params)["neighbours"] != ItemKNN().neighbours:
            raise ModelError("too few neighbours")
        return trying.fit(recipe, fold, data)

    monkeypatch.setattr(trial, "fit", picky)
    found = search(task(), 10, tmp_path, most=3)
    assert (found.trials, found.failed) == (3, 2)
    assert [one.user_attrs.get(ERROR) for one in trials(found, tmp_path)] == [None, "too few neighbours", "too few neighbours"]


def test_defaults_that_cannot_be_fitted_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecentPopularity, "_fit", lambda *_: (_ for _ in ()).throw(ModelError("no times")))
    with pytest.raises(ModelError, match="no times"):
        search(task("recent_popularity"), 10, tmp_path, most=3)


def test_what_is_plainly_worse_is_given_up_before_all_users_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.9])
    monkeypatch.setattr(trial, "fit", lambda *_: next(values))
    judged(monkeypatch, lambda model, _: model)
    found = search(task(), 10, tmp_path, most=7)
    assert (found.value, found.pruned) == (0.9, 1)
    worse = trials(found, tmp_path)[5]
    assert (worse.state, len(worse.intermediate_values)) == (TrialState.PRUNED, 1)


def test_few_users_are_no_reason_to_give_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "COMPARED", 1)
    assert search(task(), 10, tmp_path, most=8).pruned == 0
    monkeypatch.setattr(trial, "ENOUGH", 1)
    assert search(task(seed=1), 10, tmp_path, most=8).pruned > 0


def test_a_training_is_given_up_by_its_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fit tells five epochs; the sixth scores less than the others did, and it never comes to being asked."""
    fitted: list[int] = []

    def training(*_: Any) -> ItemKNN:
        (run,) = watch().runs
        fitted.append(0)
        for epoch in range(1, 6):
            fitted[-1] = epoch
            run.epoch(epoch, {"score": 0.1 if len(fitted) == 6 else 0.5, "training_loss": 9.0}, epoch, 5)
        return ItemKNN()

    monkeypatch.setattr(trial, "fit", training)
    judged(monkeypatch, lambda *_: 0.3)
    found = search(task(), 10, tmp_path, most=6)
    assert fitted == [5, 5, 5, 5, 5, trial.SETTLED]
    assert (found.pruned, found.value) == (1, 0.3)
    assert trials(found, tmp_path)[0].intermediate_values == dict.fromkeys(range(1, 6), 0.5), "parts of the users are another scale"


def test_the_members_of_a_blend_are_fitted_once_and_only_their_weights_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[str] = []

    def counted(recipe: Recipe, fold: Fold, data: Any) -> Any:
        fits.append(recipe.model)
        return trying.fit(recipe, fold, data)

    monkeypatch.setattr(trial, "fit", counted)
    asked = task("item_knn+popularity")
    found = search(asked, 10, tmp_path, most=8)
    assert fits == ["item_knn", "popularity"]
    assert set(found.params) == set(asked.entry.space)
    (fold,) = asked.split.validations(DATA)
    *_, (value, users) = trying.worth(trying.fit(asked.entry.recipe(found.params, 0), fold, DATA), fold, 5, repeats=False)
    assert (value, users) == (pytest.approx(found.value), 30), "the blend that is fitted as a whole is worth the same"
    search(asked, 10, tmp_path, most=8)
    assert len(fits) == 2, "a search that has nothing left to do fits nothing"


def test_ratings_are_searched_by_their_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item}", -place, "rating", 1, 1, float(1 + item % 5))
        for user in range(12)
        for place, item in enumerate(rng.permutation(9))
    ]
    (entry,) = parse("biased_mf")
    rated = Task(entry, dataset(*rows), ByTime(2), 5, 0)
    found = search(rated, 10, tmp_path, most=3)
    assert -2 < found.value < 0
    assert ended(optuna.load_study(study_name=found.study, storage=f"sqlite:///{tmp_path / found.study}.db"))[0].value == found.default
