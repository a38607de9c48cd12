"""Lists for every user, a bucket a task, validated before anyone can see them."""

from __future__ import annotations

from collections.abc import Callable

from prefect import task
from prefect.cache_policies import NO_CACHE

from outfitter.errors import OutfitterError, StoppedByValidation
from outfitter.progress import report
from outfitter.registry import batches
from outfitter.registry.batches import Batch
from outfitter.registry.champion import DOWN
from outfitter.registry.shadow import note_shadow, shadow_run
from outfitter.registry.versions import CHALLENGER
from tasks.work import Work

Wanted = Callable[[], bool]
"""Whether the lists are still to be made."""


@task(name="recommend bucket", cache_policy=NO_CACHE)
def answer(batch: Batch, bucket: int, wanted: Wanted) -> int:
    """Append one bucket's lists; returns its number of users, 0 once nobody wants them."""
    return batches.recommend_bucket(batch, bucket) if wanted() else 0


def answer_all(batch: Batch, n_buckets: int, wanted: Wanted) -> int:
    """Every bucket as a parallel task; returns the number of users."""
    futures = [answer.submit(batch, bucket, wanted) for bucket in range(n_buckets)]
    users = 0
    for number, future in enumerate(futures, start=1):
        users += future.result()
        report("recommend", f"{users:,} users answered", done=number, total=n_buckets)
    return users


@task(name="validate batch", cache_policy=NO_CACHE)
def check(work: Work, batch: Batch) -> str:
    """Great Expectations over the whole batch; returns the validation's id. Raises StoppedByValidation when a single list fails."""
    report("recommend", "validating the lists")
    validation = batches.validate_batch(batch, work.docs)
    if not validation.passed:
        raise StoppedByValidation(
            f"the batch '{batch.id}' was not published: {'; '.join(validation.stops)}", f"The last batch stays; details in {work.docs}"
        )
    return validation.validation_id


@task(name="publish", cache_policy=NO_CACHE)
def publish(work: Work, batch: Batch, validation_id: str) -> None:
    """Make the batch visible."""
    batches.publish(batch, validation_id, work.now)


@task(name="shadow", cache_policy=NO_CACHE)
def shadow(work: Work, batch: Batch) -> str:
    """What the challenger would have shown the same users, in a sentence; empty when there is none. It stops nothing."""
    try:
        number = work.registry.alias(CHALLENGER)
        if number in (None, batch.version.version):
            return ""
        report("recommend", f"version {number} answers in the shadow")
        challenger = work.registry.version(str(number))
        found = shadow_run(batch.material, challenger, batch.version, batch.as_of, work.now)
        note_shadow(work.registry, challenger.run_id, found)
    except (OutfitterError, *DOWN) as error:
        return f"the challenger cannot be compared: {error}"
    broken = f"; it may not go live, {found.broken}" if found.broken else ""
    return f"{found.challenger.model} version {number}: {found.line}{broken}"
