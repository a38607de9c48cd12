"""Finding a model's settings on validation data alone, within a budget of minutes, in a study that survives being killed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from outfitter.errors import ModelError
from outfitter.evaluation.folds import Fold
from outfitter.experiments.trial import SETTLED, Fitter, Task, fitter_of, value_of
from outfitter.progress import report

STARTERS = 10
"""Trials that look around at random before the sampler draws conclusions."""
COMPARED = 5
"""Trials that must have ended before another one is given up for being worse than their median."""
DEFAULT, SECONDS, ERROR, ATTEMPTS = "default", "seconds", "error", "attempts"
"""What a trial says of itself: that it is the defaults, how long it took, why it failed, how often the process was killed in it."""
MOST_ATTEMPTS = 2


@dataclass(frozen=True)
class Found:
    """The settings that did best, and what it took. ``value`` is their mean over the validation folds, ``default`` that of the defaults."""

    params: dict[str, Any]
    value: float
    default: float | None
    trials: int
    pruned: int
    failed: int
    minutes: float
    study: str


def search(
    task: Task, minutes: float, folder: Path, tell: Callable[[optuna.Study], None] = lambda _: None, most: int | None = None
) -> Found:
    """Try settings until ``minutes`` have been spent on this study, or ``most`` trials have ended, what was done before included.

    The study is ``folder/<task.name>.db``; the defaults are tried first, so nothing worse than they is chosen, and a trial that a killed
    search left unfinished is done again, once. A trial that has begun is finished, whatever the budget. tell: called after each trial.
    Raises ModelError when even the defaults cannot be fitted.
    """
    study = _opened(task, folder)
    tell(study)
    folds, fitter, started = list(task.split.validations(task.data)), None, 0.0
    while _minutes(study) < minutes and (most is None or len(ended(study)) < most):
        if fitter is None:
            fitter, started = fitter_of(task, folds), time.perf_counter()
        started = _try(study, study.ask(dict(task.entry.space)), task, folds, fitter, started)
        tell(study)
        _say(study, task, minutes)
    return _found(study, task)


def _opened(task: Task, folder: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=task.name,
        storage=f"sqlite:///{folder / task.name}.db",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(COMPARED, n_warmup_steps=SETTLED),
        load_if_exists=True,
    )
    # seeded by what is there, for a search that goes on must not draw again what it drew before
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTERS, seed=task.seed + len(study.get_trials(deepcopy=False)))
    _queue(study, task)
    return study


def _queue(study: optuna.Study, task: Task) -> None:
    """First of all the defaults, and then again whatever was running when the search was killed."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        attempts = trial.user_attrs.get(ATTEMPTS, 0) + 1
        if attempts >= MOST_ATTEMPTS:
            _give_up(study, trial, task, attempts)
        else:
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params, {ATTEMPTS: attempts, **({DEFAULT: True} if DEFAULT in trial.user_attrs else {})})
    if not any(DEFAULT in trial.user_attrs for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL):
        study.enqueue_trial(dict(task.entry.defaults), {DEFAULT: True})


def _give_up(study: optuna.Study, trial: FrozenTrial, task: Task, attempts: int) -> None:
    """Settings with which the process is killed each time, for want of memory say, must not end every search to come.

    Raises ModelError when they are the defaults.
    """
    told = f"the process was killed in each of {attempts} attempts"
    if DEFAULT in trial.user_attrs:
        raise ModelError(
            f"{task.entry.label} with its defaults: {told}", f"Give it more memory, or less data; to try again, remove {task.name}.db."
        )
    left = optuna.Trial(study, trial._trial_id)
    left.set_user_attr(SECONDS, 0.0)
    left.set_user_attr(ERROR, told)
    study.tell(trial.number, state=TrialState.FAIL)
    report(f"search {task.entry.label}", f"trial {trial.number} is given up: {told}")


def _try(study: optuna.Study, trial: optuna.Trial, task: Task, folds: Sequence[Fold], fitter: Fitter, started: float) -> float:
    """One trial. Settings that cannot be fitted make it a failed one, unless they are the defaults: then nothing can be.

    Its seconds are those since ``started``, when the trial before was over: choosing and recording count too. Returns when it was over.
    """
    state, value = TrialState.COMPLETE, None
    try:
        value = value_of(trial, task, folds, fitter)
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except (ModelError, MemoryError, RuntimeError) as error:  # the last is torch out of memory, or a network that cannot be
        if DEFAULT in trial.user_attrs:
            raise
        state = TrialState.FAIL
        trial.set_user_attr(ERROR, str(error))
    over = time.perf_counter()
    trial.set_user_attr(SECONDS, over - started)
    study.tell(trial, value, state)
    return over


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that came to their end, in this process or in one before it; one that was killed did not."""
    return [trial for trial in study.get_trials(deepcopy=False) if SECONDS in trial.user_attrs and trial.state.is_finished()]


def _minutes(study: optuna.Study) -> float:
    return sum(float(trial.user_attrs[SECONDS]) for trial in ended(study)) / 60


def _say(study: optuna.Study, task: Task, minutes: float) -> None:
    spent, trials = _minutes(study), ended(study)
    told = f"{len(trials)} trials, best {study.best_value:.4f}, {spent:.1f} of {minutes:g} minutes"
    report(f"search {task.entry.label}", told, "running" if spent < minutes else "done", int(60 * min(spent, minutes)), int(60 * minutes))


def _found(study: optuna.Study, task: Task) -> Found:
    trials = ended(study)
    states = Counter(trial.state for trial in trials)
    default = next((trial.value for trial in trials if DEFAULT in trial.user_attrs), None)
    best = study.best_trial
    return Found(
        best.params,
        float(study.best_value),
        default,
        len(trials),
        states[TrialState.PRUNED],
        states[TrialState.FAIL],
        _minutes(study),
        task.name,
    )
