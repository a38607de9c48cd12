"""pipeline: the main job. Everything from deliveries to lists and the drift check, in one run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow

from flows.ingest import ingest
from flows.materialize import materialize
from flows.monitor import monitor
from flows.recommend import recommend
from flows.train import train
from outfitter.registry.candidates import recipes
from outfitter.registry.contest import refuse_the_past
from tasks.work import at_work


@flow(name="pipeline", log_prints=False)
def pipeline(
    source: str | None = None,
    path: str | None = None,
    mapping: str | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Ingest and validate, materialize, train and gate, recommend, monitor. What is done already is found and skipped."""
    with at_work(now, source=source, path=path, mapping=mapping) as work:
        recipes(work.settings, 0)  # a family that nobody knows is told now, not after the data are in
        if as_of is not None:
            refuse_the_past(work.registry, as_of)
        return {
            "ingest": ingest(source, path, mapping, work.now),
            "materialize": materialize(as_of, work.now),
            "train": train(as_of, work.now),
            "recommend": recommend(as_of, work.now),
            "monitor": monitor(as_of, work.now),
        }
