"""Lists for every user, a bucket a task, validated before anyone can see them."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from outfitter.errors import StoppedByValidation
from outfitter.progress import report
from outfitter.registry import batches
from outfitter.registry.batches import Batch
from tasks.work import Work


@task(name="recommend bucket", cache_policy=NO_CACHE)
def answer(batch: Batch, bucket: int) -> int:
    """Append one bucket's lists; returns its number of users."""
    return batches.recommend_bucket(batch, bucket)


def answer_all(batch: Batch, n_buckets: int) -> int:
    """Every bucket as a parallel task; returns the number of users."""
    futures = [answer.submit(batch, bucket) for bucket in range(n_buckets)]
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
