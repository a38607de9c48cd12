"""The page of a decision says what was compared and found, in whatever words the data bring, and lies where it can be found."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from outfitter.evaluation.bootstrap import Interval
from outfitter.evaluation.report.density import BINS, Density, density
from outfitter.registry.contest import require_champion
from outfitter.registry.decision_page import decision_page
from outfitter.registry.gate import Comparison, Decision
from outfitter.registry.guardrails import Guardrail
from outfitter.registry.promotion import bootstrap, challenge
from outfitter.registry.settling import page_of
from outfitter.settings import Settings
from tests.outfitter.registry.conftest import Trained

MEANS = np.random.default_rng(0).normal(0.01, 0.01, 2000)
DECISION = Decision(
    "guardrail",
    "segment '<new>' is harmed",
    "als",
    "item_knn",
    1234,
    99_000,
    Interval(0.01, -0.01, 0.03),
    0.1,
    0.25,
    (Guardrail("segment '<new>'", False, "NDCG change -0.1"), Guardrail("latency", True, "1 ms")),
    (
        Comparison("item_knn", 0.1, Interval(0.01, -0.01, 0.03), 0.04, Density.of(MEANS)),
        Comparison("ease", 0.09, Interval(0.02, 0.01, 0.03), 0.0002),
    ),
)


def test_a_page_says_it_all_and_asks_for_nothing(tmp_path: Path) -> None:
    page = decision_page(DECISION, Settings(home=tmp_path), {"snapshot": "<s>"})
    for told in (
        "guardrail: als against item_knn",
        "What is in production stays",
        "1,234 users",
        "99,000",
        "25.0%",
        "below .001",
        "broken",
        "holds",
    ):
        assert told in page
    assert "<new>" not in page
    assert "&lt;s&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") == 1, "a record without resamples has no picture"


def test_a_first_model_needs_no_comparison(tmp_path: Path) -> None:
    page = decision_page(Decision("bootstrap", "nothing was in production", "popularity"), Settings(home=tmp_path), {})
    assert "It goes live" in page
    assert "Compared" not in page


@pytest.mark.parametrize("shift", [-0.05, 0.0, 0.05])
def test_the_picture_has_every_resample_in_it(shift: float) -> None:
    drawn = Density.of(MEANS + shift)
    assert sum(drawn.counts) == len(MEANS)
    picture = ElementTree.fromstring(density(drawn, Interval(shift, shift - 0.02, shift + 0.02)))
    bars = picture.findall("rect")
    assert len(bars) == BINS
    below = sum(bar.get("fill") == "#d55e00" for bar in bars)
    assert (below > 0, below < BINS) == (drawn.low < 0, drawn.high > 0)
    x = [float(bar.get("x", "nan")) for bar in bars]
    assert x == sorted(x)
    assert x[0] >= 0
    assert x[-1] <= 760


def test_means_that_are_all_alike_are_drawn() -> None:
    assert "<svg" in density(Density.of(np.zeros(100)), Interval(0, 0, 0))


def test_reasons_lie_in_the_reports_and_on_the_runs(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    decision, _ = challenge(trained.contest(), trained.candidates)
    page = page_of(trained.material.settings, trained.contest().decision_id("challenge"))
    assert decision.verdict in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text())["reason"] == decision.reason
    judged = next(one.run_id for one in trained.candidates if one.recipe.model == decision.challenger)
    assert trained.registry.read_text(judged, "decision.html") == page.read_text()
    assert trained.registry.run(judged).data.tags["outfitter.verdict"] == decision.verdict
    live = require_champion(trained.registry)
    assert "nothing was in production" in trained.registry.read_text(live.run_id, "decision.html")


def test_a_page_that_a_kill_left_out_is_written_by_the_next_run(trained: Trained) -> None:
    bootstrap(trained.contest(), trained.candidates)
    page = page_of(trained.material.settings, trained.contest().decision_id("bootstrap"))
    before = page.read_text()
    page.unlink()
    bootstrap(trained.contest(), trained.candidates)
    assert page.read_text() == before
