"""recommend: the champion's list for every user, validated, published in one commit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow

from expectations.docs import build_docs
from flows.train import ready_material
from outfitter.lake.founding import facts
from outfitter.progress import report
from outfitter.registry.batches import open_batch, published
from outfitter.registry.production import settle
from outfitter.registry.promotion import require_champion
from outfitter.registry.stories import story
from tasks.artifacts import leave
from tasks.recommending import answer_all, check, publish
from tasks.work import THREADS, Work, at_work


@flow(name="recommend", log_prints=False, task_runner=THREADS)
def recommend(as_of: datetime | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Recommend to every user with the model in production."""
    with at_work(now) as work:
        material, moment = ready_material(work, as_of)
        settle(work.lake, work.registry, work.now)
        batch = open_batch(material, require_champion(work.registry), moment)
        new = published(work.lake, batch.id) is None
        if new:
            _fill(work, batch)
        row = published(work.lake, batch.id) or {}
        told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        told["example"] = story(material.snapshot, batch.id, moment, [name for name, rule in work.settings.events.items() if rule.target])
        if new:
            leave("recommend", f"Recommended to {told['users']:,} users", told)
        report("recommend", f"{told['users']:,} users" if new else "nothing new", "done" if new else "skipped")
        return {**told, "new": new}


def _fill(work: Work, batch: Any) -> None:
    known = facts(work.lake)
    answer_all(batch, known.n_buckets if known else 1)
    publish(work, batch, check(work, batch))
    build_docs(work.docs)
