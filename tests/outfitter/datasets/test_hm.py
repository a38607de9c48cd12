"""H&M: the published layout, what is read from it, and the deliveries that come after it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outfitter.datasets.base import Frames, Role, SourceFile
from outfitter.datasets.hm import HMAdapter
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME, USER_FRAME

ARTICLES = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,graphical_appearance_no,"
    "graphical_appearance_name,colour_group_code,colour_group_name,perceived_colour_value_id,perceived_colour_value_name,"
    "perceived_colour_master_id,perceived_colour_master_name,department_no,department_name,index_code,index_name,index_group_no,"
    "index_group_name,section_no,section_name,garment_group_no,garment_group_name,detail_desc\n"
    "0108775015,0108775,Strap top,253,Vest top,Garment Upper body,1010016,Solid,09,Black,4,Dark,5,Black,1676,Jersey Basic,A,"
    'Ladieswear,1,Ladieswear,16,Womens Everyday Basics,1002,Jersey Basic,"Jersey top, with narrow ""straps""."\n'
    "0108775044,0108775,Strap top,253,Vest top,Garment Upper body,1010016,Solid,10,White,3,Light,9,White,1676,Jersey Basic,A,"
    "Ladieswear,1,Ladieswear,16,Womens Everyday Basics,1002,Jersey Basic,\n"
)
CUSTOMERS = (
    "customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code\n"
    "00000dba,,,ACTIVE,NONE,49.0,52043ee2\n0000423b,1.0,1.0,PRE-CREATE,Regularly,25,2973abc5\n"
    "000058a1,,,,,,64f17e6a\n00005ca1,,,LEFT CLUB,NONE,old,2973abc5\n"
)
TRANSACTIONS = (
    "t_dat,customer_id,article_id,price,sales_channel_id\n"
    "2018-09-20,000058a1,0108775015,0.0508305084745762,2\n2018-09-20,000058a1,0108775015,0.0508305084745762,2\n"
    "2018-09-21,00000dba,0108775044,0.0304915254237288,1\n2018-09-21,00000dba,0108775044,free,3\n"
)


def published(folder: Path) -> dict[Role, SourceFile]:
    (folder / "articles.csv").write_text(ARTICLES)
    (folder / "customers.csv").write_text(CUSTOMERS)
    (folder / "transactions_train.csv").write_text(TRANSACTIONS)
    found = HMAdapter().discover(sorted(path.name for path in folder.iterdir()), str(folder))
    return {role: SourceFile(folder / name, name, role) for name, role in found.items()}


def read(file: SourceFile, block_bytes: int = 1 << 20) -> Frames:
    blocks = list(HMAdapter(block_bytes).read(file))
    kinds = {name: [getattr(block, name) for block in blocks] for name in ("interactions", "items", "users")}
    return Frames(**{name: pl.concat(frames) for name, frames in kinds.items() if frames[0] is not None})


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_row_is_a_piece_bought_and_rows_alike_are_quantities(tmp_path: Path, size: int) -> None:
    assert HMAdapter().identical_rows == "quantity"
    found = read(published(tmp_path)["interactions"], size).interactions
    assert found is not None
    assert found.schema == dict(INTERACTION_FRAME)
    bad = "price 'free'; sales_channel_id '3'"
    assert found.select("user_id", "item_id", "sequence", "quantity", "price", "channel", "unreadable").rows() == [
        ("000058a1", "0108775015", 1, 1, 0.0508305084745762, "online", None),
        ("000058a1", "0108775015", 2, 1, 0.0508305084745762, "online", None),
        ("00000dba", "0108775044", 3, 1, 0.0304915254237288, "store", None),
        ("00000dba", "0108775044", 4, 1, None, None, bad),
    ]
    assert found["timestamp"].to_list()[:3:2] == [datetime(2018, 9, day, tzinfo=UTC) for day in (20, 21)]
    assert set(found["event"]) == {"purchase"}


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_an_article_keeps_its_leading_zero_and_knows_its_photograph(tmp_path: Path, size: int) -> None:
    items = read(published(tmp_path)["items"], size).items
    assert items is not None
    assert items.schema == dict(ITEM_FRAME)
    row = items.row(0, named=True)
    expected = {
        "item_id": "0108775015",
        "valid_from": EPOCH,
        "title": "Strap top",
        "description": 'Jersey top, with narrow "straps".',
        "category": "Vest top",
        "colour": "Black",
        "brand": "Womens Everyday Basics",
        "style": "0108775",
        "tags": ["Garment Upper body", "Solid", "Black", "Jersey Basic", "Ladieswear"],
        "image_path": "images/010/0108775015.jpg",
        "price": None,
        "unreadable": None,
    }
    assert {name: row[name] for name in expected} == expected
    assert items["description"].to_list()[1] is None
    assert items["sequence"].to_list() == [1, 2]


def test_an_age_is_a_birth_year_as_of_the_end_of_the_data(tmp_path: Path) -> None:
    users = read(published(tmp_path)["users"]).users
    assert users is not None
    assert users.schema == dict(USER_FRAME)
    assert users.select("user_id", "birth_year", "membership", "region", "unreadable").rows() == [
        ("00000dba", 1971, "ACTIVE", "52043ee2", None),
        ("0000423b", 1995, "PRE-CREATE", "2973abc5", None),
        ("000058a1", None, None, "64f17e6a", None),
        ("00005ca1", None, "LEFT CLUB", "2973abc5", "age 'old'"),
    ]


def test_files_are_found_by_name_catalogue_first_and_deliveries_in_their_order() -> None:
    names = ["articles_2020-10.csv", "images/010/0108775015.jpg", "sample_submission.csv", "old/transactions_1.csv"]
    names += ["transactions_2020-09-24.csv", "transactions_2020-09-23.csv", "transactions_train.csv", "customers.csv", "articles.csv"]
    assert list(HMAdapter().discover(sorted(names), "s3://shop/hm").items()) == [
        ("articles.csv", "items"),
        ("articles_2020-10.csv", "items"),
        ("customers.csv", "users"),
        ("transactions_train.csv", "interactions"),
        ("transactions_2020-09-23.csv", "interactions"),
        ("transactions_2020-09-24.csv", "interactions"),
    ]
    assert HMAdapter().discover(["transactions_2020-09-23.csv"], "day") == {"transactions_2020-09-23.csv": "interactions"}


def test_gzipped_deliveries_are_found_too() -> None:
    names = ["articles.csv.gz", "transactions_2020-09-23.csv.gz", "transactions_train.csv"]
    assert dict(HMAdapter().discover(names, "shop")) == {
        "articles.csv.gz": "items",
        "transactions_train.csv": "interactions",
        "transactions_2020-09-23.csv.gz": "interactions",
    }


def test_what_is_not_this_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"shop lacks transactions_train\.csv, .*It holds h-and-m\.zip"):
        HMAdapter().discover(["h-and-m.zip"], "shop")
    with pytest.raises(SourceError, match=r"It holds hm/transactions_train\.csv: give the folder hm/"):
        HMAdapter().discover(["hm/articles.csv", "hm/transactions_train.csv"], "shop")
    with pytest.raises(SourceError, match=r"shop holds Articles\.csv, which source 'hm' knows as articles\.csv"):
        HMAdapter().discover(["Articles.csv", "transactions_train.csv"], "shop")
    files = published(tmp_path)
    with pytest.raises(SourceError, match=r"articles\.csv lacks columns 't_dat', 'customer_id'"):
        read(SourceFile(files["items"].path, "articles.csv", "interactions"))
