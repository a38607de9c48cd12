"""The synthetic shop in the published H&M layout: the layout to the letter, exact counts, known bad rows, and what is planted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from outfitter.cli.app import app
from outfitter.datasets.base import SourceFile
from outfitter.datasets.hm import HMAdapter
from outfitter.datasets.synthetic import LAST_DAY, Shop, bad_rows, write_hm_shop
from outfitter.datasets.synthetic.catalogue import build_catalogue
from outfitter.datasets.synthetic.hm.sales import PRICE_SCALE
from outfitter.datasets.synthetic.hm.spoiling import DEFECTS
from outfitter.datasets.synthetic.knobs import DRIFT_DAYS, week_start
from outfitter.errors import HomeError, SettingsError, SourceError

SHOP = Shop(users=600, items=400, interactions=30_000, seed=7)
SMALL = Shop(users=40, items=30, interactions=700, days=60, seed=1)
TRAIN = "transactions_train.csv"
ARTICLES = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,graphical_appearance_no,"
    "graphical_appearance_name,colour_group_code,colour_group_name,perceived_colour_value_id,perceived_colour_value_name,"
    "perceived_colour_master_id,perceived_colour_master_name,department_no,department_name,index_code,index_name,index_group_no,"
    "index_group_name,section_no,section_name,garment_group_no,garment_group_name,detail_desc"
)
CUSTOMERS = "customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code"
TRANSACTIONS = "t_dat,customer_id,article_id,price,sales_channel_id"
WIDE = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function from knobs and a number of daily files to the folder of that shop, each written once."""
    made: dict[tuple[Shop, int], Path] = {}

    def folder(shop: Shop = SHOP, daily_files: int = 0) -> Path:
        if (shop, daily_files) not in made:
            made[shop, daily_files] = tmp_path_factory.mktemp("shop") / "out"
            write_hm_shop(shop, made[shop, daily_files], daily_files)
        return made[shop, daily_files]

    return folder


def text(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False)


