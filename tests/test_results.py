"""The page of results says what the files beside it say."""

from __future__ import annotations

import importlib.util
import json
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


def test_a_gain_is_told_only_on_one_and_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``broken`` could not be fitted, so the figures are against ``second``; with other settings that is another model."""
    (tmp_path / "results").mkdir()
    figure = {"mean": 0.02, "low": 0.01, "high": 0.03}
    told = {"users": 9, "metrics": {"ndcg": figure, "hit_rate": figure}, "against_reference": {"ndcg": figure}}
    rest = {
        "error": None,
        "search": None,
        "fits": 1,
        "fit_seconds": 1.0,
        "score_seconds": 0.0,
        "memory_peak": 2.0,
        "ranking": {"everyone": told},
    }

    def write(name: str, other: str, half_life: int) -> None:
        rows = [{"model": "broken", "error": "no"}, {"model": "second", "settings": {"half_life": half_life}, **rest}]
        rows.append({"model": other, "settings": {}, **rest})
        counts = {"source": "s", "interactions": 1, "users": 1, "items": 1}
        table = {"data": counts, "split": {"name": "last"}, "k": 5, "intervals": {"samples": 9}, "references": {"ranking": "second"}}
        (tmp_path / "results" / f"{name}.json").write_text(json.dumps({**table, "models": rows}))

    monkeypatch.setattr(results, "DOCS", tmp_path)
    write("one", "third", 1)
    write("two", "fourth", 1)
    assert "gain on `second`" in results.block(["one", "two"])
    assert "broken" not in results.block(["one", "two"])
    write("two", "fourth", 2)
    assert "gain" not in results.block(["one", "two"])
