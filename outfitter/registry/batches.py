"""A batch: lists for every user by the champion, appended bucket by bucket, real for readers from its row in ``batches`` on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

import models
from expectations.recommendations import suite, summary
from expectations.runner import Validation, validate
from models import checkpoint
from models.base import Recommender
from models.topk import TopK
from outfitter.errors import LakeError, ModelError, NotEnoughData
from outfitter.evaluation.inputs import Catalogue, catalogue, histories, sellable, weighted_events
from outfitter.evaluation.training import Material
from outfitter.lake import stages
from outfitter.lake.deliveries import content_hash
from outfitter.lake.tables import Lake
from outfitter.registry.versions import Version

TRIED = 200  # users that a version must answer before a batch begins
SETTINGS = ("events", "repeat_purchases", "sellable_days", "list_length")


@dataclass(frozen=True)
class Batch:
    """Everything a bucket needs to be answered. available bool[n_items]: what may be shown."""

    id: str
    material: Material
    version: Version
    model: Recommender
    items: Catalogue
    available: NDArray[np.bool_]
    as_of: datetime

    @property
    def lake(self) -> Lake:
        return self.material.snapshot.lake


def open_batch(material: Material, version: Version, as_of: datetime) -> Batch:
    """The batch of a version as of a moment; the same inputs give the same id."""
    settings, snapshot = material.settings, material.snapshot
    told = {name: getattr(settings, name) for name in SETTINGS}
    model = models.load(version.path)
    artifact = content_hash(version.path / checkpoint.META)
    batch_id = stages.fingerprint("recommend", model=artifact, on=material.materialization, as_of=as_of, settings=told)
    items = catalogue(snapshot, as_of, model.item_ids)
    targets = [name for name, rule in settings.events.items() if rule.target]
    available = sellable(snapshot, items, as_of, settings.sellable_days, targets)
    if not available.any():
        raise NotEnoughData(
            f"nothing is sellable as of {as_of:%Y-%m-%d}: no catalogued item sold in the {settings.sellable_days} days before",
            "Raise the setting sellable_days, or deliver newer interactions or the catalogue.",
        )
    return Batch(batch_id, material, version, model, items, available, as_of)


def require_answers(batch: Batch) -> Batch:
    """The batch itself. Raises ModelError when its model cannot answer the first users of a bucket with the features there are now."""
    shown = _asked(batch, 0, _users(batch, 0)[:TRIED])
    filled = shown.items >= 0
    if not (filled.any(axis=1).all() and np.isfinite(shown.scores[filled]).all()):
        raise ModelError(f"'{batch.model.name}' does not give every user a list of finite scores")
    return batch


def recommend_bucket(batch: Batch, bucket: int) -> int:
    """Answer for every user of a bucket and append the lists; a bucket that was appended before is left alone. Returns its users."""
    users = _users(batch, bucket)
    transaction = f"{batch.id}:{bucket}"
    if batch.lake.committed("recommendations", transaction) or not len(users):
        return len(users)
    batch.lake.append("recommendations", _rows(batch, bucket, users), transaction)
    return len(users)


def lists_for(batch: Batch, buckets: Iterable[int]) -> pl.DataFrame:
    """Rows of ``recommendations`` for every user of these buckets, made now and appended nowhere."""
    return pl.concat([_rows(batch, bucket, _users(batch, bucket)) for bucket in buckets])


def _users(batch: Batch, bucket: int) -> NDArray[np.int32]:
    """The keys of a bucket's users, ascending."""
    keys = batch.material.snapshot.users().filter(pl.col("bucket") == bucket).select("user_key").collect()["user_key"]
    return keys.sort().to_numpy()


def _asked(batch: Batch, bucket: int, users: NDArray[np.int32]) -> TopK:
    """What the model says for ``users``, all of one bucket."""
    settings = batch.material.settings
    events = weighted_events(batch.material.snapshot, batch.as_of, settings.events).filter(pl.col("bucket") == bucket).collect()
    features = batch.material.rows("user_features", batch.as_of)
    asked = histories(events, users, batch.items, batch.as_of, features)
    return batch.model.recommend(asked, settings.list_length, batch.available, exclude_seen=not settings.repeat_purchases)


