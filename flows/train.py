"""train: fit every family, choose on the validation window, let the gate decide on the test window, promote."""

from __future__ import annotations

import shutil
from datetime import datetime
from typing import Any

from prefect import flow

from flows.materialize import materialization_of
from outfitter.errors import LakeError
from outfitter.evaluation.leaks.report import LeakReport
from outfitter.evaluation.training import Material
from outfitter.features.asof import Windows
from outfitter.lake import stages
from outfitter.progress import report
from outfitter.registry.candidates import recipes, training_fingerprint
from outfitter.registry.contest import Contest, learnt_until, recipe_of, refuse_the_past, require_champion
from outfitter.registry.gate import Decision
from outfitter.registry.production import fall_back, settle
from outfitter.registry.records import decided
from outfitter.registry.settling import page_of
from tasks.artifacts import leave
from tasks.evaluation import analyse_errors
from tasks.training import bootstrap, fit_all, gate, refresh, search_leaks, set_exams
from tasks.work import THREADS, Work, at_work


@flow(name="train", log_prints=False, task_runner=THREADS)
def train(as_of: datetime | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Train all configured models on the newest materialized features and let the gate decide on the best.

    Raises LeakError before the gate when something that the models learn from, or are examined with, knows the future.
    """
    with at_work(now) as work:
        material, moment = ready_material(work, as_of)
        settle(work.lake, work.registry, work.now)
        fall_back(work.lake, work.registry, work.now)
        windows = Windows.before(moment, work.settings.window_days)
        print_ = training_fingerprint(material, windows)
        if (done := stages.find(work.lake, "train", print_)) is not None:
            report("train", "nothing to retrain", "skipped")
            return {**done, "champion": _in_production(work), "new": False}
        work.registry.close_orphans()
        outputs = _train(work, material, windows, print_)
        _leave(outputs)
        report("train", f"{outputs['decisions'][-1]['verdict']}; in production: {outputs['champion']['model']}", "done")
        recorded = stages.record(work.lake, "train", print_, outputs, work.now)
        shutil.rmtree(work.settings.checkpoints, ignore_errors=True)  # whatever is there now, nobody will go on from it
        return {**recorded, "new": True}


def ready_material(work: Work, as_of: datetime | None) -> tuple[Material, datetime]:
    """The newest snapshot with its features, and the moment to work as of.

    Raises LakeError when the features have not been materialized, ModelError when what is live has learnt from later than ``as_of``.
    """
    snapshot = work.snapshot()
    moment = as_of or snapshot.as_of
    print_ = materialization_of(work, snapshot, moment)
    if stages.find(work.lake, "materialize", print_) is None:
        raise LakeError(
            f"there are no features as of {moment:%Y-%m-%d %H:%M} for the newest snapshot", "Run 'outfitter materialize' first."
        )
    if as_of is not None:
        refuse_the_past(work.registry, as_of)
    return work.material(snapshot, print_), moment


def _train(work: Work, material: Material, windows: Windows, print_: str) -> dict[str, Any]:
    validation, test = set_exams(material, windows)
    candidates = fit_all(work, recipes(work.settings, material.n_items), material, validation)
    leaks = search_leaks(work, material, windows, (validation, test), candidates, print_)
    if not leaks.passed:
        _leave_leaks(leaks)
        leaks.stop_on_leak()
    errors = analyse_errors(work, validation, candidates, print_)
    contest = Contest(material, test, work.registry, print_, work.now, leaks)
    decisions: list[Decision] = []
    if work.registry.champion() is None or _bootstrapped_here(contest):
        decisions.append(bootstrap(contest, candidates))
    decision, _ = gate(contest, candidates)
    decisions.append(decision)
    refreshed = not decision.goes_live and _stale(work, windows)
    if refreshed:
        decisions.append(refresh(contest))
    return {
        "snapshot": material.snapshot.id,
        "windows": [windows.validation_from.isoformat(), windows.test_from.isoformat(), windows.as_of.isoformat()],
        "models": [candidate.outputs() for candidate in candidates],
        "leaks": leaks.record(),
        "error_analysis": errors,
        "decisions": [d.record() for d in decisions],
        "decision_page": str(page_of(work.settings, contest.decision_id("refresh" if refreshed else "challenge"))),
        "champion": _in_production(work),
    }


def _in_production(work: Work) -> dict[str, str]:
    champion = require_champion(work.registry)
    return {"model": recipe_of(champion).model, "version": champion.version, "run_id": champion.run_id}


def _bootstrapped_here(contest: Contest) -> bool:
    """Whether a killed run of this very training made the first champion: its decision then belongs to this run's story."""
    return decided(contest.material.snapshot.lake, contest.decision_id("bootstrap")) is not None


def _stale(work: Work, windows: Windows) -> bool:
    return learnt_until(require_champion(work.registry)) < windows.as_of


def _leave(outputs: dict[str, Any]) -> None:
    scores = "\n".join(f"| {m['model']} | {m['scores']['ndcg'][0]:.4f} | {m['run_id']} |" for m in outputs["models"])
    table = f"| model | NDCG | MLflow run |\n|---|---|---|\n{scores}"
    decisions = {d["verdict"]: d["reason"] for d in outputs["decisions"]}
    leaks = LeakReport.of(outputs["leaks"])
    facts = {"in production": outputs["champion"]["model"], "leaks": leaks.line, "error analysis": outputs["error_analysis"]}
    facts |= {"decision": outputs["decision_page"], **decisions}
    leave("train", "Trained and compared", facts, f"{table}\n\n{leaks.markdown()}")


def _leave_leaks(leaks: LeakReport) -> None:
    """Whoever opens the failed run must find there what leaked."""
    leave("train", "Stopped by a leak", {"in production": "as before", "leaks": leaks.line}, leaks.markdown())
