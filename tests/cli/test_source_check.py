"""``outfitter source``: it says what a folder is, how its rows will be read and what is wrong, and its exit code can be relied on."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from outfitter.cli.app import app
from outfitter.datasets import ADAPTERS
from tests.s3 import S3

WIDE = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1"}
REVIEW = {"user_id": "007", "parent_asin": "0123", "rating": 4, "timestamp": 1588687728923}
HEAVY = {"torch", "feast", "great_expectations", "mlflow", "prefect", "evidently", "pandas", "sklearn", "scipy", "boto3"}


def call(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    answer = CliRunner().invoke(app, ["source", *map(str, words)], env=WIDE, prog_name="outfitter")
    return answer.exit_code, answer.stdout, answer.stderr


def told(*words: str | Path) -> tuple[int, dict[str, Any]]:
    code, out, _ = call(*words, "--json")
    return code, json.loads(out)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder of Amazon reviews, one of them bad, with metadata and a file that nobody reads."""
    records = [REVIEW, {**REVIEW, "rating": "many"}, {**REVIEW, "user_id": None}]
    (tmp_path / "Dresses.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, records)).encode()))
    product = {"parent_asin": "0123", "title": "A dress", "categories": ["Clothing", "Women"], "store": "Untold", "features": []}
    (tmp_path / "meta_Dresses.jsonl").write_text(json.dumps(product) + "\n")
    (tmp_path / "README").write_text("reviews\n")
    return tmp_path


def test_the_list_names_every_source() -> None:
    code, out, _ = call("list")
    assert code == 0
    for name in ADAPTERS:
        assert name in out
        assert ADAPTERS[name].summary in " ".join(out.split())
    assert told("list") == (0, {name: ADAPTERS[name].summary for name in ADAPTERS})


def test_a_folder_is_recognised_and_told_in_full(shop: Path) -> None:
    code, out, err = call("check", shop)
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    for expected in (
        "is read as source amazon",
        "meta_Dresses.jsonl items",
        "Dresses.jsonl.gz interactions",
        "3 rating; 2020-05-05 to 2020-05-05; items too",
        "1 007 0123 2020-05-05 14:08:48",
        "1 0123 A dress Women Untold",
        "Dresses.jsonl.gz: 1 of 3 rows has a cell that cannot be read and will be set aside. row 2: rating 'many'",
        "1 of 3 rows has no user_id",
        "rows alike in everything are duplicates",
        "not read by this source: README",
    ):
        assert expected in text, f"{expected!r} is not in\n{out}"


def test_the_same_as_json(shop: Path) -> None:
    code, report = told("check", shop, "--rows", "1")
    assert code == 0
    assert (report["source"], report["recognised"], report["readable"]) == ("amazon", ["amazon"], True)
    assert (report["unread"], report["identical_rows"], report["synthetic_time"]) == (["README"], "duplicate", False)
    assert set(report["not_recognised"]) == set(ADAPTERS) - {"amazon"}
    items, reviews = report["files"]
    assert (items["name"], items["role"], items["rows"], items["whole"]) == ("meta_Dresses.jsonl", "items", 1, True)
    assert reviews["unreadable"] == [{"row": 2, "cells": "rating 'many'"}]
    assert (reviews["unreadable_rows"], reviews["missing"], reviews["error"]) == (1, {"user_id": 1}, None)
    assert [row["user_id"] for row in reviews["sample"]] == ["007"]


def test_a_file_that_cannot_be_read_ends_in_2_and_says_where(shop: Path) -> None:
    (shop / "More.jsonl").write_text(json.dumps(REVIEW) + "\n{oops\n")
    code, out, _ = call("check", shop)
    assert code == 2
    assert "cannot be read: More.jsonl, line 2 is not JSON" in " ".join(out.split())
    assert "row 2: rating 'many'" in out, "the good files are told all the same"
    code, report = told("check", shop)
    assert (code, report["readable"]) == (2, False)
    assert report["files"][2]["error"]["hint"]


def test_an_empty_path_is_not_the_folder_one_stands_in() -> None:
    code, _, err = call("check", "")
    assert code == 2
    assert "the path to check is empty" in err


def test_one_file_is_looked_at_alone(shop: Path) -> None:
    code, report = told("check", shop / "Dresses.jsonl.gz")
    assert code == 0
    assert [file["name"] for file in report["files"]] == ["Dresses.jsonl.gz"]
    assert report["unread"] == []
    code, _, err = call("check", shop / "README")
    assert code == 2
    assert "no source recognises" in err
    assert "README" in err


def test_one_file_without_the_others_of_its_source(tmp_path: Path) -> None:
    (tmp_path / "rentals.csv").write_text("customer.id;outfit.id;rentalPeriod.start;rentalPeriod.end\n0128;o.1;2021-10-11;\n")
    code, report = told("check", tmp_path / "rentals.csv", "--source", "vibrent")
    assert code == 0
    assert report["files"][0]["role"] == "interactions"
    assert report["files"][0]["sample"][0]["user_id"] == "0128"
    code, _, err = call("check", tmp_path, "--source", "vibrent")
    assert code == 2
    assert "lacks outfits.csv" in err


def test_positions_are_said_to_be_no_times_and_a_better_fit_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "sequences.txt").write_text("1 a b\n2 b\n")
    (tmp_path / "item_attributes.json").write_text('{"a": [1], "b": [2]}')
    code, out, _ = call("check", tmp_path)
    assert code == 0
    text = " ".join(out.split())
    assert "is read as source sequences" in text
    assert "source amazon" not in text, "it finds a name, but can read nothing"
    assert told("check", tmp_path)[1]["recognised"] == ["amazon", "sequences"]
    assert "times are positions in a sequence" in text


