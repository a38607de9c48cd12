"""The label shuffle: a model that learnt from labels dealt out at random must not be better than popularity.

A permutation of the labels (Ojala and Garriga, "Permutation tests for studying classifier performance", 2010) leaves how often and when
each item went and how much each user took, and breaks who took what. What is left to learn is popularity. A model that still knows a
user's taste did not learn it from the labels: something that it is told knows what it will be asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from models.base import Recipe
from models.data import Histories, TrainingData
from models.families import build, family
from models.popularity import Popularity
from outfitter.errors import NotEnoughData
from outfitter.evaluation.bootstrap import Interval, interval
from outfitter.evaluation.exam import Exam, PerUser, sit
from outfitter.evaluation.inputs import SECONDS_A_DAY, catalogue, unordered_events
from outfitter.evaluation.leaks.report import Check, Figure
from outfitter.evaluation.training import Material, training_data
from outfitter.features.asof import WEEK

METRIC = "ndcg"
HALF_LIVES = (3.0, 7.0, 14.0, 28.0, 56.0)  # days: which popularity is the best differs from shop to shop
MENDED = (
    "Something that this model is told when asked (profile, history, item table) knows what it is asked for. Find it, mend it, raise "
    "FEATURES_VERSION or 'fit' in outfitter/lake/stages.py; until then leave the model out of the setting models."
)


def check_shuffle(recipe: Recipe | None, material: Material, exam: Exam) -> Check:
    """Whether ``recipe``, fitted on shuffled labels of ``leak_users`` users, falls to the score of the best popularity model.

    It must not lie above it with the whole 95% interval of the paired bootstrap. A first excess is confirmed by a second permutation.
    """
    if recipe is None:
        return Check("label shuffle", True, "only popularity models were fitted", {}, tried=False)
    users, asked = learners(exam), restricted(exam)
    if asked is None:
        return Check("label shuffle", True, f"none of the {len(exam.users):,} users took something they had never met", {}, tried=False)
    try:
        data = training_data(material, exam.asked, family(recipe.model).reads_features, users)
        popular = best_popularity(material, asked)
        excess, figures = _compared(recipe, data, asked, popular)
    except NotEnoughData as error:
        return Check("label shuffle", True, f"{recipe.model} cannot learn from {len(users):,} users: {error.message}", {}, tried=False)
    told = f"{recipe.model} fitted on shuffled labels of {len(users):,} users scores {figures['shuffled_ndcg']} against popularity's "
    told += f"{figures['shuffled_popularity_ndcg']} on {len(asked.users):,} users, difference {excess}"
    return Check("label shuffle", excess.low <= 0, told, figures, MENDED if excess.low > 0 else "")


def learners(exam: Exam) -> pl.Series:
    """Keys of the ``leak_users`` users who are learnt from, ascending: first of all those of whom there are training rows."""
    settings, rng = exam.settings, np.random.default_rng(exam.settings.seed)
    recent = pl.col("taken") & (pl.col("timestamp") > exam.asked - settings.training_cutoffs * WEEK)
    lively, everyone = [rows["user_key"].unique().sort().to_numpy() for rows in (exam.events.filter(recent), exam.events)]
    others = everyone[~np.isin(everyone, lively)]
    chosen = np.concatenate([rng.permutation(lively), rng.permutation(others)])[: settings.leak_users]
    return pl.Series("user_key", np.sort(chosen), dtype=pl.Int32)


def restricted(exam: Exam) -> Exam | None:
    """The exam for ``leak_users`` of its users, on items they had never met; None when nothing is left to ask.

    What somebody looked at or took before can be guessed from the history without having learnt anything, so it is not asked for.
    """
    users = pl.Series("user_key", np.random.default_rng(exam.settings.seed).permutation(exam.users)[: exam.settings.leak_users])
    mine = pl.col("user_key").is_in(users.implode())
    events, taken = exam.events.filter(mine), exam.taken.filter(mine)
    taken = taken.join(events.select("user_key", "item_key").unique(), on=["user_key", "item_key"], how="anti", maintain_order="left")
    asked = np.isin(exam.users, taken["user_key"].unique().to_numpy())
    if not asked.any():
        return None
    settings = exam.settings.model_copy(update={"repeat_purchases": False})
    return replace(exam, settings=settings, users=exam.users[asked], taken=taken, events=events, activity=exam.activity[asked])


def shuffled(data: TrainingData, seed: int) -> TrainingData:
    """``data`` with its labels dealt out anew: each event goes to another user, each training row gets another row's user.

    Items keep their events' times and weights, and so their popularity; users keep how much they took. The items' codes and attributes
    are dealt out as well, for a content model knows before any training that alike items go to the same user.
    """
    rng = np.random.default_rng(seed)
    mixed = replace(data, histories=_dealt(data.histories, rng))
    if data.rows is not None:
        order = rng.permutation(len(data.rows.items))
        rows = replace(data.rows, user_features=data.rows.user_features[order], latest=data.rows.latest[order])
        mixed = replace(mixed, rows=rows)
    items = rng.permutation(data.n_items)
    if data.item_table is not None:
        mixed = replace(mixed, item_table=replace(data.item_table, codes=data.item_table.codes[items]))
    if data.attributes is not None:
        mixed = replace(mixed, attributes=data.attributes[items])
    return mixed


def _dealt(known: Histories, rng: np.random.Generator) -> Histories:
    owners = rng.permutation(np.repeat(np.arange(known.n_users), np.diff(known.indptr)))
    order = np.lexsort((-known.ages, owners))  # by user, oldest first
    return replace(
        known,
        items=known.items[order],
        weights=known.weights[order],
        ages=known.ages[order],
        taken=None if known.taken is None else known.taken[order],
        events=None if known.events is None else known.events[order],
        values=None if known.values is None else known.values[order],
    )


def best_popularity(material: Material, exam: Exam) -> PerUser:
    """float64[n]: each user's NDCG by the best popularity model there is, all of time or any half-life, fitted on everybody.

    The shop enters as one user who met each item once, with all the weight that it gathered: to popularity that is the same.
    """
    items = catalogue(material.snapshot, exam.asked)
    gathered = _gathered(material, exam.asked)
    position = items.positions(gathered["item_key"].to_numpy())
    ends, now = np.array([0, len(position)], np.int64), np.zeros(len(position), np.float32)
    scores = []
    for name in gathered.columns[1:]:
        shop = Histories(ends, position, gathered[name].to_numpy().astype(np.float32), now)
        scores.append(sit(exam, Popularity().fit(TrainingData(items.ids, shop, exam.asked))).per_user[METRIC])
    return max(scores, key=lambda score: float(score.mean()))


def _gathered(material: Material, until: datetime) -> pl.DataFrame:
    """item_key and, by half-life, the weight that it gathered by ``until``: what ``Popularity`` and ``RecentPopularity`` count."""
    events = unordered_events(material.snapshot, until, material.settings.events)
    age = (pl.lit(until) - pl.col("timestamp")).dt.total_seconds() / SECONDS_A_DAY
    decayed = [(pl.col("weight") * (-age * math.log(2) / days).exp()).sum().alias(f"{days:g} days") for days in HALF_LIVES]
    return events.group_by("item_key").agg(pl.col("weight").sum().alias("all of time"), *decayed).sort("item_key").collect()


def _compared(recipe: Recipe, data: TrainingData, exam: Exam, popular: PerUser) -> tuple[Interval, Mapping[str, Figure]]:
    settings = exam.settings
    for attempt in (1, 2):
        score = sit(exam, build(recipe).fit(shuffled(data, settings.seed + attempt))).per_user[METRIC]
        excess = interval(score - popular, settings.bootstrap_samples, settings.seed)
        if excess.low <= 0:
            break
    figures = {"shuffled_ndcg": round(float(score.mean()), 4), "shuffled_popularity_ndcg": round(float(popular.mean()), 4)}
    ends = {"shuffled_excess_low": round(excess.low, 4), "shuffled_excess_high": round(excess.high, 4)}
    return excess, {**figures, **ends, "shuffled_model": recipe.model, "shuffled_users": len(exam.users), "shuffled_permutations": attempt}
