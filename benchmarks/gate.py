"""How far the promotion gate can be believed: the figures, tables and plots of docs/gate.md, by simulation on synthetic shops.

    .venv/bin/python benchmarks/gate.py [--quick] [--only errors power seasons rejections]

``--quick`` takes minutes, prints its tables and writes nothing. Without it each part takes up to half an hour of one core, and its figures
go to docs/gate/figures.json, from which ``gate_page.py`` makes the page. Every seed is fixed. What is simulated is in tests/simulation.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import gate_page

from models.base import Recipe
from outfitter.datasets.synthetic import Shop
from outfitter.settings import Settings
from tests.simulation.fields import Field, Match, Rng, by_halves, by_seeds, field, result
from tests.simulation.judging import Counted, Draw, detectable, judged, planned
from tests.simulation.rejections import SHOP, WINDOW_DAYS, Bench, all_judged
from tests.simulation.seasons import OFTEN_EQUAL, SELDOM_EQUAL, seasons
from tests.simulation.shops import Ground, opened

POPULAR = ("popularity", "recent_popularity")
"""Baselines that hardly stop anything on these shops, so that the comparison with the champion is on its own."""
SIZES = (300, 1_000, 0, 5_000)  # 0: as many as the exam has
CURVE = (300, 1_000, 2_428, 5_000, 10_000, 20_000, 50_000)
GAINS = (0.02, 0.05, 0.1, 0.2)
Part = Callable[[Path, bool], Any]


def default_shop(home: Path) -> tuple[Ground, list[Field], dict[str, Draw]]:
    """The shop that a first run draws, its pairs of equal models, and how matches that nobody should win are drawn from them."""
    ground = opened(Shop(), Settings(home=home), with_rows=True)
    exam = ground.test
    baselines = [result(exam, ground.material, Recipe(name)) for name in POPULAR]
    pairs = {f"{model}, another seed": by_seeds(ground, exam, model) for model in ("two_tower", "als", "bpr")}
    pairs |= {f"{model}, half of the users each": by_halves(ground, exam, model) for model in ("item_knn", "ease")}
    fields = [field(about, pair, baselines, exam) for about, pair in pairs.items()]
    draws: dict[str, Draw] = {one.about: one.swapped for one in fields}
    about = "two_tower or ease by chance, against item_knn"
    others = pairs["two_tower, another seed"][0], result(exam, ground.material, Recipe("ease"))
    champion = result(exam, ground.material, Recipe("item_knn"))
    draws[about] = partial(_levelled, field(about, others, baselines, exam), champion)
    return ground, fields, draws


def _levelled(of: Field, champion: Any, rng: Rng, users: int) -> Match:
    return of.levelled(rng, users, champion)


def errors(folder: Path, quick: bool) -> Any:
    """False promotions: the whole gate on models of which neither is better."""
    ground, fields, draws = default_shop(folder / "home")
    settings, tries = ground.material.settings, 20 if quick else 300
    rows = []
    for about, draw in draws.items():
        for users in SIZES:
            counted = judged(draw, users or fields[0].users, tries, settings)
            rows.append({"about": about, **asdict(counted)})
            said(about, counted)
    return {"rows": rows, "fields": [_means(one) for one in fields]}


def _means(of: Field) -> dict[str, Any]:
    a, b = of.one.per_user["ndcg"], of.other.per_user["ndcg"]
    return {"about": of.about, "users": of.users, "one": a.mean(), "other": b.mean(), "differ": (a != b).mean()}


def power(folder: Path, quick: bool) -> Any:
    """How often a planted gain is promoted: over sizes and gains, and at the size that the planner names."""
    ground, fields, _ = default_shop(folder / "default")
    settings, fields = ground.material.settings, [replace(one, baselines=one.baselines[-1:]) for one in fields]
    curve = [row for gain in GAINS for row in _curve(fields[0], gain, settings, quick)]
    seen = [
        {"about": one.about, "users": users, "gain": detectable(one.swapped, users, settings)}
        for one in fields
        for users in (one.users, 10_000, 50_000)
    ]
    at_plan = _small_plans(folder / "small", 50 if quick else 4_000)
    at_plan += [] if quick else [_at_plan("default", one, settings, 600) for one in (*fields[:2], fields[3])]
    return {"about": fields[0].about, "curve": curve, "seen": seen, "planned": at_plan}


def _curve(of: Field, gain: float, settings: Settings, quick: bool) -> Iterator[dict[str, Any]]:
    """Size by size, until all are promoted: then larger ones would be as well."""
    for users in CURVE[:3] if quick else CURVE:
        counted = judged(partial(of.swapped, gain=gain), users, 20 if quick else 100, settings)
        said(f"gain of {gain:.0%}", counted)
        yield {"gain": gain, **asdict(counted)}
        if counted.rate() == 1:
            return


def _small_plans(home: Path, tries: int) -> list[dict[str, Any]]:
    """On a shop whose models find more, fewer users are needed, so that there is time for more tries."""
    ground = opened(SHOP, Settings(home=home, window_days=WINDOW_DAYS, training_cutoffs=1))
    exam, settings = ground.test, ground.material.settings
    baselines = [result(exam, ground.material, Recipe(POPULAR[-1]))]
    fields = [field(f"{model}, another seed", by_seeds(ground, exam, model), baselines, exam) for model in ("als", "bpr")]
    fields.append(field("item_knn, half of the users each", by_halves(ground, exam, "item_knn"), baselines, exam))
    rows = [_at_plan("small", one, settings, tries) for one in fields]
    third = result(exam, ground.material, Recipe("als", (("seed", 2),)))
    rival = replace(fields[0], about="als, another seed; a third seed is a baseline", baselines=(*baselines, third))
    return [*rows, _at_plan("small", rival, settings, tries)]


def _at_plan(shop: str, of: Field, settings: Settings, tries: int) -> dict[str, Any]:
    draw = partial(of.swapped, gain=settings.gate_effect)
    counted = judged(draw, planned(draw, settings), tries, settings)
    said(f"{shop}: {of.about}", counted)
    return {"shop": shop, "about": of.about, **asdict(counted)}


def contests(folder: Path, quick: bool) -> Any:
    """End to end: a fresh shop each time."""
    blank = blank_mlflow(folder)
    often, seldom = (2, 2) if quick else (600, 100)
    found = [*seasons(OFTEN_EQUAL, range(often), blank), *seasons(SELDOM_EQUAL, range(seldom), blank)]
    return [asdict(season) for season in found]


def blank_mlflow(folder: Path) -> Path:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    SqlAlchemyStore(f"sqlite:///{folder / 'blank.db'}", str(folder / "unused"))
    return folder / "blank.db"


def rejections(folder: Path, quick: bool) -> Any:  # noqa: ARG001 - it takes seconds
    """What must not pass."""
    ground = opened(SHOP, Settings(home=folder / "home", window_days=WINDOW_DAYS, training_cutoffs=1))
    return [asdict(one) for one in all_judged(Bench(ground))]


PARTS: dict[str, Part] = {"errors": errors, "power": power, "seasons": contests, "rejections": rejections}


def said(about: str, counted: Counted) -> None:
    told = ", ".join(f"{name} {counted.rate(name):.2%}" for name in counted.passed)
    sys.stderr.write(f"{about}, {counted.users:,} users, {counted.tries:,} tries: {told}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str]) -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--quick", action="store_true", help="few repetitions; writes nothing")
    asked.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="the parts to run; all by default")
    given = asked.parse_args(arguments)
    for name in given.only:
        with tempfile.TemporaryDirectory() as folder:
            figures = json.loads(json.dumps(PARTS[name](Path(folder), given.quick), default=float))
        sys.stdout.write(f"\n{gate_page.TABLES[name](figures)}\n")
        sys.stdout.flush()
        if not given.quick:
            gate_page.keep(name, figures)


if __name__ == "__main__":
    main(sys.argv[1:])
