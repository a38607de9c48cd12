"""The gate from end to end: a fresh shop, a champion in production, a challenger that is no better, and ``challenge``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl

from models.base import Recipe
from models.families import build
from outfitter.datasets.synthetic import Shop
from outfitter.evaluation.bootstrap import interval
from outfitter.evaluation.exam import METRIC, Exam, sit
from outfitter.evaluation.training import Material, training_data
from outfitter.registry.candidates import Candidate, log_fitted, train_candidate
from outfitter.registry.contest import Contest
from outfitter.registry.gate import decide
from outfitter.registry.guardrails import segments
from outfitter.registry.production import move
from outfitter.registry.promotion import challenge
from outfitter.registry.standing import POPULAR, best
from outfitter.registry.versions import Registry
from outfitter.settings import Settings
from tests.simulation.fields import result
from tests.simulation.judging import tests_passed
from tests.simulation.shops import NOW, Ground, opened

OFTEN_EQUAL = ("als, another seed", "als, half of the users each")
SELDOM_EQUAL = ("bpr, another seed", "bpr, half of the users each")
"""How the challenger differs from the champion, shop by shop in turn. What comes of the second recipe owes more to chance."""
UNCONTESTED = "uncontested"
"""No verdict of the gate: popularity was ahead of the challenger on the validation window, so the two never met."""
USERS = 1_200


@dataclass(frozen=True)
class Season:
    """One shop's contest. alone: the tests that the challenger passed against the champion, had there been no baselines to stop it.

    z: the difference in NDCG in standard errors of its mean over the users. Of models equal but for chance among users it has deviation 1.
    """

    seed: int
    about: str
    users: int
    verdict: str
    alone: tuple[str, ...]
    z: float


def shop(seed: int) -> Shop:
    """Small, and yet more users in the test window than the gate wants at least."""
    return Shop(users=USERS, items=150, interactions=20_000, days=150, seed=seed)


def settings_of(home: Path) -> Settings:
    return Settings(home=home, models=(), gate_baselines=POPULAR, window_days=14, training_cutoffs=1)


def seasons(pairs: Sequence[str], seeds: Iterable[int], blank_mlflow: Path) -> Iterator[Season]:
    """A contest for each seed, of a pair at a time, in a home of its own that is gone afterwards.

    blank_mlflow: a database of MLflow after its migrations, which take longer than all the rest. The process' environment changes.
    """
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            settings = settings_of(Path(folder) / "home")
            (settings.home / "mlflow").mkdir(parents=True)
            shutil.copy(blank_mlflow, settings.home / "mlflow" / "mlflow.db")
            yield _season(pairs[seed % len(pairs)], seed, opened(shop(seed), settings))


def _season(about: str, seed: int, ground: Ground) -> Season:
    settings = ground.material.settings
    contest = Contest(ground.material, ground.test, Registry(settings), f"season {seed}", NOW)
    champion, challenger = _two_recipes(about.split(",", maxsplit=1)[0], seed)
    if "half" in about:
        _learn_by_halves(contest, (champion, challenger), seed)
    _put_in_production(contest, champion)
    candidates = _candidates(contest, ground.validation, challenger)
    if best(candidates).recipe != challenger:
        return Season(seed, about, len(contest.exam.users), UNCONTESTED, (), 0.0)
    decision, results = challenge(contest, candidates)
    alone = decide(results[challenger.model], results["champion"], [], segments(contest.exam), settings, refresh=False)
    gained = results[challenger.model].per_user[METRIC] - results["champion"].per_user[METRIC]
    z = float(gained.mean() / (gained.std(ddof=1) / np.sqrt(len(gained))))
    return Season(seed, about, decision.users, decision.verdict, tuple(tests_passed(alone, settings)), z)


def _two_recipes(model: str, seed: int) -> tuple[Recipe, Recipe]:
    """Both seeds come from one urn, so that neither of the two is better but by chance."""
    one, other = np.random.default_rng(seed).permutation(1000)[:2].tolist()
    return Recipe.of(build(Recipe(model, (("seed", one),)))), Recipe.of(build(Recipe(model, (("seed", other),))))


def _learn_by_halves(contest: Contest, recipes: tuple[Recipe, Recipe], seed: int) -> None:
    """What the contest is going to fit up to the exam are models of one half of the users each."""
    users = np.random.default_rng(seed).permutation(contest.exam.events["user_key"].unique().sort().to_numpy())
    for recipe, half in zip(recipes, np.array_split(users, 2), strict=True):
        data = training_data(contest.material, contest.exam.asked, with_rows=False, users=pl.Series(np.sort(half)))
        contest.fits[recipe, contest.exam.asked] = build(recipe).fit(data)


def _put_in_production(contest: Contest, recipe: Recipe) -> None:
    """A champion that has learnt until the exam asks: it sits the exam itself, on the same data as the challenger."""
    model, settings = contest.fit(recipe, contest.exam.asked), contest.material.settings
    sat = sit(contest.exam, model)
    scores = {name: interval(values, settings.bootstrap_samples, settings.seed) for name, values in sat.per_user.items()}
    with contest.registry.running(recipe.model) as run_id:
        log_fitted(contest.registry, model, contest.material, contest.exam, scores, sat, {"outfitter.role": "production"})
    version = contest.registry.register(run_id, {"outfitter.snapshot": contest.material.snapshot.id}).version
    move(contest.material.snapshot.lake, contest.registry, version, "by hand", "the season's champion", NOW)


def _candidates(contest: Contest, validation: Exam, challenger: Recipe) -> list[Candidate]:
    """The challenger, logged as a training logs it, and the baselines, which are only scored: nothing asks for their runs."""
    material, ticks = contest.material, count()
    logged = train_candidate(challenger, material, validation, contest.registry, NOW, lambda: next(ticks))
    return [*(_scored(Recipe.of(build(Recipe(name))), material, validation) for name in POPULAR), logged]


def _scored(recipe: Recipe, material: Material, exam: Exam) -> Candidate:
    sat = result(exam, material, recipe)
    score = interval(sat.per_user[METRIC], material.settings.bootstrap_samples, material.settings.seed)
    return Candidate(recipe, "not logged", {METRIC: score}, sat.coverage, len(exam.users), 0.0)
