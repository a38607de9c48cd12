"""Sources read into memory: what is kept, what is left out and why, and what is known of items."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.data import TrainingData
from models.neural.two_tower import TwoTower
from outfitter.datasets.base import Frames
from outfitter.errors import NotEnoughData, SettingsError, SourceError
from outfitter.evaluation.attributes import attribute_matrix, item_codes
from outfitter.evaluation.datasets import Dataset, as_datetime, as_moment, assembled, read_dataset
from outfitter.evaluation.featureless import with_rows
from outfitter.evaluation.folds import LeaveLastOut
from outfitter.evaluation.gathering import Gathered, Numbers
from outfitter.features.spec import LAST_ITEMS
from outfitter.schema import EPOCH, EVENTS, ITEM_FRAME, conform
from outfitter.settings import EventRule, Settings
from tests.conftest import REAL_DATA
from tests.outfitter.evaluation.tiny import LATEST, dataset, random_walks, walks
from tests.outfitter.lake.frames import at, bought, listed

RULES = Settings().events


def gathered(*frames: Frames, duplicates: bool = True) -> Gathered:
    """Each frame a file of its own."""
    found = Gathered(RULES, duplicates, LATEST)
    for one in frames:
        found.begin_file()
        found.add(one)
    return found


def sequences(folder: Path, text: str, attributes: str = "") -> Settings:
    (folder / "sequences.txt").write_text(text)
    if attributes:
        (folder / "item_attributes.json").write_text(attributes)
    return Settings(source="sequences", path=str(folder), home=folder / "home")


def test_ids_are_numbered_as_they_come_and_keep_their_numbers() -> None:
    numbers = Numbers()
    assert numbers.of(pl.Series(["b", "a", "b", "07"])).to_list() == [0, 1, 0, 2]
    assert numbers.of(pl.Series(["c", "07", "b"])).to_list() == [3, 2, 0]
    assert numbers.of(pl.Series([], dtype=pl.String)).to_list() == []
    assert numbers.ids().to_list() == ["b", "a", "07", "c"]


def test_a_sequence_file_becomes_arrays(tmp_path: Path) -> None:
    data = read_dataset(sequences(tmp_path, "u2 b a\nu1 a c b\n", '{"a": [7, 8], "b": [7], "z": [8]}'), LATEST)
    assert data.user_ids.to_list() == ["u2", "u1"]
    assert data.item_ids == ("a", "b", "z", "c")
    assert data.user.tolist() == [0, 0, 1, 1, 1]
    assert [data.item_ids[item] for item in data.item] == ["b", "a", "a", "c", "b"]
    assert data.timestamp.astype("datetime64[D]").astype(int).tolist() == [0, 1, 0, 1, 2]
    assert data.synthetic_time
    assert data.attribute_names == ("tag: 7", "tag: 8")
    assert data.attributes.toarray().tolist() == [[1, 1], [1, 0], [0, 1], [0, 0]]
    assert (data.user.dtype, data.item.dtype, data.weight.dtype, data.event.dtype) == (np.int32, np.int32, np.float32, np.int8)
    assert (data.value.dtype, data.timestamp.dtype, data.sequence.dtype) == (np.float32, np.dtype("datetime64[us]"), np.int64)
    assert data.taken.all()
    assert {EVENTS[code] for code in data.event} == {"purchase"}
    assert data.counts() == {"users": 2, "items": 4, "items_met": 3, "interactions": 5, "taken": 5, "rated": 0, "attributes": 2}


def test_rows_lie_by_user_then_time_then_order_in_the_source() -> None:
    late = bought(("a", "x", -1), ("b", "y", -2), ("a", "z", -1))
    early = bought(("b", "w", -2), ("a", "v", -3))
    data = assembled("test", False, gathered(Frames(interactions=late), Frames(interactions=early)))
    told = [(data.user_ids[int(user)], data.item_ids[item]) for user, item in zip(data.user, data.item, strict=True)]
    assert told == [("a", "v"), ("a", "x"), ("a", "z"), ("b", "y"), ("b", "w")]


def test_what_cannot_be_learnt_from_is_left_out_and_counted_once() -> None:
    rows = bought(
        *(("a", "x", -1), ("a", "x", -1), (None, "x", -2), ("a", None, -3), ("a", "y", -4, "return"), ("b", "y", -5, "rating")),
        *(("b", "y", -6, None), (None, None, -7), ("b", "z", -8, "stare"), ("b", "w", -9)),
    )
    spoilt = pl.when(pl.col("item_id") == "w").then(pl.lit("price 'abc'")).alias("unreadable")
    untimed = bought(("c", "x", 0)).with_columns(pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("timestamp"))
    found = gathered(Frames(interactions=rows.with_columns(spoilt)), Frames(interactions=untimed))
    assert found.rows == 1
    assert dict(found.dropped) == {
        "cannot be read": 1,
        "user id is missing": 2,
        "item id is missing": 1,
        "timestamp is missing": 1,
        "event is missing": 1,
        "value of a rating is missing": 1,
        "identical to an earlier row": 1,
        "a return speaks for no item": 1,
        "event is none that is known": 1,
    }


def test_what_an_ingest_would_set_aside_is_left_out_too() -> None:
    rows = bought(
        ("a", "x", -1, "purchase", -3.0), ("a", "y", -1, "purchase", float("nan")), ("a", "z", -1, "purchase", 1.0, 0), ("a", "w", 0.1)
    )
    stars = bought(("a", "x", -1, "rating"), ("a", "y", -1, "rating")).with_columns(value=pl.Series([101.0, 5.0]))
    found = gathered(Frames(interactions=rows), Frames(interactions=stars))
    assert found.rows == 1
    assert dict(found.dropped) == {
        "price is negative": 1,
        "price is not a plausible number": 1,
        "quantity is less than one": 1,
        "timestamp lies in the future": 1,
        "value lies outside 0 to 100": 1,
    }


def test_rows_alike_repeat_each_other_within_a_file_and_only_where_that_is_a_mistake() -> None:
    twice = Frames(interactions=bought(("a", "x", -1), ("a", "x", -1)))
    assert gathered(twice, twice).rows == 2
    assert gathered(twice, twice, duplicates=False).rows == 4


def test_weights_and_targets_are_the_settings() -> None:
    data = dataset(("a", "x", -3, "view"), ("a", "x", -2, "cart"), ("a", "x", -1))
    assert data.weight.tolist() == pytest.approx([RULES["view"].weight, RULES["cart"].weight, 1])
    assert data.taken.tolist() == [False, False, True]
    told = Gathered({"view": EventRule(weight=2, target=True)}, duplicates=False, latest=LATEST)
    told.begin_file()
    told.add(Frames(interactions=bought(("a", "x", -3, "view"), ("a", "x", -2))))
    other = assembled("test", False, told)
    assert (other.weight.tolist(), other.taken.tolist(), other.dropped) == ([2], [True], {"a purchase speaks for no item": 1})


def test_stars_are_values_and_other_events_have_none() -> None:
    data = dataset(("a", "x", -2), ("a", "y", -1, "rating", 1, 1, 4.0))
    assert np.isnan(data.value[0])
    assert data.value[1] == 4
    assert data.counts()["rated"] == 1


def test_the_oldest_row_of_a_catalogue_counts_and_a_derived_one_never_hides_it() -> None:
    new, old = listed("x", valid_from=at(-1), colour="red"), listed("x", valid_from=at(-9), colour="blue", price=5.0)
    derived = Frames(
        interactions=bought(("a", "x", -20, "purchase", 3.0), ("a", "y", -2, "purchase", 2.0), ("a", "y", -1, "purchase", 4.0))
    )
    derived = Frames(interactions=derived.interactions, items=listed("x", "y", colour="green"))
    items = gathered(Frames(items=new), Frames(items=old), derived).catalogue()
    assert items.select("item_id", "colour", "price").rows() == [("x", "blue", 5.0), ("y", "green", 3.0)]
    assert items["known_from"].to_list() == [at(-20), at(-2)], "what was met was known, whatever the catalogue says"
    assert items["first_seen"].to_list() == [at(-20), at(-2)]


def test_an_item_of_a_timeless_catalogue_was_always_known_and_one_without_an_id_is_left_out() -> None:
    catalogue = listed("x").vstack(conform(pl.DataFrame({"sequence": [2]}), ITEM_FRAME))
    found = gathered(Frames(items=catalogue), Frames(interactions=bought(("a", "y", 0))))
    assert found.catalogue().select("item_id", "known_from", "first_seen").rows() == [("x", EPOCH, None), ("y", at(0), at(0))]
    assert dict(found.dropped) == {"of an item, cannot be read": 1}


def test_moments_go_there_and_back() -> None:
    moment = datetime(2024, 2, 29, 13, 5, 1, 7, tzinfo=UTC)
    assert as_datetime(as_moment(moment)) == moment


def test_what_happened_later_is_left_out() -> None:
    data = dataset(("a", "x", -3), ("a", "y", -1), ("b", "z", 0))
    assert data.newest == at(0)
    earlier = data.until(at(-1))
    assert earlier.newest == at(-1)
    assert earlier.item_ids == data.item_ids
    assert (earlier.user.tolist(), earlier.weight.tolist(), earlier.event.tolist()) == ([0, 0], [1, 1], data.event[:2].tolist())
    with pytest.raises(NotEnoughData, match=r"by 2024-02-26\. The newest event is of 2024-03-01"):
        data.until(at(-4))


def test_a_source_that_is_not_there_or_holds_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no folder"):
        read_dataset(Settings(source="sequences", path=str(tmp_path / "gone"), home=tmp_path), LATEST)
    with pytest.raises(SourceError, match=r"lacks sequences\.txt"):
        read_dataset(Settings(source="sequences", path=str(tmp_path), home=tmp_path), LATEST)
    with pytest.raises(SettingsError, match="needs a folder"):
        read_dataset(Settings(source="sequences", home=tmp_path), LATEST)
    with pytest.raises(NotEnoughData, match="Left out were 1 rows: cannot be read"):
        read_dataset(sequences(tmp_path, "lonely\n"), LATEST)


def test_attributes_of_all_kinds_side_by_side() -> None:
    items = conform(
        pl.DataFrame(
            {
                "colour": ["red", "red", None, "blue"],
                "category": ["coat", "hat", "coat", "coat"],
                "tags": [["red", "red"], [], None, ["red", "rare"]],
            }
        ),
        ITEM_FRAME,
    )
    matrix, names = attribute_matrix(items)
    assert names == ("category: coat", "colour: red", "tag: red"), "what one item alone has relates it to nothing"
    assert matrix.toarray().tolist() == [[1, 1, 1], [0, 1, 0], [1, 0, 0], [1, 0, 1]]
    assert matrix.dtype == np.float32
    assert attribute_matrix(items.clear())[0].shape == (0, 0)
    codes, sizes = item_codes(items)
    assert codes.tolist() == [[1, 2, 0, 0], [2, 2, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]]
    assert sizes == (3, 3, 1, 1)


def training_of(data: Dataset) -> TrainingData:
    (fold,) = LeaveLastOut().tests(data)
    return with_rows(fold.training, data)


def test_a_row_a_taking_with_what_was_taken_before_it() -> None:
    training = training_of(walks("abcd", "bcde"))
    rows = training.rows
    names = np.array([*training.item_ids, ""])
    told = [(names[item], "".join(names[latest])) for item, latest in zip(rows.items, rows.latest, strict=True)]
    assert told == [("a", ""), ("b", ""), ("b", "a"), ("c", "b"), ("c", "ab"), ("d", "bc")], "in the order of time"
    assert rows.latest.shape == (6, LAST_ITEMS)
    assert rows.latest[-1, :-2].tolist() == [-1] * (LAST_ITEMS - 2)
    assert rows.user_features.shape == rows.item_features.shape == (6, 0)
    assert training.item_table.features.shape == (5, 0)


def test_only_takings_make_rows_and_long_histories_are_cut() -> None:
    long = "".join(chr(200 + place) for place in range(LAST_ITEMS + 4))
    rows = training_of(walks(long)).rows
    assert rows.latest[-1].tolist() == list(range(2, LAST_ITEMS + 2))
    looks = dataset(("a", "x", -9), ("a", "y", -8, "view"), ("a", "z", -7), ("a", "v", -6), ("a", "w", -5))
    training = training_of(looks)
    assert [training.item_ids[item] for item in training.rows.items] == ["x", "z", "v"]
    assert [training.item_ids[item] for item in training.rows.latest[-1, -2:]] == ["x", "z"]


def test_a_model_that_reads_features_can_be_fitted_without_any() -> None:
    model = TwoTower(dim=8, epochs=1, latest=5).fit(training_of(random_walks()))
    (fold,) = LeaveLastOut().tests(random_walks())
    assert (model.recommend(fold.asked, 3).items >= 0).all()


@pytest.mark.skipif(not REAL_DATA.exists(), reason=f"{REAL_DATA} is not there")
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("toys", {"users": 19_412, "items": 11_924, "interactions": 167_597, "attributes": 1_026}),
        ("vibrent", {"users": 711, "items": 2_223, "interactions": 9_906, "attributes": 672}),
        ("renttherunway", {"users": 105_571, "items": 5_850, "interactions": 192_352, "attributes": 45}),
    ],
)
def test_real_data_are_as_large_as_published(name: str, counts: dict[str, int], tmp_path: Path) -> None:
    """But for rows alike: 94 rentals and 192 reviews repeat an earlier one in everything."""
    settings = Settings(source="sequences" if name == "toys" else name, path=str(REAL_DATA / name), home=tmp_path)
    data = read_dataset(settings, datetime.now(UTC))
    assert {of: data.counts()[of] for of in counts} == counts
