"""The page about the gate and its plots say what the figures beside them say."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def gate_page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("gate_page")


def test_the_tables_and_plots_are_those_of_the_figures(gate_page: ModuleType) -> None:
    page = gate_page.PAGE.read_text(encoding="utf-8")
    assert gate_page.filled(page) == page, "make it anew: python benchmarks/gate_page.py"
    assert {found[1] for found in gate_page.BLOCK.finditer(page)} == set(gate_page.TABLES)
    plots = gate_page.gate_plots.plots(gate_page._figures())
    assert {path.name: path.read_text(encoding="utf-8") for path in gate_page.FIGURES.parent.glob("*.svg")} == plots
    assert all(f"(gate/{name})" in page for name in plots)


def test_what_came_to_no_contest_is_no_try(gate_page: ModuleType) -> None:
    verdicts = ["promoted", "not better", "uncontested", "not enough evidence"]
    rows = [{"about": "als, another seed", "verdict": verdict, "z": float(place)} for place, verdict in enumerate(verdicts)]
    assert "| als, another seed | 3 | 1 (33.33%) | 86.46% |" in gate_page.seasons_table(rows)