def test_quantities_are_told(tmp_path: Path) -> None:
    (tmp_path / "transactions_train.csv").write_text(
        "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,00ab,0663713001,0.05,2\n2018-09-20,00ab,0663713001,0.05,2\n"
    )
    code, report = told("check", tmp_path / "transactions_train.csv", "--source", "hm")
    assert code == 0
    assert report["identical_rows"] == "quantity"
    assert report["files"][0]["sample"][0]["item_id"] == "0663713001"


def test_all_reads_beyond_the_first_block(tmp_path: Path) -> None:
    line = "u{} " + " ".join(f"item-{place}" for place in range(200)) + "\n"
    (tmp_path / "sequences.txt").write_text("".join(line.format(user) for user in range(8_000)) + "lonely\n")
    code, report = told("check", tmp_path)
    assert code == 0
    assert not report["files"][0]["whole"]
    assert report["files"][0]["unreadable_rows"] == 0
    _, report = told("check", tmp_path, "--all")
    assert report["files"][0]["whole"]
    assert report["files"][0]["rows"] == 8_000 * 200 + 1
    assert report["files"][0]["unreadable"][0]["cells"] == "line 8001 names user 'lonely' and no item"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gone"], "there is no "),
        (["."], "holds no files"),
        ([".", "--source", "hmm"], "there is no source called 'hmm'"),
        (["ftp://here"], "neither a folder nor in S3"),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call("check", *words)
    assert (code, out) == (2, "")
    assert message in err
    code, error = told("check", *words)
    assert code == 2
    assert message in error["message"]


def test_a_name_with_brackets_and_a_hidden_one(tmp_path: Path) -> None:
    (tmp_path / "[bold]x.jsonl").write_text(json.dumps(REVIEW) + "\n")
    (tmp_path / ".hidden.jsonl").write_text("")
    code, out, _ = call("check", tmp_path)
    assert code == 0
    assert "[bold]x.jsonl" in out
    code, _, err = call("check", tmp_path / ".hidden.jsonl")
    assert code == 2
    assert "hidden or temporary" in err