def _rows(batch: Batch, bucket: int, users: NDArray[np.int32]) -> pl.DataFrame:
    top = _asked(batch, bucket, users)
    keys = np.where(top.items >= 0, batch.items.keys[top.items], -1)
    filled = top.items >= 0
    return pl.DataFrame(
        {
            "user_key": users,
            "items": [row[full].tolist() for row, full in zip(keys, filled, strict=True)],
            "scores": [row[full].tolist() for row, full in zip(top.scores, filled, strict=True)],
        }
    ).with_columns(
        pl.lit(batch.id).alias("batch_id"),
        pl.lit(bucket, dtype=pl.Int32).alias("bucket"),
        pl.lit(batch.model.name).alias("model"),
        pl.lit(batch.version.version).alias("model_version"),
        pl.lit(batch.version.run_id).alias("run_id"),
    )


def validate_batch(batch: Batch, docs: Path) -> Validation:
    """Hold the lists of a batch, as they lie in the lake, to the recommendations suite."""
    lists = batch.lake.scan("recommendations").filter(pl.col("batch_id") == batch.id).select("user_key", "items", "scores").collect()
    users = batch.material.snapshot.users().select(pl.len()).collect().item()
    return validate_lists(batch, lists, users, f"recommendations: {batch.id}", docs)


def validate_lists(batch: Batch, lists: pl.DataFrame, users: int, name: str, docs: Path | None) -> Validation:
    """Hold ``lists`` (user_key, items, scores), of which there must be ``users``, to the recommendations suite."""
    settings, snapshot = batch.material.settings, batch.material.snapshot
    targets = [name for name, rule in settings.events.items() if rule.target]
    took = (pl.col("timestamp") <= batch.as_of) & pl.col("event").is_in(targets)  # not through what the lists were made with
    rows = snapshot.scan("interactions").filter(took).join(lists.lazy().select("user_key"), on="user_key", how="semi")
    seen = rows.select("user_key", "item_key").unique().collect()
    k, repeats = settings.list_length, settings.repeat_purchases
    told = summary(lists, k=k, available=pl.Series(batch.items.keys[batch.available]), seen=seen, repeats=repeats)
    held_to = suite(k=k, users=users, repeats=repeats)
    return validate(told, held_to, name=name, docs=docs, row_label="user_key")


def publish(batch: Batch, validation_id: str, at: datetime) -> None:
    """Write down what the lists were made from, and last the one row that makes the batch visible."""
    settings = batch.material.settings.model_dump(mode="json", include=set(SETTINGS))
    stages.record(batch.lake, "recommend", batch.id, {"materialization": batch.material.materialization, "settings": settings}, at)
    mine = batch.lake.scan("recommendations").filter(pl.col("batch_id") == batch.id)
    counted = mine.select(pl.len().alias("users"), pl.col("items").explode().n_unique().alias("items")).collect().row(0, named=True)
    row = {
        "batch_id": [batch.id],
        "snapshot_id": [batch.material.snapshot.id],
        "as_of": [batch.as_of],
        "model": [batch.model.name],
        "model_version": [batch.version.version],
        "run_id": [batch.version.run_id],
        "users": [counted["users"]],
        "items_shown": [counted["items"]],
        "validation_id": [validation_id],
        "published_at": [at],
    }
    batch.lake.append("batches", pl.DataFrame(row), transaction=batch.id)


def publish_again(batch: Batch, at: datetime) -> None:
    """Make a batch the newest once more, as when a rollback is taken back: its lists are there, another's were shown meanwhile."""
    rows = batch.lake.scan("batches").filter(pl.col("batch_id") == batch.id).sort("published_at").collect()
    batch.lake.append("batches", rows.tail(1).with_columns(pl.lit(at).alias("published_at")), transaction=f"{batch.id} {at.isoformat()}")


def published(lake: Lake, batch_id: str | None = None, by: datetime | None = None) -> dict[str, object] | None:
    """The row of a published batch, the newest when none is named, or None. by: as it was then, before anything published later."""
    rows = lake.scan("batches").sort("as_of", "published_at").collect()
    rows = rows if batch_id is None else rows.filter(pl.col("batch_id") == batch_id)
    rows = rows if by is None else rows.filter(pl.col("published_at") <= by)
    return rows.row(-1, named=True) if rows.height else None


def lists_of(lake: Lake, batch_id: str) -> pl.LazyFrame:
    """The lists of a published batch. Raises LakeError for one that was never published: half a batch is nobody's business."""
    if published(lake, batch_id) is None:
        raise LakeError(f"no batch '{batch_id}' has been published", "Run 'outfitter recommend'.")
    return lake.scan("recommendations").filter(pl.col("batch_id") == batch_id)
