"""The main job through the command line, on a tiny shop: once, and once more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_the_pipeline_runs_and_a_second_run_finds_nothing_new(outfitter: Any, tiny_shop: Path) -> None:
    first = outfitter("run", "--path", tiny_shop, "--json")
    assert first.code == 0, first.stderr
    told = first.result
    assert told["ingest"]["rows_in"] == told["ingest"]["rows_accepted"] == 4_000 + 80 + 120
    assert told["materialize"]["read_back"] > 0
    assert {model["model"] for model in told["train"]["models"]} == {"popularity", "recent_popularity", "item_knn"}
    assert told["train"]["decisions"][0]["verdict"] == "bootstrap"
    assert told["recommend"]["users"] == 120
    page = Path(told["train"]["error_analysis"])
    assert all(model["model"] in page.read_text() for model in told["train"]["models"])
    assert (page.parent / "figures.json").exists()
    reasons = Path(told["train"]["decision_page"])
    assert told["train"]["decisions"][-1]["verdict"] in reasons.read_text()
    assert json.loads(reasons.with_suffix(".json").read_text()) == told["train"]["decisions"][-1]
    second = outfitter("run", "--path", tiny_shop, "--json")
    assert second.code == 0, second.stderr
    again = second.result
    assert again["ingest"]["new_deliveries"] == 0
    assert not any(again[stage]["new"] for stage in ("materialize", "train", "recommend", "monitor"))
    assert again["recommend"]["batch_id"] == told["recommend"]["batch_id"]
    assert again["train"]["error_analysis"] == str(page)
