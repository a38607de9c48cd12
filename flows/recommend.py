"""recommend: the champion's list for every user, validated, published in one commit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow

from expectations.docs import build_docs
from flows.train import ready_material
from outfitter.evaluation.training import Material
from outfitter.lake.founding import facts
from outfitter.progress import report
from outfitter.registry.batches import Batch, open_batch, publish_again, published, require_answers
from outfitter.registry.champion import with_champion
from outfitter.registry.stories import story
from outfitter.registry.versions import Version
from tasks.artifacts import leave
from tasks.recommending import answer_all, check, publish
from tasks.work import THREADS, Work, at_work


@flow(name="recommend", log_prints=False, task_runner=THREADS)
def recommend(as_of: datetime | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Recommend to every user with the model in production."""
    with at_work(now) as work:
        material, moment = ready_material(work, as_of)
        used = with_champion(work.lake, lambda: work.registry, work.settings, lambda version: _opened(material, version, moment), work.now)
        batch = used.result
        new = published(work.lake, batch.id) is None
        if new:
            _fill(work, batch)
        elif (live := published(work.lake)) is not None and live["batch_id"] != batch.id and live["as_of"] == moment:
            publish_again(batch, work.now)
        row = published(work.lake, batch.id) or {}
        told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        told["example"] = story(material.snapshot, batch.id, moment, [name for name, rule in work.settings.events.items() if rule.target])
        told["instead"] = used.instead
        if new:
            leave("recommend", f"Recommended to {told['users']:,} users", told)
        said = f"{told['users']:,} users" if new else "nothing new"
        report("recommend", f"{said}{f', {used.instead}' if used.instead else ''}", "done" if new else "skipped")
        return {**told, "new": new}


def _opened(material: Material, version: Version, moment: datetime) -> Batch:
    return require_answers(open_batch(material, version, moment))


def _fill(work: Work, batch: Any) -> None:
    known = facts(work.lake)
    answer_all(batch, known.n_buckets if known else 1)
    publish(work, batch, check(work, batch))
    build_docs(work.docs)