def sold(root: Path) -> pl.DataFrame:
    """Transactions with the attributes of their articles, prices and days read."""
    rows = text(root / TRAIN).join(text(root / "articles.csv"), on="article_id")
    return rows.with_columns(pl.col("price").cast(pl.Float64), pl.col("t_dat").str.to_date())


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def head(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.readline()


def test_headers_are_the_published_ones(written) -> None:
    root = written(SHOP, 3)
    assert head(root / "articles.csv") == ARTICLES + "\n"
    assert head(root / "customers.csv") == CUSTOMERS + "\n"
    transactions = sorted(root.glob("transactions_*.csv"))
    assert len(transactions) == 4
    assert [head(path) for path in transactions] == [TRANSACTIONS + "\n"] * 4
    assert {path.name for path in root.iterdir()} - {path.name for path in transactions} == {
        "articles.csv",
        "customers.csv",
        "shop.json",
        "bad_rows.csv",
    }


@pytest.mark.parametrize("shop", [SHOP, SMALL, Shop(users=10, items=10, interactions=100, days=35), replace(SMALL, days=900)])
def test_counts_are_exact(written, shop: Shop) -> None:
    root = written(shop)
    assert text(root / "articles.csv")["article_id"].n_unique() == len(text(root / "articles.csv")) == shop.items
    assert text(root / "customers.csv")["customer_id"].n_unique() == len(text(root / "customers.csv")) == shop.users
    assert len(text(root / TRAIN)) == shop.interactions


def test_articles_are_as_published(written) -> None:
    articles = text(written() / "articles.csv")
    assert articles["article_id"].is_sorted()
    shapes = {
        "article_id": r"^0\d{9}$",
        "product_code": r"^0\d{6}$",
        "colour_group_code": r"^\d\d$",
        "graphical_appearance_no": r"^10100\d\d$",
        "index_code": r"^[A-Z]$",
    }
    for column, shape in shapes.items():
        assert articles[column].str.contains(shape).all(), column
    assert (articles["article_id"].str.slice(0, 7) == articles["product_code"]).all()
    products = articles.group_by("product_code").agg(
        pl.col("prod_name", "product_type_no", "section_no").n_unique(), pl.col("colour_group_code").n_unique().alias("colours"), pl.len()
    )
    assert products["len"].max() > 1
    assert (products["len"] == products["colours"]).all()
    assert products.select(pl.col("prod_name", "product_type_no", "section_no").eq(1).all()).row(0) == (True, True, True)
    for number, name in (("product_type_no", "product_type_name"), ("section_no", "section_name"), ("department_no", "department_name")):
        assert articles.select(number, name).n_unique() == articles[number].n_unique() == articles[name].n_unique()
    assert articles.drop("detail_desc").null_count().sum_horizontal().item() == 0
    assert '"Under-, Nightwear"' in (written() / "articles.csv").read_text(encoding="utf-8")


def test_customers_are_as_published(written) -> None:
    shop = replace(SMALL, users=5_000)
    customers = text(written(shop) / "customers.csv")
    assert customers["customer_id"].is_sorted()
    for column in ("customer_id", "postal_code"):
        assert customers[column].str.contains(r"^[0-9a-f]{64}$").all()
    for column in ("FN", "Active"):
        assert set(customers[column].unique()) == {"1.0", None}
        assert 0.25 < customers[column].is_not_null().mean() < 0.45
    assert {"ACTIVE", "PRE-CREATE", None} <= set(customers["club_member_status"].unique()) <= {"ACTIVE", "PRE-CREATE", "LEFT CLUB", None}
    assert set(customers["fashion_news_frequency"].unique()) == {"NONE", "Regularly", None}
    age = customers["age"].drop_nulls()
    assert age.str.contains(r"^\d\d$").all()
    assert 0 < len(age) < len(customers)
    common = customers["postal_code"].value_counts(sort=True)["count"]
    assert common[0] == pytest.approx(0.09 * shop.users, rel=0.2)
    assert common[1] < 20


def test_transactions_are_as_published(written) -> None:
    rows = text(written() / TRAIN)
    assert rows.null_count().sum_horizontal().item() == 0
    assert rows.select("t_dat", "customer_id", "article_id").equals(rows.select("t_dat", "customer_id", "article_id").sort(pl.all()))
    assert rows["article_id"].str.contains(r"^0\d{9}$").all()
    assert (rows["t_dat"].min(), rows["t_dat"].max()) == (SHOP.first_day.isoformat(), LAST_DAY.isoformat())
    assert set(rows["sales_channel_id"].unique()) == {"1", "2"}
    assert rows["price"].str.contains(r"^0\.\d+$").all()
    assert rows["price"].cast(pl.Float64).is_between(0.001, 0.7).all()
    assert rows.join(text(written() / "customers.csv"), on="customer_id", how="anti").is_empty()
    assert rows.join(text(written() / "articles.csv"), on="article_id", how="anti").is_empty()


def test_identical_rows_are_quantities(written) -> None:
    times = text(written() / TRAIN).group_by(pl.all()).len()
    again = 1 - len(times) / SHOP.interactions
    assert 0.03 < again < 0.3
    basics = pl.DataFrame({"article_id": build_catalogue(SHOP).ids, "basic": build_catalogue(SHOP).basic})
    several = times.join(basics, on="article_id").group_by("basic").agg((pl.col("len") > 1).mean().alias("share"))
    share = dict(several.iter_rows())
    assert share[True] > 5 * share[False]


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    shop = replace(SMALL, images=True, bad_rows=0.05, drift=0.5)
    for name in ("one", "two"):
        write_hm_shop(shop, tmp_path / name, 2)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    write_hm_shop(replace(shop, seed=2), tmp_path / "three", 2)
    three = digests(tmp_path / "three")
    assert not [name for name, digest in digests(tmp_path / "one").items() if name.endswith(".csv") and three.get(name) == digest]


def test_daily_files_and_the_rest_are_the_same_rows_as_one_file(written) -> None:
    shop = replace(SHOP, bad_rows=0.04)
    whole, split = written(shop), written(shop, 9)
    daily = sorted(path.name for path in split.glob("transactions_2*.csv"))
    assert daily == [f"transactions_{LAST_DAY - timedelta(days=8 - n)}.csv" for n in range(9)]
    parts = [TRAIN, *daily]
    assert pl.concat([text(split / name) for name in parts]).equals(text(whole / TRAIN))
    ends = dict(zip(parts, np.cumsum([0] + [len(text(split / name)) for name in parts]).tolist(), strict=False))
    listed = bad_rows(split).with_columns(row=pl.col("row") + pl.col("file").replace_strict(ends))
    assert listed.drop("file").equals(bad_rows(whole).drop("file"))
    for name in ("articles.csv", "customers.csv"):
        assert (whole / name).read_bytes() == (split / name).read_bytes()


def test_a_daily_file_holds_its_own_day(written) -> None:
    for path in written(SHOP, 3).glob("transactions_2*.csv"):
        assert text(path)["t_dat"].unique().to_list() == [path.stem.removeprefix("transactions_")]
    assert text(written(SHOP, 3) / TRAIN)["t_dat"].max() == (LAST_DAY - timedelta(days=3)).isoformat()


@pytest.mark.parametrize("daily_files", [-1, 60])
def test_daily_files_out_of_bounds_are_named(tmp_path: Path, daily_files: int) -> None:
    with pytest.raises(SettingsError, match="daily_files"):
        write_hm_shop(SMALL, tmp_path / "shop", daily_files)
    assert not (tmp_path / "shop").exists()


def test_listed_bad_rows_are_the_bad_rows_and_the_others_are_the_shop_without(written) -> None:
    root = written(replace(SHOP, bad_rows=0.04))
    rows, listed = text(root / TRAIN).with_row_index("row", offset=1), bad_rows(root)
    assert len(rows) == SHOP.interactions + 1200
    assert set(listed["file"]) == {TRAIN}
    assert sorted(listed["kind"].value_counts()["count"]) == pytest.approx([200] * len(DEFECTS), abs=40)
    good = rows.join(listed, on="row", how="anti").drop("row")
    assert good.equals(text(written() / TRAIN))
    bad = rows.join(listed.with_columns(pl.col("row").cast(pl.UInt32)), on="row", maintain_order="left")
    seen = {
        "no customer": bad["customer_id"].is_null(),
        "no article": bad["article_id"].is_null(),
        "unreadable price": bad["price"] == "n/a",
        "negative price": bad["price"].str.starts_with("-"),
        "unreadable date": bad["t_dat"].str.slice(5, 2) == "31",
        "future date": bad["t_dat"].str.starts_with("2196"),
    }
    for kind, mask in seen.items():
        assert (mask == (bad["kind"] == kind)).all(), kind


def test_the_adapter_sees_each_listed_row_as_bad_and_no_other(written) -> None:
    root = written(replace(SHOP, bad_rows=0.04), 9)
    adapter = HMAdapter()
    names = sorted(path.name for path in root.iterdir())
    for name, role in adapter.discover(names, str(root)).items():
        if role != "interactions":
            continue
        blocks = [block.interactions for block in adapter.read(SourceFile(root / name, name, role))]
        rows = pl.concat([block for block in blocks if block is not None])
        missing = pl.col("user_id").is_null() | pl.col("item_id").is_null()
        future = pl.col("timestamp") > datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, tzinfo=UTC)
        wrong = pl.col("unreadable").is_not_null() | missing | (pl.col("price") < 0) | future
        listed = bad_rows(root).filter(pl.col("file") == name)["row"].to_list()
        assert rows.filter(wrong.fill_null(False))["sequence"].to_list() == listed
        assert listed or name != TRAIN