def test_a_check_imports_nothing_heavy(shop: Path) -> None:
    code = (
        "import json, sys\nfrom outfitter.cli.app import app\n"
        f"try: app(['source', 'check', {str(shop)!r}, '--json'], prog_name='outfitter')\nexcept SystemExit: pass\n"
        "sys.stderr.write(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["source"] == "amazon"
    assert not HEAVY & set(json.loads(done.stderr))


def test_the_help_teaches_with_examples() -> None:
    for words in (["--help"], ["check", "--help"]):
        code, out, _ = call(*words)
        assert code == 0
        assert "source check" in out
        assert "s3://bucket/prefix" in out


def test_a_bucket_is_looked_at_like_a_folder(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTFITTER_S3_ENDPOINT", s3.endpoint)
    s3.client.put_object(Bucket=s3.bucket, Key="in/sequences.txt", Body=b"007 a b\n8\n")
    s3.client.put_object(Bucket=s3.bucket, Key="in/notes/README", Body=b"text")
    s3.client.put_object(Bucket=s3.bucket, Key="out/movies.csv", Body=b"text")
    code, report = told("check", f"{s3.root}/in")
    assert code == 0
    assert (report["source"], report["where"], report["unread"]) == ("sequences", f"{s3.root}/in", ["notes/README"])
    assert report["files"][0]["sample"][0]["user_id"] == "007"
    assert report["files"][0]["unreadable"] == [{"row": 3, "cells": "line 2 names user '8' and no item"}]
    code, _, err = call("check", f"{s3.root}/nothing")
    assert code == 2
    assert f"{s3.root}/nothing" in err


def test_a_map_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("who;what;when\n007;0042;2024-05-01\n")
    columns = '\n[files.columns]\nuser_id = "who"\nitem_id = "what"\ntimestamp = "when"\n[files.constants]\nevent = "purchase"\n'
    told_by = tmp_path / "my.toml"
    told_by.write_text('[[files]]\nrole = "interactions"\nmatch = ["*.csv"]\nseparator = ";"' + columns)
    code, report = told("check", tmp_path, "--mapping", told_by)
    assert code == 0
    assert report["source"] == "mapped"
    assert [(row["user_id"], row["item_id"]) for row in report["files"][0]["sample"]] == [("007", "0042")]
    told_by.rename(tmp_path / "outfitter-source.toml")
    assert told("check", tmp_path)[1]["source"] == "mapped"
    (tmp_path / "outfitter-source.toml").write_text("files = 3")
    code, error = told("check", tmp_path)
    assert code == 2
    assert "outfitter-source.toml" in error["message"]


def test_a_second_source_that_can_read_some_of_it_is_named(shop: Path) -> None:
    (shop / "reviews.parquet").write_bytes(b"")
    (shop / "sequences.txt").write_text("1 a b\n")
    code, out, _ = call("check", shop)
    assert code == 0
    assert "source sequences can read some of it too: --source sequences" in " ".join(out.split())
    assert "source renttherunway" not in out


@pytest.mark.parametrize("width", [50, 60, 75, 80, 81, 100, 140])
def test_a_wide_table_lies_on_its_side_and_loses_no_column(tmp_path: Path, width: int) -> None:
    products = [
        {"parent_asin": f"00{place}", "title": "A dress of linen, to the knee", "price": 9, "store": "Untold", "details": {"Color": "Navy"}}
        for place in range(6)
    ]
    (tmp_path / "meta_X.jsonl").write_text("\n".join(map(json.dumps, products)))
    (tmp_path / "X.jsonl").write_text(json.dumps({**REVIEW, "user_id": "u" * 40}))
    answer = CliRunner().invoke(
        app, ["source", "check", str(tmp_path), "--rows", "6"], env={**WIDE, "COLUMNS": str(width), "TERMINAL_WIDTH": str(width)}
    )
    assert answer.exit_code == 0
    for word in (
        "item_id",
        "user_id",
        "timestamp",
        "rating",
        "title",
        "colour",
        "brand",
        "price",
        "Navy",
        *(product["parent_asin"] for product in products),
    ):
        assert word in answer.stdout
    assert "2020-05-05 14:08:48" in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= width
