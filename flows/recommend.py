"""recommend: the champion's list for every user, validated, published in one commit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow

from expectations.docs import build_docs
from flows.train import ready_material
from outfitter.errors import ModelError
from outfitter.evaluation.training import Material
from outfitter.lake.founding import facts
from outfitter.progress import report
from outfitter.registry.batches import Batch, open_batch, publish_again, published, require_answers
from outfitter.registry.champion import Used, still_champion, with_champion
from outfitter.registry.stories import story
from outfitter.registry.versions import Version
from outfitter.registry.watching import ChampionWatcher
from tasks.artifacts import leave
from tasks.recommending import Wanted, answer_all, check, publish, shadow
from tasks.work import THREADS, Work, at_work

MOST_STARTS = 3


@flow(name="recommend", log_prints=False, task_runner=THREADS)
def recommend(as_of: datetime | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Recommend to every user with the model in production."""
    with at_work(now) as work:
        material, moment = ready_material(work, as_of)
        used, new = _ready(work, material, moment)
        batch = used.result
        row = published(work.lake, batch.id) or {}
        told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        told["example"] = story(material.snapshot, batch.id, moment, [name for name, rule in work.settings.events.items() if rule.target])
        told["instead"] = used.instead
        told["shadow"] = "" if used.instead else shadow(work, batch)
        if new:
            leave("recommend", f"Recommended to {told['users']:,} users", told)
        said = f"{told['users']:,} users" if new else "nothing new"
        report("recommend", f"{said}{f', {used.instead}' if used.instead else ''}", "done" if new else "skipped")
        return {**told, "new": new}


def _ready(work: Work, material: Material, moment: datetime) -> tuple[Used[Batch], bool]:
    """The newest batch, published, and whether its lists were made just now.

    What somebody withdrew while the lists were made is not published: they are made again with the new champion. Raises ModelError when
    it does not come to rest.
    """
    for _ in range(MOST_STARTS):
        used = with_champion(work.lake, lambda: work.registry, work.settings, lambda version: _opened(material, version, moment), work.now)
        batch = used.result
        if published(work.lake, batch.id) is not None:
            _show_again(work, batch)
            return used, False
        validation = _made(work, used)
        if validation is not None and (used.instead or still_champion(work.registry, batch.version)):
            publish(work, batch, validation)
            build_docs(work.docs)
            return used, True
        report("recommend", f"version {batch.version.version} was withdrawn while its lists were made: starting again")
    raise ModelError(
        f"the champion changed {MOST_STARTS} times while lists were made", "Settle on one, and run 'outfitter recommend' again."
    )


def _opened(material: Material, version: Version, moment: datetime) -> Batch:
    return require_answers(open_batch(material, version, moment))


def _made(work: Work, used: Used[Batch]) -> str | None:
    """Every bucket answered, and the id of the validation that the lists passed; None when their version was withdrawn meanwhile."""
    batch = used.result
    if used.instead:  # the champion is not what is used, or nobody tells which it is
        return _answered(work, batch, lambda: True)
    number = batch.version.version
    with ChampionWatcher(work.registry, lambda version: version, held=(number, batch.version)) as watcher:
        return _answered(work, batch, lambda: watcher.version == number)


def _answered(work: Work, batch: Batch, wanted: Wanted) -> str | None:
    known = facts(work.lake)
    answer_all(batch, known.n_buckets if known else 1, wanted)
    return check(work, batch) if wanted() else None


def _show_again(work: Work, batch: Batch) -> None:
    """A batch that is there already becomes the newest, when another one of the same moment was shown meanwhile."""
    live = published(work.lake)
    if live is not None and live["batch_id"] != batch.id and live["as_of"] == batch.as_of:
        publish_again(batch, work.now)
