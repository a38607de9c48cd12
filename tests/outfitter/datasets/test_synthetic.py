"""The synthetic shop: the same bytes for the same knobs, sizes as asked, and every planted property to be found in the files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from outfitter.datasets.base import SourceFile
from outfitter.datasets.synthetic import LAST_DAY, Shop, SyntheticAdapter, write_shop
from outfitter.datasets.synthetic.knobs import DRIFT_DAYS
from outfitter.datasets.synthetic.people import build_people
from outfitter.datasets.synthetic.spoiling import FUTURE_YEAR, NO_MONTH
from outfitter.errors import HomeError, SettingsError, SourceError
from outfitter.schema import EPOCH, EVENTS, INTERACTION_FRAME, ITEM_FRAME, USER_FRAME

SHOP = Shop(users=600, items=400, interactions=30_000, seed=7)
SMALL = Shop(users=40, items=30, interactions=700, days=60, seed=1)
WINDOW = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day + 1 - DRIFT_DAYS, tzinfo=UTC)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory):
    """A function from knobs to the folder of that shop, each written once."""
    made: dict[Shop, Path] = {}

    def folder(shop: Shop = SHOP) -> Path:
        if shop not in made:
            made[shop] = tmp_path_factory.mktemp("shop") / "out"
            write_shop(shop, made[shop])
        return made[shop]

    return folder


def files(root: Path) -> list[SourceFile]:
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return [SourceFile(root / name, name, role) for name, role in SyntheticAdapter().discover(names, str(root)).items()]


def frame(root: Path, role: str) -> pl.DataFrame:
    """All blocks of all files of one role as the adapter reads them."""
    blocks = [block for file in files(root) if file.role == role for block in SyntheticAdapter().read(file)]
    return pl.concat([getattr(block, role) for block in blocks])


def rows(root: Path) -> pl.DataFrame:
    """Interactions as the adapter reads them, with the attributes of their items."""
    items = frame(root, "items").drop("sequence", "unreadable").rename({"price": "list_price"})
    return frame(root, "interactions").join(items, on="item_id", how="left")


def purchases(root: Path) -> pl.DataFrame:
    return rows(root).filter(pl.col("event") == "purchase")


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def month_text(root: Path) -> pl.DataFrame:
    return pl.concat([pl.read_csv(path, infer_schema=False) for path in sorted(root.glob("interactions-*.csv"))])


def test_same_knobs_give_the_same_bytes(tmp_path: Path) -> None:
    shop = replace(SMALL, images=True, bad_rows=0.05, drift=0.5)
    for name in ("one", "two"):
        write_shop(shop, tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    write_shop(replace(shop, seed=2), tmp_path / "three")
    three = digests(tmp_path / "three")
    assert not [name for name, digest in digests(tmp_path / "one").items() if name.endswith(".csv") and three.get(name) == digest]


@pytest.mark.parametrize("shop", [SHOP, SMALL, Shop(users=10, items=10, interactions=100, days=35), replace(SMALL, days=900)])
def test_sizes_are_exact(written, shop: Shop) -> None:
    root = written(shop)
    assert frame(root, "items")["item_id"].n_unique() == shop.items
    assert frame(root, "users")["user_id"].n_unique() == shop.users
    assert len(frame(root, "interactions")) == shop.interactions


def test_months_hold_their_own_days_in_order_and_end_on_the_last_day(written) -> None:
    for path in written().glob("interactions-*.csv"):
        times = pl.read_csv(path)["timestamp"]
        assert times.is_sorted()
        assert times.str.starts_with(path.stem.removeprefix("interactions-")).all()
    times = rows(written())["timestamp"]
    assert (times.min().date(), times.max().date()) == (SHOP.first_day, LAST_DAY)
    assert len(list(written().glob("interactions-*.csv"))) == 12


def test_adapter_gives_the_canonical_frames(written) -> None:
    items, users = frame(written(), "items"), frame(written(), "users")
    interactions = next(SyntheticAdapter().read(files(written())[2])).interactions
    assert interactions is not None
    for read, schema in ((items, ITEM_FRAME), (users, USER_FRAME), (interactions, INTERACTION_FRAME)):
        assert dict(read.schema) == dict(schema)
        assert read["unreadable"].null_count() == len(read)
        assert read["sequence"].to_list() == list(range(1, len(read) + 1))
    assert items["item_id"].str.contains(r"^0\d{9}$").all()
    assert users["user_id"].str.contains(r"^[0-9a-f]{32}$").all()
    assert users["valid_from"].unique().to_list() == [EPOCH]
    assert set(interactions["event"].unique()) <= set(EVENTS)
    assert items.select("title", "description", "category", "price", "tags").null_count().sum_horizontal().item() == 0


def test_styles_are_shared_by_variants_of_different_colour(written) -> None:
    items = frame(written(), "items")
    by_style = items.group_by("style").agg(pl.len(), pl.col("colour").n_unique().alias("colours"), pl.col("category").n_unique())
    assert by_style["len"].max() > 1
    assert (by_style["len"] == by_style["colours"]).all()
    assert (by_style["category"] == 1).all()


def test_alike_rows_are_never_meant(written) -> None:
    told_apart = ["timestamp", "user_id", "item_id", "event"]
    assert not rows(written()).select(told_apart).is_duplicated().any()


def test_purchases_are_most_rows_and_returns_follow_a_purchase(written) -> None:
    everything = rows(written())
    shares = dict(everything["event"].value_counts(normalize=True).iter_rows())
    assert shares["purchase"] == pytest.approx(0.7, abs=0.01)
    assert set(shares) == {"purchase", "view", "cart", "return"}
    first = everything.filter(pl.col("event") == "purchase").group_by("user_id", "item_id").agg(pl.col("timestamp").min().alias("bought"))
    back = everything.filter(pl.col("event") == "return").join(first, on=["user_id", "item_id"], how="left")
    assert len(back) > 100
    assert ((back["timestamp"] - back["bought"]).dt.total_days() >= 3).all()


def test_nothing_sells_before_its_launch_and_everything_sells(written) -> None:
    everything = rows(written())
    assert (everything["timestamp"] >= everything["valid_from"]).all()
    assert everything.filter(pl.col("event") == "purchase")["item_id"].n_unique() == SHOP.items
    launches = everything.group_by("item_id").agg(pl.col("valid_from").first())["valid_from"]
    assert (launches > WINDOW).sum() > 0


def test_demand_for_a_fashion_item_rises_and_fades(written) -> None:
    bought = purchases(written()).filter(~pl.col("tags").list.contains("basic"))
    start = datetime(SHOP.first_day.year, SHOP.first_day.month, SHOP.first_day.day, tzinfo=UTC)
    early = bought.filter(pl.col("valid_from").is_between(start, start.replace(month=11)))
    age = ((early["timestamp"] - early["valid_from"]).dt.total_days() // 28).value_counts().sort("timestamp")["count"]
    assert age[0] > 1.5 * age[5]
    assert age[1] > age[4]


def test_seasons(written) -> None:
    bought = purchases(written(replace(SHOP, interactions=60_000)))
    month = bought["timestamp"].dt.month()
    warm, cold = bought.filter(month.is_in([6, 7])), bought.filter(month.is_in([11, 12]))

    def share(frame: pl.DataFrame, season: str) -> float:
        return float((frame["season"] == season).mean())

    assert share(warm, "summer") > 1.8 * share(cold, "summer")
    assert share(cold, "winter") > 1.8 * share(warm, "winter")


def test_basics_are_bought_again(written) -> None:
    bought = purchases(written()).with_columns(basic=pl.col("tags").list.contains("basic"))
    again = bought.group_by("basic").agg((1 - pl.struct("user_id", "item_id").n_unique() / pl.len()).alias("again"))
    share = dict(again.iter_rows())
    assert share[True] > 0.25
    assert share[True] > 2 * share[False]


def test_activity_has_a_long_tail_and_some_never_come(written) -> None:
    counts = purchases(written()).group_by("user_id").len()["len"].sort(descending=True)
    assert counts.head(60).sum() > 0.25 * counts.sum()
    assert SHOP.users * 0.8 < len(counts) < SHOP.users


def test_prices_follow_the_list_price_down_and_never_up(written) -> None:
    bought = purchases(written())
    assert (bought["price"] <= bought["list_price"] + 0.005).all()
    assert 0.02 < (bought["price"] < 0.9 * bought["list_price"]).mean() < 0.6
    medians = dict(bought.group_by("category").agg(pl.col("list_price").median()).iter_rows())
    assert medians["coat"] > medians["jeans"] > medians["socks"]
    assert (bought["quantity"] == 1).mean() > 0.85


def segment_dependence(root: Path, shop: Shop, column: str) -> float:
    """How far the mix of ``column`` in a segment's purchases lies from everybody's: total variation, 0 to 1, in the mean."""
    people = build_people(shop)
    segment = pl.DataFrame({"user_id": people.ids, "segment": people.segment})
    bought = purchases(root).filter(~pl.col("tags").list.contains("basic")).join(segment, on="user_id")
    table = bought.pivot(on=column, index="segment", values="sequence", aggregate_function="len").fill_null(0).drop("segment")
    counts = table.to_numpy().astype(np.float64)
    mix, overall = counts / counts.sum(axis=1, keepdims=True), counts.sum(axis=0) / counts.sum()
    return float(np.abs(mix - overall).sum(axis=1).mean() / 2)


@pytest.mark.parametrize("column", ["category", "colour", "brand"])
def test_taste_ties_people_to_attributes_and_can_be_turned_off(written, column: str) -> None:
    assert segment_dependence(written(), SHOP, column) > 0.2
    off = replace(SHOP, taste=0)
    assert segment_dependence(written(off), off, column) < 0.08


def hits(root: Path) -> dict[str, float]:
    """Hits in 12 on the last 28 days, without items bought before: of cosine neighbours, and of what sold best just before."""
    bought = purchases(root).with_columns(pl.col("user_id", "item_id").rank("dense").cast(pl.Int64) - 1)
    late = (bought["timestamp"] >= WINDOW).to_numpy()
    users, items = bought["user_id"].to_numpy(), bought["item_id"].to_numpy()
    seen, wanted = np.zeros((2, users.max() + 1, items.max() + 1))
    seen[users[~late], items[~late]] = 1
    wanted[users[late], items[late]] = 1
    recent = bought.filter(pl.col("timestamp").is_between(WINDOW - timedelta(days=28), WINDOW, closed="left"))
    sold = np.bincount(recent["item_id"].to_numpy(), minlength=seen.shape[1])
    unit = seen / np.maximum(np.linalg.norm(seen, axis=0), 1)
    scores = {"neighbours": seen @ (unit.T @ unit), "popularity": np.tile(sold.astype(float), (len(seen), 1))}
    best = {name: np.argsort(-np.where((seen > 0) | (sold == 0), -1, score), axis=1)[:, :12] for name, score in scores.items()}
    return {name: float(np.take_along_axis(wanted * (1 - seen), top, axis=1).sum()) for name, top in best.items()}


def test_taste_can_be_learnt_and_there_is_nothing_to_learn_without_it(written) -> None:
    planted, none = hits(written(replace(SHOP, interactions=60_000))), hits(written(replace(SHOP, interactions=60_000, taste=0)))
    assert planted["neighbours"] > 1.3 * planted["popularity"]
    assert none["neighbours"] < none["popularity"]


def test_drift_moves_prices_channels_and_the_mix_in_the_last_days_only(written) -> None:
    calm, moved = rows(written()), rows(written(replace(SHOP, drift=1.0)))
    before = [frame.filter(pl.col("timestamp") < WINDOW).sort("timestamp", "user_id", "item_id", "event") for frame in (calm, moved)]
    assert before[0].drop("sequence").equals(before[1].drop("sequence"))
    late = [frame.filter((pl.col("timestamp") >= WINDOW) & (pl.col("event") == "purchase")) for frame in (calm, moved)]
    paid = [float((frame["price"] / frame["list_price"]).mean()) for frame in late]
    assert paid[1] == pytest.approx(1.3 * paid[0], rel=0.05)
    app = [float((frame["channel"] == "app").mean()) for frame in late]
    assert app[1] > app[0] + 0.2
    mixes = [dict(frame["category"].value_counts(normalize=True).iter_rows()) for frame in late]
    distance = sum(abs(mixes[0].get(name, 0) - mixes[1].get(name, 0)) for name in mixes[0] | mixes[1]) / 2
    assert distance > 0.2


def test_drift_moves_tastes(written) -> None:
    shop = replace(SHOP, drift=1.0)
    people = build_people(shop)
    assert (people.moved != people.segment).mean() == pytest.approx(0.6, abs=0.08)
    assert (build_people(SHOP).moved == build_people(SHOP).segment).all()


def test_bad_rows_come_on_top_and_leave_the_good_ones_alone(written) -> None:
    good, spoilt = month_text(written()), month_text(written(replace(SHOP, bad_rows=0.06)))
    assert len(spoilt) == SHOP.interactions + 1800
    kinds = {
        "negative": spoilt["price"].str.starts_with("-").fill_null(False),
        "unreadable": spoilt["timestamp"].str.slice(5, 2) == NO_MONTH,
        "future": spoilt["timestamp"].str.starts_with(FUTURE_YEAR),
        "no user": spoilt["user_id"].is_null(),
        "no item": spoilt["item_id"].is_null(),
        "duplicate": ~spoilt.select(pl.struct(pl.all()).is_first_distinct()).to_series(),
    }
    counts = {name: int(mask.sum()) for name, mask in kinds.items()}
    assert sum(counts.values()) == 1800
    assert max(counts.values()) - min(counts.values()) <= 12
    broken = pl.DataFrame(kinds).select(pl.any_horizontal(pl.all())).to_series()
    assert spoilt.filter(~broken).equals(good)


def test_unreadable_cells_are_named_by_the_adapter(written) -> None:
    bad = rows(written(replace(SHOP, bad_rows=0.06))).filter(pl.col("unreadable").is_not_null())
    assert bad["unreadable"].str.contains(rf"^timestamp '202\d-{NO_MONTH}-\d\d \d\d:\d\d:\d\d'$").all()
    assert len(bad) == pytest.approx(300, abs=6)
    assert bad["timestamp"].null_count() == len(bad)


def test_images_are_drawn_by_category_and_colour(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    write_shop(replace(SMALL, images=True), tmp_path / "shop", lambda *step: told.append(step))
    items = frame(tmp_path / "shop", "items")
    for item, path in items.select("item_id", "image_path").iter_rows():
        assert path == f"images/{item[:3]}/{item}.png"
        with Image.open(tmp_path / "shop" / path) as image:
            assert image.size == (96, 96)
            assert len(image.getcolors(96 * 96)) >= 2
    assert ("image", SMALL.items, SMALL.items) in told
    assert ("month", 2, 2) in told


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("users", 9),
        ("users", 12.5),
        ("users", True),
        ("items", 0),
        ("interactions", 99),
        ("days", 34),
        ("seed", -1),
        ("taste", -0.1),
        ("taste", float("nan")),
        ("drift", 1.01),
        ("bad_rows", 0.51),
        ("bad_rows", "1"),
        ("images", 1),
    ],
)
def test_knobs_out_of_bounds_are_named(knob: str, value: object) -> None:
    with pytest.raises(SettingsError, match=knob):
        Shop(**{knob: value})


def test_a_shop_written_before_is_left_alone_and_others_are_not_overwritten(tmp_path: Path) -> None:
    write_shop(SMALL, tmp_path / "shop")
    before = (tmp_path / "shop" / "items.csv").stat().st_mtime_ns
    write_shop(SMALL, tmp_path / "shop")
    assert (tmp_path / "shop" / "items.csv").stat().st_mtime_ns == before
    with pytest.raises(SettingsError, match="holds other files"):
        write_shop(replace(SMALL, seed=2), tmp_path / "shop")
    assert json.loads((tmp_path / "shop" / "shop.json").read_text())["seed"] == SMALL.seed


def test_a_run_that_died_is_repeated(tmp_path: Path) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shop(SMALL, tmp_path / "shop", die)
    assert not (tmp_path / "shop").exists()
    write_shop(SMALL, tmp_path / "shop")
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_places_that_do_not_serve_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="not a folder"):
        write_shop(SMALL, tmp_path / "file")
    with pytest.raises(HomeError, match="cannot be written"):
        write_shop(SMALL, tmp_path / "file" / "shop")
    with pytest.raises(SourceError, match=r"lacks items\.csv and users\.csv"):
        SyntheticAdapter().discover(["file"], str(tmp_path))
