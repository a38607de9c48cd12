"""The exam: the right people are asked the right question, and nobody sits it who knows the answers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.data import TrainingData
from models.popularity import Popularity
from outfitter.errors import ModelError, NotEnoughData
from outfitter.evaluation.exam import METRICS, Exam, set_exam, sit
from outfitter.evaluation.inputs import Catalogue, catalogue, histories, weighted_events
from outfitter.features.spec import USER_FEATURES, names
from outfitter.lake.snapshot import Snapshot
from outfitter.settings import Settings
from tests.outfitter.lake.frames import NOW, at

PEOPLE = ("ann", "bob", "cat", "dan", "eve")
FEATURES = pl.DataFrame(
    schema={"user_key": pl.Int32, "cutoff": pl.Datetime("us", "UTC"), **dict.fromkeys(names(USER_FEATURES), pl.Float32)}
)


def exam_at(snapshot: Snapshot, settings: Settings, asked: float, until: float = 0) -> Exam:
    return set_exam(snapshot, settings, at(asked), at(until), FEATURES)


def popularity(snapshot: Snapshot, settings: Settings, until: float) -> Popularity:
    items, events = catalogue(snapshot, at(until)), weighted_events(snapshot, at(until), settings.events).collect()
    users = events["user_key"].unique().sort().to_numpy()
    return Popularity().fit(TrainingData(items.ids, histories(events, users, items, at(until)), at(until)))


def asked_of(exam: Exam, keys: dict[str, int]) -> dict[str, set[str]]:
    user_names = {keys[name]: name for name in PEOPLE}
    item_names = {key: name for name, key in keys.items() if name not in PEOPLE}
    out: dict[str, set[str]] = {}
    for user, what in exam.taken.rows():
        out.setdefault(user_names[user], set()).add(item_names[what])
    return out


def test_everyone_who_took_something_new_is_asked(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    """Ann's hat is a repeat, Cat is new, the stub glove counts, two gloves are one question."""
    exam = exam_at(snapshot, settings, -7)
    assert asked_of(exam, keys) == {"ann": {"shoe"}, "bob": {"coat"}, "cat": {"glove"}}
    assert exam.users.tolist() == sorted(keys[name] for name in ("ann", "bob", "cat"))


