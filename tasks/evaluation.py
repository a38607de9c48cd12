"""What the candidates got right and wrong, for people to read."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

import models
from outfitter.evaluation.error_analysis import write_error_analysis
from outfitter.evaluation.exam import Exam, sit
from outfitter.lake import stages
from outfitter.progress import report
from outfitter.registry.candidates import Candidate
from tasks.work import Work


@task(name="analyse errors", cache_policy=NO_CACHE)
def analyse_errors(work: Work, validation: Exam, candidates: list[Candidate], training: str) -> str:
    """The path of a page that compares the candidates on the validation window, segment by segment.

    It is the validation window because people tune on what they read, and the test window is the gate's alone.
    """
    print_ = stages.fingerprint("analyse", training=training)
    if (done := stages.find(work.lake, "analyse", print_)) is not None:
        return str(done["page"])
    report("train", "analysing errors")
    results = {one.recipe.model: sit(validation, models.load(work.registry.artifact(one.run_id))) for one in candidates}
    folder = work.settings.reports / "errors" / f"{validation.until:%Y-%m-%d}-{print_}"
    page = write_error_analysis(folder, validation, results)
    return str(stages.record(work.lake, "analyse", print_, {"page": str(page)}, work.now)["page"])