def test_a_shop_without_bad_rows_lists_none_and_other_folders_are_told(written, tmp_path: Path) -> None:
    assert bad_rows(written()).is_empty()
    with pytest.raises(SourceError, match=r"has no bad_rows\.csv"):
        bad_rows(tmp_path)


def deviation(shop: Shop, rows: pl.DataFrame, column: str) -> float:
    """How far the mix of ``column`` in one customer's purchases lies from everybody's, in the mean: total variation, 0 to 1.

    Of fashion articles and customers with at least 60; basics are bought again whatever the taste.
    """
    fashion = pl.DataFrame({"article_id": build_catalogue(shop).ids, "basic": build_catalogue(shop).basic}).filter(~pl.col("basic"))
    bought = rows.join(fashion, on="article_id", how="semi").filter(pl.len().over("customer_id") >= 60)
    table = bought.pivot(on=column, index="customer_id", values="price", aggregate_function="len").fill_null(0).drop("customer_id")
    counts = table.to_numpy().astype(np.float64)
    assert len(counts) > 50
    mix, overall = counts / counts.sum(axis=1, keepdims=True), counts.sum(axis=0) / counts.sum()
    return float(np.abs(mix - overall).sum(axis=1).mean() / 2)


@pytest.mark.parametrize("column", ["product_type_name", "colour_group_name", "section_name"])
def test_planted_taste_is_in_the_transactions_and_can_be_turned_off(written, column: str) -> None:
    off = replace(SHOP, taste=0)
    with_taste, without = deviation(SHOP, sold(written()), column), deviation(off, sold(written(off)), column)
    assert with_taste > 1.5 * without


def test_seasons(written) -> None:
    rows = sold(written())
    warm = rows.filter(pl.col("t_dat").dt.month().is_in([6, 7]))["product_type_name"].is_in(["Shorts", "Swimsuit"]).mean()
    cold = rows.filter(pl.col("t_dat").dt.month().is_in([11, 12]))["product_type_name"].is_in(["Shorts", "Swimsuit"]).mean()
    assert warm > 1.6 * cold


def test_nothing_sells_before_its_launch_and_everything_sells(written) -> None:
    catalogue = build_catalogue(SHOP)
    launched = pl.Series(week_start(SHOP, catalogue.launch)).cast(pl.Int32).cast(pl.Date)
    rows = sold(written()).join(pl.DataFrame({"article_id": catalogue.ids, "launched": launched}), on="article_id")
    assert (rows["t_dat"] >= rows["launched"]).all()
    assert rows["article_id"].n_unique() == SHOP.items


