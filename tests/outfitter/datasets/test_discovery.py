"""Finding adapters by name and files by folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from outfitter.datasets import ADAPTERS, adapter
from outfitter.datasets.base import BLOCK_BYTES, Role
from outfitter.datasets.discovery import locate, matching
from outfitter.errors import SourceError
from outfitter.settings import Settings


def test_a_source_says_what_it_lacks_and_holds() -> None:
    needed: dict[str, Role] = {"articles.csv": "items", "orders.csv": "interactions"}
    with pytest.raises(
        SourceError, match=r"s3://b/p lacks articles\.csv and orders\.csv, which source 'shop' needs\. There is nothing in it"
    ):
        locate([], "s3://b/p", "shop", needed)
    with pytest.raises(SourceError, match=r"lacks articles\.csv, .*Articles\.CSV, none/, orders\.csv\. Did you mean Articles\.CSV\?"):
        locate(["Articles.CSV", "none/a", "none/b", "orders.csv"], "folder", "shop", needed)
    with pytest.raises(SourceError, match=r"It holds data/hm/articles\.csv: give the folder data/hm/"):
        locate(["data/hm/articles.csv", "data/hm/orders.csv"], "folder", "shop", needed)
    with pytest.raises(SourceError, match="and 12 more"):
        locate([f"{number}.txt" for number in range(20)], "folder", "shop", needed)


def test_located_files_keep_their_order_and_optional_ones_may_lack() -> None:
    found = locate(
        ["orders.csv", "users.csv"], "folder", "shop", {"orders.csv": "interactions"}, {"users.csv": "users", "items.csv": "items"}
    )
    assert list(found.items()) == [("orders.csv", "interactions"), ("users.csv", "users")]


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("*.csv", ["a.csv", "b[1].csv"]),
        ("?.csv", ["a.csv"]),
        ("b[1].csv", ["b[1].csv"]),
        ("x/*.csv", ["x/a.csv"]),
        ("**/a.csv", ["a.csv", "x/a.csv", "x/y/a.csv"]),
        ("x/**", ["x/a.csv", "x/y/a.csv"]),
        ("a.CSV", []),
    ],
)
def test_patterns_stay_in_their_folder_unless_told_otherwise(pattern: str, fitting: list[str]) -> None:
    assert matching(["x/y/a.csv", "x/a.csv", "b[1].csv", "a.csv"], pattern) == fitting


def test_every_adapter_answers_to_its_name_and_is_imported_only_when_asked_for() -> None:
    assert all(ADAPTERS[name].name == name and ADAPTERS[name].summary for name in ADAPTERS)
    script = "import sys, outfitter.datasets; sys.exit(any('vibrent' in name for name in sys.modules))"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3])


def test_adapters_are_found_by_name() -> None:
    assert {"vibrent", "renttherunway", "synthetic", "hm", "amazon", "movielens", "sequences", "mapped"} == set(ADAPTERS)
    assert adapter("vibrent").name == "vibrent"
    assert adapter("vibrent").block_bytes == BLOCK_BYTES
    assert adapter("vibrent", Settings(block_mb=3)).block_bytes == 3 << 20
    assert len(ADAPTERS) == len(list(ADAPTERS))
    with pytest.raises(SourceError, match=r"no source called 'vibrant'.*renttherunway, .*vibrent\. Did you mean 'vibrent'\?"):
        adapter("vibrant")
