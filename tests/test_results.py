"""The page of results says what the files beside it say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("results", ROOT / "benchmarks" / "results.py")
assert SPEC is not None
assert SPEC.loader is not None
results = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(results)


def test_the_tables_are_those_of_the_files() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    assert results.filled(page) == page, "make them anew: python benchmarks/results.py"
    assert {name for found in results.BLOCK.finditer(page) for name in found[1].split()} == {
        path.stem for path in (ROOT / "docs" / "results").glob("*.json")
    }


def test_tables_of_different_questions_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    for name, k in (("one", 10), ("other", 12)):
        (tmp_path / "results" / f"{name}.json").write_text(f'{{"data": {{}}, "split": {{}}, "k": {k}, "models": []}}')
    monkeypatch.setattr(results, "DOCS", tmp_path)
    with pytest.raises(ValueError, match="one, other are not of one"):
        results.block(["one", "other"])
