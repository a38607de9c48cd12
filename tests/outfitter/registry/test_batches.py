"""A batch: lists for everybody, written once, checked as they lie there, and nobody's business before it is published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from models.topk import TopK
from outfitter.errors import LakeError, ModelError
from outfitter.lake import stages
from outfitter.registry import batches, stories
from outfitter.registry.batches import Batch, lists_of, open_batch, publish, published, recommend_bucket, require_answers, validate_batch
from outfitter.registry.contest import require_champion
from outfitter.registry.promotion import bootstrap
from tests.outfitter.lake.frames import BUCKETS, NOW, at
from tests.outfitter.registry.conftest import TARGETS, Trained


@pytest.fixture
def batch(trained: Trained) -> Batch:
    bootstrap(trained.contest(), trained.candidates)
    return open_batch(trained.material, require_champion(trained.registry), trained.windows.as_of)


def answered(batch: Batch) -> pl.DataFrame:
    for bucket in range(BUCKETS):
        recommend_bucket(batch, bucket)
    return lists(batch)


def lists(batch: Batch) -> pl.DataFrame:
    return batch.lake.scan("recommendations").filter(pl.col("batch_id") == batch.id).sort("user_key").collect()


def taken_pairs(batch: Batch) -> pl.DataFrame:
    rows = batch.material.snapshot.scan("interactions").filter(pl.col("event").is_in(TARGETS))
    return rows.select("user_key", "item_key").unique().collect()


def test_the_same_inputs_are_the_same_batch(trained: Trained, batch: Batch) -> None:
    champion = require_champion(trained.registry)
    assert open_batch(trained.material, champion, batch.as_of).id == batch.id
    other = replace(trained.material, settings=trained.material.settings.model_copy(update={"list_length": 3}))
    assert open_batch(other, champion, batch.as_of).id != batch.id
    assert open_batch(replace(trained.material, materialization="x"), champion, batch.as_of).id != batch.id


def test_a_version_that_cannot_answer_is_told_before_anything_is_written(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    assert require_answers(batch) is batch
    real = batch.model.recommend
    monkeypatch.setattr(batch.model, "recommend", lambda *args, **kwargs: TopK.empty(len(real(*args, **kwargs).items), 6))
    with pytest.raises(ModelError, match="does not give every user a list"):
        require_answers(batch)
    assert lists(batch).is_empty()


def test_everybody_gets_one_full_list_of_what_may_be_shown(batch: Batch) -> None:
    found = answered(batch)
    users = batch.material.snapshot.users().collect()
    assert found["user_key"].to_list() == sorted(users["user_key"])
    assert found.join(users, on=["user_key", "bucket"]).height == users.height
    assert set(found["items"].list.len()) == {6}
    assert all(len(set(items)) == 6 for items in found["items"].to_list())
    sellable = set(batch.items.keys[batch.available].tolist())
    assert set(found["items"].explode().to_list()) <= sellable
    assert len(sellable) < len(batch.items.keys)
    assert all(scores == sorted(scores, reverse=True) for scores in found["scores"].to_list())
    row = found.row(0, named=True)
    assert (row["model"], row["model_version"], row["run_id"]) == (batch.model.name, batch.version.version, batch.version.run_id)


def test_what_somebody_took_is_not_shown_to_them_again(batch: Batch) -> None:
    shown = answered(batch).select("user_key", pl.col("items").alias("item_key")).explode("item_key")
    assert shown.join(taken_pairs(batch), on=["user_key", "item_key"], how="semi").is_empty()


def test_with_repeats_allowed_it_may_be(trained: Trained, batch: Batch) -> None:
    settings = trained.material.settings.model_copy(update={"repeat_purchases": True})
    repeating = open_batch(replace(trained.material, settings=settings), batch.version, batch.as_of)
    shown = answered(repeating).select("user_key", pl.col("items").alias("item_key")).explode("item_key")
    assert shown.join(taken_pairs(batch), on=["user_key", "item_key"], how="semi").height > 0


def test_a_bucket_is_answered_once(batch: Batch) -> None:
    users = [recommend_bucket(batch, bucket) for bucket in range(BUCKETS)]
    version = batch.lake.version("recommendations")
    assert [recommend_bucket(batch, bucket) for bucket in range(BUCKETS)] == users
    assert batch.lake.version("recommendations") == version
    assert lists(batch).height == sum(users)


def test_a_bucket_without_users_is_answered_with_nothing(batch: Batch) -> None:
    assert recommend_bucket(batch, BUCKETS + 1) == 0
    assert lists(batch).is_empty()


def test_good_lists_pass(batch: Batch, tmp_path: Path) -> None:
    answered(batch)
    validation = validate_batch(batch, tmp_path / "docs")
    assert validation.passed, validation.stops
    assert validation.page is not None
    assert validation.page.exists()


def _again(items: pl.Expr, pairs: pl.DataFrame) -> pl.Expr:
    had = dict(pairs.group_by("user_key").agg(pl.col("item_key").first()).rows())
    first = pl.col("user_key").replace_strict(had, default=None, return_dtype=pl.Int32)
    return pl.concat_list(first.fill_null(items.list.first()), items.list.tail(5))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("short", "the list is shorter than it could be"),
        ("twice", "an item stands in the list twice"),
        ("unavailable", "an item is not available"),
        ("taken", "an item was bought before"),
        ("order", "scores are not in descending order"),
        ("missing", "the number of users is not"),
    ],
)
def test_one_bad_list_stops_the_batch(batch: Batch, tmp_path: Path, fault: str, said: str) -> None:
    """The lists are looked at as they lie in the lake, so what was tampered with there is found."""
    found = answered(batch)
    items = pl.col("items")
    barred = int(batch.items.keys[~batch.available][0])
    change = {
        "short": items.list.head(5),
        "twice": pl.concat_list(items.list.head(5), items.list.first()),
        "unavailable": pl.concat_list(items.list.head(5), pl.lit(barred, dtype=pl.Int32)),
        "taken": _again(items, taken_pairs(batch)),
        "order": items,
        "missing": items,
    }[fault]
    victims = (
        found.join(taken_pairs(batch).select("user_key").unique(), on="user_key", how="semi").head(1).with_columns(change.alias("items"))
    )
    if fault == "order":
        victims = victims.with_columns(pl.lit(pl.Series([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).implode().alias("scores"))
    batch.lake.delete_rows("recommendations", "batch_id", [batch.id])
    rest = found.join(victims, on="user_key", how="anti")
    batch.lake.append("recommendations", rest if fault == "missing" else pl.concat([rest, victims], how="vertical_relaxed"))
    validation = validate_batch(batch, tmp_path / "docs")
    assert not validation.passed
    assert any(said in stop for stop in validation.stops), validation.stops


def test_lists_are_nobodys_business_before_they_are_published(batch: Batch) -> None:
    answered(batch)
    assert published(batch.lake) is None
    with pytest.raises(LakeError, match=rf"no batch '{batch.id}' has been published.*outfitter recommend"):
        lists_of(batch.lake, batch.id)
    publish(batch, "validation", NOW)
    assert lists_of(batch.lake, batch.id).collect().height == lists(batch).height
    with pytest.raises(LakeError, match="no batch 'other'"):
        lists_of(batch.lake, "other")


def test_a_batch_is_published_once_and_says_what_it_is(batch: Batch) -> None:
    found = answered(batch)
    publish(batch, "validation", NOW)
    publish(batch, "again", at(1))
    row = published(batch.lake, batch.id)
    assert row is not None
    assert batch.lake.read("batches").height == 1
    assert (row["users"], row["items_shown"]) == (found.height, found["items"].explode().n_unique())
    assert (row["validation_id"], row["published_at"], row["snapshot_id"]) == ("validation", NOW, batch.material.snapshot.id)


def test_an_empty_list_shows_no_item(batch: Batch) -> None:
    bare = replace(batch, id="bare")
    rows = pl.DataFrame({"batch_id": ["bare"] * 2, "bucket": [0, 0], "user_key": [0, 1], "items": [[3, 4], []], "scores": [[1.0, 0.5], []]})
    batch.lake.append("recommendations", rows)
    publish(bare, "validation", NOW)
    row = published(batch.lake, "bare")
    assert row is not None
    assert (row["users"], row["items_shown"]) == (2, 2)


def test_the_newest_batch_is_the_one_published_last(batch: Batch) -> None:
    for number, name in enumerate(("old", "new")):
        publish(replace(batch, id=name), "validation", at(number))
    newest, old = published(batch.lake), published(batch.lake, "old")
    assert newest is not None
    assert old is not None
    assert (newest["batch_id"], old["batch_id"]) == ("new", "old")
    assert published(batch.lake, "never") is None


def test_a_story_tells_what_somebody_took_and_is_shown(batch: Batch) -> None:
    answered(batch)
    publish(batch, "validation", NOW)
    snapshot = batch.material.snapshot
    words = stories.words(snapshot)
    told = stories.story(snapshot, batch.id, batch.as_of, ["purchase"])
    users = dict(snapshot.users().select("user_id", "user_key").collect().rows())
    key = users[told["user_id"]]
    bought = snapshot.scan("interactions").filter(pl.col("event") == "purchase", pl.col("user_key") == key).sort("timestamp", "sequence")
    past = [words[item] for item in bought.collect()["item_key"]]
    assert 4 <= len(past) <= 12
    assert told["history"] == past[-6:]
    mine = lists(batch).filter(pl.col("user_key") == key)["items"].to_list()[0]
    assert told["recommended"] == [words[item] for item in mine[:6]]
    assert stories.story(snapshot, batch.id, batch.as_of, ["purchase"], user_key=key) == told


def test_a_user_without_a_list_has_a_story_all_the_same(batch: Batch) -> None:
    publish(batch, "validation", NOW)
    told = stories.story(batch.material.snapshot, batch.id, batch.as_of, ["purchase"])
    assert told["history"]
    assert told["recommended"] == []


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"title": "Wool coat", "colour": "red", "category": "coat"}, "Wool coat"),
        ({"title": None, "colour": "red", "category": "coat"}, "red coat i1"),
        ({"title": "", "colour": None, "category": "coat"}, "coat i1"),
        ({"title": None, "colour": None, "category": None}, "item i1"),
    ],
)
def test_an_item_is_called_by_what_is_known(known: dict[str, str | None], said: str) -> None:
    assert stories._words({"item_id": "i1", **known}) == said


def test_settings_that_matter_to_a_list_are_settings(trained: Trained) -> None:
    assert set(batches.SETTINGS) <= set(type(trained.material.settings).model_fields)


def test_what_a_batch_was_made_with_is_kept(batch: Batch) -> None:
    answered(batch)
    publish(batch, "v", NOW)
    told = stages.find(batch.lake, "recommend", batch.id)
    assert told is not None
    assert told["materialization"] == batch.material.materialization
    assert set(told["settings"]) == set(batches.SETTINGS)
    assert told["settings"]["events"]["purchase"] == {"weight": 1.0, "target": True}


def test_what_was_published_by_then_is_not_what_came_later(batch: Batch) -> None:
    answered(batch)
    publish(batch, "v", NOW)
    batch.lake.append(
        "batches", batch.lake.read("batches").with_columns(pl.lit("later").alias("batch_id"), pl.lit(at(1)).alias("published_at"))
    )
    found = {day: published(batch.lake, by=at(day)) for day in (-1, 0, 0.5, 1)}
    assert [row and row["batch_id"] for row in found.values()] == [None, batch.id, batch.id, "later"]
