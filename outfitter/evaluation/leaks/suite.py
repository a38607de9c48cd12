"""All leak checks of one training, in the order in which a leak would spread: features, their check, exams, models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from models.base import Recipe
from models.families import family
from outfitter.evaluation.bootstrap import Interval
from outfitter.evaluation.exam import Exam
from outfitter.evaluation.leaks.alarm import check_too_good
from outfitter.evaluation.leaks.exams import check_exams
from outfitter.evaluation.leaks.features import check_canary, check_features, check_last_items, sides
from outfitter.evaluation.leaks.report import Check, LeakReport
from outfitter.evaluation.leaks.sample import draw
from outfitter.evaluation.leaks.shuffle import check_shuffle
from outfitter.evaluation.training import Material
from outfitter.features.asof import Windows


def look_for_leaks(
    material: Material,
    windows: Windows,
    exams: Sequence[Exam],
    scores: Mapping[Recipe, Interval],
    baselines: Sequence[str],
    say: Callable[[str], None],
) -> LeakReport:
    """Every check on one training.

    exams: on the validation window, which chose, and on the test window. scores: each candidate's NDCG on the first. baselines: the
    popularity models' names. say: is told what is being looked at. Raises nothing: what was found is in the report.
    """
    say("looking for leaks in the features")
    checks = _of_features(material, windows, exams, any(family(recipe.model).reads_features for recipe in scores))
    say("looking for leaks in the exams")
    checks.append(check_exams(exams, material.settings.leak_users))
    say("looking for leaks with shuffled labels")
    checks.append(check_shuffle(suspect(scores, baselines), material, exams[0]))
    checks.append(check_too_good({recipe.model: score for recipe, score in scores.items()}, baselines, material.settings))
    return LeakReport(tuple(checks))


def _of_features(material: Material, windows: Windows, exams: Sequence[Exam], with_rows: bool) -> list[Check]:
    sample = draw(material, windows, exams)
    both = sides(material, sample, with_rows)
    return [check_features(material.snapshot, both), check_last_items(material, sample, both[0]), check_canary(both)]


def suspect(scores: Mapping[Recipe, Interval], baselines: Sequence[str]) -> Recipe | None:
    """The recipe whose labels are shuffled: the best that learns from persons. None where there are only popularity models.

    It is the challenger, or would be if popularity were not ahead. One and no more: each takes a fit, and what a leak makes better comes
    out ahead.
    """
    personal = {recipe: score.mean for recipe, score in scores.items() if recipe.model not in baselines}
    return max(personal, key=lambda recipe: personal[recipe], default=None)