def test_prices_are_scaled_amounts_at_or_below_the_list_price(written) -> None:
    catalogue = build_catalogue(SHOP)
    rows = sold(written()).join(pl.DataFrame({"article_id": catalogue.ids, "list": catalogue.price}), on="article_id")
    amount = rows["price"] * PRICE_SCALE
    assert (amount - amount.round(2)).abs().max() < 1e-9
    assert (amount <= rows["list"] + 0.006).all()
    assert 0.02 < (amount < 0.9 * rows["list"]).mean() < 0.6


def test_drift_moves_the_last_days_only(written) -> None:
    window = LAST_DAY + timedelta(days=1 - DRIFT_DAYS)
    calm, moved = sold(written()), sold(written(replace(SHOP, drift=1.0)))
    before = [frame.filter(pl.col("t_dat") < window) for frame in (calm, moved)]
    assert before[0].equals(before[1])
    late = [frame.filter(pl.col("t_dat") >= window) for frame in (calm, moved)]
    assert late[1]["price"].median() > 1.1 * late[0]["price"].median()
    online = [float((frame["sales_channel_id"] == "2").mean()) for frame in late]
    assert online[1] > online[0] + 0.1
    mixes = [dict(frame["product_type_name"].value_counts(normalize=True).iter_rows()) for frame in late]
    assert sum(abs(mixes[0].get(name, 0) - mixes[1].get(name, 0)) for name in mixes[0] | mixes[1]) / 2 > 0.2


def test_images_lie_where_the_published_ones_do(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    write_hm_shop(replace(SMALL, images=True), tmp_path / "shop", progress=lambda *step: told.append(step))
    articles = text(tmp_path / "shop" / "articles.csv")["article_id"]
    found = sorted(path.relative_to(tmp_path / "shop").as_posix() for path in (tmp_path / "shop" / "images").rglob("*.*"))
    assert found == [f"images/{article[:3]}/{article}.jpg" for article in articles]
    with Image.open(tmp_path / "shop" / found[0]) as image:
        assert (image.format, image.size) == ("JPEG", (96, 96))
    assert ("month", 2, 2) in told
    assert ("image", SMALL.items, SMALL.items) in told


def test_the_folder_appears_whole_and_is_not_overwritten(tmp_path: Path) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_hm_shop(SMALL, tmp_path / "shop", progress=die)
    assert not (tmp_path / "shop").exists()
    write_hm_shop(SMALL, tmp_path / "shop", 2)
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]
    before = (tmp_path / "shop" / TRAIN).stat().st_mtime_ns
    write_hm_shop(SMALL, tmp_path / "shop", 2)
    assert (tmp_path / "shop" / TRAIN).stat().st_mtime_ns == before
    with pytest.raises(SettingsError, match="holds other files"):
        write_hm_shop(SMALL, tmp_path / "shop", 3)
    knobs = json.loads((tmp_path / "shop" / "shop.json").read_text())
    assert (knobs["format"], knobs["daily_files"], knobs["interactions"]) == ("hm", 2, SMALL.interactions)
    (tmp_path / "file").write_text("x")
    with pytest.raises(HomeError, match="cannot be written"):
        write_hm_shop(SMALL, tmp_path / "file" / "shop")


def test_the_command_writes_what_the_function_does(tmp_path: Path) -> None:
    sizes = ["--users", "40", "--items", "30", "--interactions", "700", "--days", "60", "--seed", "1"]
    words = ["--format", "hm", *sizes, "--daily-files", "2", "--bad-rows", ".1"]
    answer = CliRunner().invoke(app, ["synth", "--out", str(tmp_path / "command"), *words], env=WIDE)
    assert answer.exit_code == 0, answer.output
    assert f"outfitter run --source hm --path {tmp_path / 'command'}" in answer.output
    write_hm_shop(replace(SMALL, bad_rows=0.1), tmp_path / "function", 2)
    assert digests(tmp_path / "command") == digests(tmp_path / "function")


def test_the_command_explains_itself_and_refuses_daily_files_of_its_own_format(tmp_path: Path) -> None:
    told = " ".join(CliRunner().invoke(app, ["synth", "--help"], env=WIDE).output.replace("│", " ").split())
    for words in (
        "--format",
        "H&M competition data",
        "--daily-files",
        "transactions_YYYY-MM-DD.csv",
        "bad_rows.csv",
        "a row a unit",
        "1371980",
    ):
        assert words in told, words
    answer = CliRunner().invoke(app, ["synth", "--out", str(tmp_path / "shop"), "--daily-files", "2"], env=WIDE)
    assert answer.exit_code == 2
    assert "--format hm" in answer.output
    assert not (tmp_path / "shop").exists()


def test_every_day_of_the_history_has_sales(written) -> None:
    days = text(written() / TRAIN)["t_dat"].unique()
    assert {date.fromisoformat(day) for day in days} == {SHOP.first_day + timedelta(days=n) for n in range(SHOP.days)}
