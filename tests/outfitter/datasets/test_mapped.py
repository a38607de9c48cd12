"""Any files, as a TOML explains them: what it may say, what it says wrongly, and what comes out."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outfitter.datasets import adapter
from outfitter.datasets.base import Frames, SourceFile
from outfitter.datasets.mapping import NAME, OURS, SCHEMAS, Layout, SourceMap, load
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME
from outfitter.settings import Settings

SHOP = """
identical_rows = "quantity"

[[files]]
role = "interactions"
match = ["orders/*.csv.gz"]
separator = ";"
time = ["%d.%m.%Y"]
[files.columns]
user_id = "kunde"
item_id = "artikel"
timestamp = "datum"
price = "preis"
event = "art"
[files.constants]
channel = "store"
[files.events]
kauf = "purchase"
retoure = "return"

[[files]]
role = "interactions"
match = ["clicks-*.jsonl"]
time = "ms"
columns = { user_id = "u", item_id = "i", timestamp = "ts" }
constants = { event = "click", quantity = 1 }

[[files]]
role = "items"
match = ["catalogue.parquet"]
columns = { item_id = "sku", valid_from = "since", tags = "labels", price = "price" }

[[files]]
role = "users"
match = ["people.txt"]
names = ["id", "born"]
columns = { user_id = "id", birth_year = "born" }
"""
ORDERS = (
    "artikel;kunde;datum;preis;art\n"
    + "007;1;31.12.2021;9.5;kauf\n" * 2
    + "8;2;2021-12-31;;retoure\n8;2;1.1.2022;;view\n8;2;1.1.2022;x;gift\n"
)


def shop(folder: Path, toml: str = SHOP) -> Path:
    (folder / NAME).write_text(toml)
    (folder / "orders").mkdir()
    (folder / "orders" / "1.csv.gz").write_bytes(gzip.compress(ORDERS.encode()))
    clicks = [{"u": 1, "i": "007", "ts": 1_640_908_800_000, "page": {"n": 1}}, {"u": 1, "i": "8", "ts": "soon"}]
    (folder / "clicks-1.jsonl").write_text("\n".join(json.dumps(click) for click in clicks))
    since = [datetime(2020, 1, 1, tzinfo=UTC), None]
    catalogue = {"sku": ["007", "8"], "since": since, "labels": [["warm", "new"], None], "price": [10, 20], "stock": [1, 2]}
    pl.DataFrame(catalogue).write_parquet(folder / "catalogue.parquet")
    (folder / "people.txt").write_text("1,1980\n2,\n")
    return folder


def read(folder: Path, block_mb: int = 1, **given: object) -> dict[str, Frames]:
    reader = adapter("mapped", Settings(source="mapped", path=str(folder), block_mb=block_mb, **given))
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    found = {}
    for name, role in reader.discover(names, str(folder)).items():
        (found[name],) = reader.read(SourceFile(folder / name, name, role))
    return found


def test_files_of_four_kinds_become_frames_in_order(tmp_path: Path) -> None:
    found = read(shop(tmp_path))
    assert list(found) == ["catalogue.parquet", "people.txt", "orders/1.csv.gz", "clicks-1.jsonl"]
    orders, clicks, items, users = (
        found["orders/1.csv.gz"].interactions,
        found["clicks-1.jsonl"].interactions,
        found["catalogue.parquet"].items,
        found["people.txt"].users,
    )
    assert orders is not None
    assert clicks is not None
    assert items is not None
    assert users is not None
    assert orders.schema == dict(INTERACTION_FRAME)
    assert orders.select("user_id", "item_id", "event", "price", "channel", "unreadable").rows() == [
        ("1", "007", "purchase", 9.5, "store", None),
        ("1", "007", "purchase", 9.5, "store", None),
        ("2", "8", "return", None, "store", "datum '2021-12-31'"),
        ("2", "8", "view", None, "store", None),
        ("2", "8", None, None, "store", "preis 'x'; art 'gift'"),
    ]
    assert orders["timestamp"][0] == datetime(2021, 12, 31, tzinfo=UTC)
    assert clicks.select("timestamp", "event", "quantity", "unreadable").rows() == [
        (datetime(2021, 12, 31, tzinfo=UTC), "click", 1, None),
        (None, "click", 1, "ts 'soon'"),
    ]
    assert items.schema == dict(ITEM_FRAME)
    assert items.select("item_id", "valid_from", "tags", "price").rows() == [
        ("007", datetime(2020, 1, 1, tzinfo=UTC), ["warm", "new"], 10.0),
        ("8", None, None, 20.0),
    ]
    assert users.select("user_id", "birth_year", "valid_from").rows() == [("1", 1980, EPOCH), ("2", None, EPOCH)]
    assert found["orders/1.csv.gz"].items is None


PLAIN = """
[[files]]
role = "interactions"
match = ["*.csv"]
columns = { user_id = "u", item_id = "i", timestamp = "t" }
constants = { event = "purchase" }
"""


def test_items_are_derived_when_the_map_names_none(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(PLAIN)
    (tmp_path / "orders.csv").write_text("u,i,t\n1,b,2020-01-01\n1,a,2020-01-02T10:00:00Z\n2,b,2020-01-03 10:00:00+02:00\n")
    frames = read(tmp_path)["orders.csv"]
    assert frames.items is not None
    assert frames.interactions is not None
    assert frames.items.select("item_id", "sequence", "valid_from").rows() == [("b", 1, EPOCH), ("a", 2, EPOCH)]
    hours = [datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, 10, tzinfo=UTC), datetime(2020, 1, 3, 8, tzinfo=UTC)]
    assert frames.interactions["timestamp"].to_list() == hours


def test_tags_of_text_are_split_and_those_of_json_are_lists(tmp_path: Path) -> None:
    items = '[[files]]\nrole = "items"\nmatch = ["i.*"]\ntag_separator = "/"\ncolumns = { item_id = "i", tags = "t" }\n'
    (tmp_path / NAME).write_text(PLAIN.replace("*.csv", "orders.csv") + items)
    (tmp_path / "i.csv").write_text('i,t\n1,warm/new\n2,\n3,"[""a/b"", 1, null]"\n4,[a\n')
    (tmp_path / "i.jsonl").write_text('{"i": 1, "t": ["warm", "a/b"]}\n{"i": 2, "t": "warm/new"}\n{"i": 3}\n')
    found = read(tmp_path)
    tags = [found[name].items["tags"].to_list() for name in ("i.csv", "i.jsonl")]  # type: ignore[index]
    assert tags == [[["warm", "new"], None, ["a/b", "1"], ["[a"]], [["warm", "a/b"], ["warm", "new"], None]]


def test_without_times_a_position_is_the_day_through_all_blocks(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("synthetic_time = true\n" + PLAIN.replace(', timestamp = "t"', ""))
    users = ["a", "b", "a", "a", "", "b", "a", "c"]
    (tmp_path / "o.csv").write_text("u,i\n" + "".join(f"{user},x\n" for user in users))
    whole = adapter("mapped", Settings(source="mapped", path=str(tmp_path)))
    assert whole.synthetic_time
    file = SourceFile(tmp_path / "o.csv", "o.csv", "interactions")
    for size in (1, 10, 1000):
        whole.block_bytes = size
        frames = pl.concat(frames.interactions for frames in whole.read(file) if frames.interactions is not None)
        days = [(moment - EPOCH).days for moment in frames.filter(pl.col("user_id").is_not_null())["timestamp"]]
        assert days == [0, 0, 1, 2, 1, 3, 0]


WRONG = {
    "no TOML": ("[[files]\n", r"is not TOML: .*line 1"),
    "no files": ("", "files: Field required"),
    "unknown key at the top": (
        "synthetic_tine = true\n" + PLAIN,
        r"synthetic_tine: there is no such key \(did you mean synthetic_time\?\)",
    ),
    "unknown key in an entry": (PLAIN.replace("match", 'seperator = ";"\nmatch'), r"\[\[files\]\] number 1, seperator: .*mean separator\?"),
    "unknown role": (PLAIN.replace('"interactions"', '"orders"'), r"number 1, role: Input should be 'items', 'users' or 'interactions'"),
    "unknown column": (PLAIN.replace("{ user_id", '{ prize = "p", user_id'), r"no column of interactions 'prize' \(did you mean price\?\)"),
    "no user": (PLAIN.replace('user_id = "u", ', ""), "columns lacks user_id"),
    "no time": (PLAIN.replace(', timestamp = "t"', ""), r"columns lacks timestamp, .*synthetic_time = true"),
    "time and no time": ("synthetic_time = true\n" + PLAIN, "synthetic_time is for sources without times"),
    "no event": (PLAIN.replace('constants = { event = "purchase" }', ""), "event must be among columns or constants"),
    "unknown event": (PLAIN.replace('"purchase"', '"buy"'), "there is no event 'buy'; allowed are view, click"),
    "unknown event in the map": (PLAIN.replace("t = {", "t = {") + 'events = { k = "buy" }\n', "number 1, events: there is no event 'buy'"),
    "events without a column": (PLAIN + 'events = { k = "view" }\n', "columns has no event"),
    "twice": (PLAIN.replace('"purchase"', '"view", timestamp = "x"'), "timestamp is among columns and constants"),
    "constant id": (PLAIN.replace('user_id = "u", ', "").replace('"purchase"', '"view", user_id = "x"'), "user_id cannot be the same"),
    "constant of the wrong type": (PLAIN.replace('"purchase"', '"view", price = "x"'), "constant price must be a number, got 'x'"),
    "separator of Parquet": (PLAIN.replace("match", 'format = "parquet"\nseparator = ";"\nmatch'), "separator is for CSV"),
    "long separator": (PLAIN.replace("match", 'separator = "::"\nmatch'), "number 1, separator: String should have at most 1 character"),
    "unknown time": (PLAIN.replace("match", 'time = "us"\nmatch'), "number 1, time"),
    "items alone": (PLAIN.replace('"interactions"', '"items"').replace('user_id = "u", ', ""), "no column of items 'timestamp'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_map_that_is_wrong_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    toml, message = WRONG[name]
    (tmp_path / NAME).write_text(toml)
    with pytest.raises(SourceError, match=f"(?s){message}") as caught:
        load(tmp_path / NAME)
    assert NAME in caught.value.message
    assert caught.value.hint


def test_the_map_is_looked_for_beside_the_data_or_where_the_settings_say(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"there is no .*{NAME}"):
        read(tmp_path)
    with pytest.raises(SourceError, match=r"needs a TOML file.*OUTFITTER_MAPPING"):
        adapter("mapped", Settings(source="mapped", path="s3://shop/orders"))
    with pytest.raises(SourceError, match="has not been given its TOML file"):
        adapter("mapped").discover(["a.csv"], "shop")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "shop").mkdir()
    (elsewhere / "m.toml").write_text(PLAIN)
    (tmp_path / "shop" / "o.csv").write_text("u,i,t\n1,2,2020-01-01\n")
    assert list(read(tmp_path / "shop", mapping=elsewhere / "m.toml")) == ["o.csv"]
    assert adapter("mapped", Settings(mapping=elsewhere / "m.toml", block_mb=2)).block_bytes == 2 << 20


def test_files_that_fit_nothing_or_two_entries_or_no_format_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(PLAIN + PLAIN.replace("*.csv", "o.*"))
    reader = adapter("mapped", Settings(mapping=tmp_path / "m.toml"))
    with pytest.raises(SourceError, match=r"shop holds nothing that \*\.csv or o\.\* fits\. It holds deep/, readme"):
        reader.discover(["deep/x.csv", "readme"], "shop")
    with pytest.raises(SourceError, match=r"more than one \[\[files\]\] entry fits o\.csv"):
        reader.discover(["o.csv"], "shop")
    with pytest.raises(SourceError, match=r"the name o\.dat does not tell its format"):
        reader.discover(["o.dat"], "shop")
    assert reader.discover(["p.csv", "o.json.gz"], "shop") == {"p.csv": "interactions", "o.json.gz": "interactions"}


def test_the_documented_map_is_one_and_every_key_is_documented(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
    (tmp_path / NAME).write_text(text.split("```toml\n")[1].split("```")[0])
    assert [layout.role for layout in load(tmp_path / NAME).files] == ["interactions", "items"]
    assert all(f"`{key}" in text or f"\n{key} = " in text for key in (*SourceMap.model_fields, *Layout.model_fields) if key != "files")
    assert all(f"`{column}`" in text for schema in SCHEMAS.values() for column in schema if column not in OURS)
