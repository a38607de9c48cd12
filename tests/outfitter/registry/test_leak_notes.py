"""What the leak checks found stands on the runs and versions that it is about."""

from __future__ import annotations

import json
from dataclasses import replace

from outfitter.evaluation.leaks.report import Check, LeakReport
from outfitter.registry.candidates import note_leaks
from outfitter.registry.contest import require_champion
from outfitter.registry.promotion import bootstrap
from outfitter.registry.versions import CARD
from tests.outfitter.registry.conftest import Trained

CLEAN = LeakReport((Check("exams", True, "all fine", {"exam_users": 7}),))
LEAKING = LeakReport((Check("exams", False, "histories hold the answers", {"exam_users": 8}, "Mend it."),))


def test_a_candidates_run_tells_what_was_found_last(trained: Trained) -> None:
    run_id, registry = trained.candidates[0].run_id, trained.registry
    before = registry.read_text(run_id, CARD)
    assert "Leak checks" not in before
    for report in (CLEAN, CLEAN, LEAKING):
        note_leaks(registry, [run_id], report)
    data = registry.run(run_id).data
    assert data.tags["outfitter.leaks"] == "LEAK: exams"
    assert data.metrics["leak_exam_users"] == 8
    assert data.tags["outfitter.role"] == "candidate"
    assert LeakReport.of(json.loads(registry.read_text(run_id, "leaks.json"))) == LEAKING
    card = registry.read_text(run_id, CARD)
    assert card.startswith(before)
    assert card.count("## Leak checks") == 1
    assert "| exams | LEAK | histories hold the answers |" in card


def test_what_goes_live_carries_it(trained: Trained) -> None:
    bootstrap(replace(trained.contest(), leaks=CLEAN), trained.candidates)
    run_id = require_champion(trained.registry).run_id
    assert trained.registry.run(run_id).data.tags["outfitter.leaks"] == "none found (exams)"
    assert "| exams | passed | all fine |" in trained.registry.read_text(run_id, CARD)
