"""Finding adapters by name and files by folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from outfitter.datasets import ADAPTERS, adapter
from outfitter.datasets.discovery import Role, locate
from outfitter.errors import SourceError


def test_a_folder_says_what_it_lacks_and_holds(tmp_path: Path) -> None:
    needed: dict[str, Role] = {"articles.csv": "items", "orders.csv": "interactions"}
    with pytest.raises(SourceError, match="there is no folder"):
        locate(tmp_path / "gone", "shop", needed)
    file = tmp_path / "orders.csv"
    file.touch()
    with pytest.raises(SourceError, match="is a file, where source 'shop' is a folder"):
        locate(file, "shop", needed)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SourceError, match="loop cannot be listed: Too many levels"):
        locate(tmp_path / "loop", "shop", needed)
    (tmp_path / "loop").unlink()
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match=r"lacks articles\.csv and orders\.csv, .*The folder is empty"):
        locate(tmp_path / "none", "shop", needed)
    (tmp_path / "Articles.CSV").touch()
    with pytest.raises(SourceError, match=r"lacks articles\.csv, .*Articles\.CSV, none/, orders\.csv\. Did you mean Articles\.CSV\?"):
        locate(tmp_path, "shop", needed)


def test_located_files_keep_their_order_and_optional_ones_may_lack(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").touch()
    (tmp_path / "users.csv").touch()
    found = locate(tmp_path, "shop", {"orders.csv": "interactions"}, {"users.csv": "users", "items.csv": "items"})
    assert [(file.name, file.role) for file in found] == [("orders.csv", "interactions"), ("users.csv", "users")]


def test_every_adapter_answers_to_its_name_and_is_imported_only_when_asked_for() -> None:
    assert all(ADAPTERS[name].name == name and ADAPTERS[name].summary for name in ADAPTERS)
    script = "import sys, outfitter.datasets; sys.exit(any('vibrent' in name for name in sys.modules))"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[3])


def test_adapters_are_found_by_name() -> None:
    assert {"vibrent", "renttherunway", "synthetic"} <= set(ADAPTERS)
    assert adapter("vibrent").name == "vibrent"
    assert len(ADAPTERS) == len(list(ADAPTERS))
    with pytest.raises(SourceError, match=r"no source called 'vibrant'.*renttherunway, .*vibrent\. Did you mean 'vibrent'\?"):
        adapter("vibrant")