def test_with_repeats_allowed_they_are_asked_for(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    exam = exam_at(snapshot, settings.model_copy(update={"repeat_purchases": True}), -7)
    assert asked_of(exam, keys) == {"ann": {"shoe", "hat"}, "bob": {"coat"}, "cat": {"glove"}}


def test_looking_at_a_thing_before_does_not_take_the_question_away(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    assert "bob" in asked_of(exam_at(snapshot, settings, -1), keys)


def test_the_windows_edges_belong_to_its_end(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    assert asked_of(exam_at(snapshot, settings, -3), keys) == {"ann": {"shoe"}, "bob": {"coat"}}
    assert asked_of(exam_at(snapshot, settings, -4, -3), keys) == {"cat": {"glove"}}


def test_activity_counts_what_was_taken_before(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    exam = exam_at(snapshot, settings, -7)
    assert dict(zip(exam.users.tolist(), exam.activity.tolist(), strict=True)) == {keys["ann"]: 3, keys["bob"]: 1, keys["cat"]: 0}
    assert exam.activity.dtype == np.int64


def test_nothing_of_the_window_is_in_what_is_told(snapshot: Snapshot, settings: Settings) -> None:
    exam = exam_at(snapshot, settings, -7)
    latest = exam.events["timestamp"].max()
    assert latest is not None
    assert latest <= at(-7)  # type: ignore[operator]


def test_only_the_features_of_the_moment_are_taken(snapshot: Snapshot, settings: Settings) -> None:
    rows = FEATURES.clear(n=2).with_columns(cutoff=pl.Series([at(-7), NOW], dtype=pl.Datetime("us", "UTC")))
    assert set_exam(snapshot, settings, at(-7), NOW, rows).features["cutoff"].to_list() == [at(-7)]


def test_with_nobody_to_ask_there_is_no_exam(snapshot: Snapshot, settings: Settings) -> None:
    with pytest.raises(NotEnoughData, match="nobody took anything new between 2024-01-06 and 2024-02-09"):
        exam_at(snapshot, settings, -55, -21)


def test_only_a_repeat_in_the_window_is_nothing_to_ask(snapshot: Snapshot, settings: Settings) -> None:
    with pytest.raises(NotEnoughData):
        exam_at(snapshot, settings, -1.5, -0.5)


def test_the_truth_lies_in_the_models_positions(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    exam = exam_at(snapshot, settings.model_copy(update={"repeat_purchases": True}), -7)
    items = catalogue(snapshot, at(-7), ("coat", "hat", "shoe"))
    truth = exam.truth(items)
    rows = {user: truth.items[a:b].tolist() for user, a, b in zip(exam.users.tolist(), truth.indptr, truth.indptr[1:], strict=False)}
    assert sorted(rows[keys["ann"]]) == [1, 2]
    assert rows[keys["bob"]] == [0]


def test_an_item_the_model_does_not_know_counts_as_missed(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    exam = exam_at(snapshot, settings, -7)
    truth = exam.truth(Catalogue(np.array([keys["hat"]], np.int32), ("hat",)))
    assert truth.counts.tolist() == [1, 1, 1]
    assert (truth.items >= 1).all()
    assert len(set(truth.items.tolist())) == 3
    everything = np.tile(np.array([0, -1, -1], np.int32), (3, 1))
    assert METRICS["recall"](everything, truth).tolist() == [0, 0, 0]


def test_a_model_is_marked_by_what_it_shows(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    """Sellable seven days ago: coat by nobody's purchase, hat by Bob and Ann; Ann and Bob have the hat, so only Cat is shown it."""
    exam = exam_at(snapshot, settings, -7)
    result = sit(exam, popularity(snapshot, settings, -7))
    assert result.per_user["hit_rate"].tolist() == [0, 0, 0]
    assert result.coverage == 1
    wide = settings.model_copy(update={"sellable_days": 365})
    result = sit(exam_at(snapshot, wide, -7), popularity(snapshot, wide, -7))
    marks = dict(zip(exam.users.tolist(), result.per_user["hit_rate"].tolist(), strict=True))
    assert marks == {keys["ann"]: 0, keys["bob"]: 1, keys["cat"]: 0}
    assert result.mean("hit_rate") == pytest.approx(1 / 3)
    assert set(result.per_user) == set(METRICS)
    assert result.recipe.model == "popularity"
    assert result.seconds > 0


def test_what_lists_are_like_and_take(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    """Where a list stands among the items by how many had taken them: the share that is less popular, and half of its equals."""
    wide = settings.model_copy(update={"sellable_days": 365})
    exam, model = exam_at(snapshot, wide, -7), popularity(snapshot, wide, -7)
    result = sit(exam, model)
    people = exam.events.filter(pl.col("taken")).select("user_key", "item_key").unique()["item_key"].to_list()
    takers = {int(key): people.count(int(key)) for key in catalogue(snapshot, at(-7)).keys}
    assert dict(exam.takers.rows()) == {key: users for key, users in takers.items() if users}
    places = {
        key: (sum(o < users for o in takers.values()) + sum(o == users for o in takers.values()) / 2) / len(takers)
        for key, users in takers.items()
    }
    each = [np.mean([places[key] for key in row if key >= 0]) for row in result.shown.tolist() if max(row) >= 0]
    assert result.popularity == pytest.approx(np.mean(each))
    assert result.megabytes == sum(array.nbytes for array in (model.prior, *model.arrays.values())) / 2**20


def test_a_user_without_history_is_answered_like_everybody(snapshot: Snapshot, settings: Settings, keys: dict[str, int]) -> None:
    exam = exam_at(snapshot, settings.model_copy(update={"sellable_days": 365, "repeat_purchases": True}), -95, -85)
    assert asked_of(exam, keys) == {"ann": {"coat"}}
    assert exam.activity.tolist() == [0]
    model = popularity(snapshot, settings, -95)
    assert sit(exam, model).per_user["recall"].shape == (1,)


@pytest.mark.parametrize("later", [0.0001, 7])
def test_a_model_that_learnt_later_is_refused(snapshot: Snapshot, settings: Settings, later: float) -> None:
    exam = exam_at(snapshot, settings, -7)
    with pytest.raises(ModelError, match=r"learnt until .*, the exam asks at 2024-02-23"):
        sit(exam, popularity(snapshot, settings, -7 + later))
