"""``outfitter models``: the versions there are, two of them compared, and which one is in production."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitter.cli.running import guarded, quieten

if TYPE_CHECKING:
    from outfitter.registry.shadow import Shadow
    from outfitter.registry.versions import Version
    from tasks.work import Work


def _said(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why, for whoever asks a year from now")
    return reason.strip()


models = typer.Typer(help="The registered models: list, look, compare, and say which one is in production.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Number = Annotated[str, typer.Argument(help="A version's number; 'outfitter models list' shows them.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the history of what was in production.", callback=_said)]


@models.command("list")
def list_(as_json: Json = False) -> None:
    """All versions, the newest first: what each learnt from, what it scored, and when it was in production."""

    def tell(work: Work) -> None:
        from outfitter.cli.model_tables import versions
        from outfitter.registry.overview import overview

        rows = overview(work.lake, work.registry)
        _print(rows, as_json, versions)

    _do(tell)


@models.command()
def show(version: Number, as_json: Json = False) -> None:
    """One version: its model card, and what was decided on it and why."""

    def tell(work: Work) -> None:
        from outfitter.cli.model_tables import one
        from outfitter.registry.overview import details

        _print(details(work.lake, work.registry, work.registry.version(version)), as_json, one)

    _do(tell)


@models.command()
def compare(first: Number, second: Number, as_json: Json = False) -> None:
    """Two versions on the same users: those of the newest test window, asked as if it were its beginning.

    Both are what they were then: a version that has learnt from the window is fitted again up to it, by its own recipe, which takes as
    long as training it did.
    """

    def tell(work: Work) -> None:
        from flows.train import ready_material
        from outfitter.cli.model_tables import pair
        from outfitter.features.asof import Windows
        from outfitter.registry.contest import Contest
        from outfitter.registry.overview import side_by_side
        from tasks.training import final_exam

        versions = [work.registry.version(number) for number in (first, second)]
        material, moment = ready_material(work, None)
        windows = Windows.before(moment, work.settings.window_days)
        contest = Contest(material, final_exam(material, windows), work.registry, "compare", work.now)
        _print(side_by_side(contest, *versions), as_json, pair)

    _do(tell)


@models.command()
def reproduce(version: Number, as_json: Json = False) -> None:
    """Fit a version again from its recorded snapshot, features and settings, and hold its metrics to those it carries.

    It takes as long as training did. Ends with exit code 2 when a metric differs by more than rounding.
    """

    def tell(work: Work) -> None:
        from outfitter.cli.model_tables import again
        from outfitter.registry.reproduction import reproduce as fit_again

        done = fit_again(work.lake, work.features, work.registry, work.settings, version)
        _print(done.told(), as_json, again)
        done.require_same()

    _do(tell)


@models.command()
def promote(version: Number, reason: Reason, as_json: Json = False) -> None:
    """Put a version into production without the gate. The next run of the pipeline may replace it, by the gate's rules.

    A version that was never in production answers in the shadow first: lists that break a rule or are unlike any before are refused.
    """
    _put("by hand", reason, as_json, lambda _: version)


@models.command()
def rollback(
    reason: Reason,
    to: Annotated[
        str | None,
        typer.Option(help="Version to go back to (one that was never live answers in the shadow first); the one before when left out."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Go back to the version that was in production before, or to any other. The next recommendations are made with it."""
    from outfitter.registry.production import before_last

    _put("rolled back", reason, as_json, lambda work: to or before_last(work.lake))


def _put(verdict: Any, reason: str, as_json: bool, choose: Callable[[Work], str]) -> None:
    def tell(work: Work) -> None:
        from outfitter.errors import ModelError
        from outfitter.registry.production import move

        version = work.registry.version(choose(work))
        before = work.registry.alias()
        if before == version.version:
            raise ModelError(f"version {version.version} is in production already", "'outfitter models list' shows all there are.")
        found = _in_the_shadow(work, version)
        done = move(work.lake, work.registry, version.version, verdict, reason, work.now, found)
        was = f", in place of version {before}" if before else ""
        told = {"version": done.version, "verdict": done.verdict, "reason": done.reason, "before": before}
        told["shadow"] = found.line if found else None
        seen = f": {found.line}" if found else ""
        typer.echo(json.dumps(told) if as_json else f"version {done.version} is in production{was}{seen}")

    _do(tell)


def _in_the_shadow(work: Work, version: Version) -> Shadow | None:
    """What a version would show tonight; None for one that was in production before. Raises ModelError when that breaks a rule."""
    from flows.train import ready_material
    from outfitter.errors import ModelError
    from outfitter.registry.production import history
    from outfitter.registry.shadow import shadow_run

    if version.version in {one.version for one in history(work.lake)}:
        return None
    material, moment = ready_material(work, None)
    found = shadow_run(material, version, _champion(work), moment, work.now)
    if found.broken:
        hint = "See 'outfitter models compare'. If it must go live all the same, point the alias 'champion' at it in MLflow."
        raise ModelError(f"version {version.version} broke a rule in the shadow: {found.broken}", hint)
    return found


def _champion(work: Work) -> Version | None:
    """None when its files are gone: that may be why another one is promoted."""
    from outfitter.errors import ModelError

    try:
        return work.registry.champion()
    except ModelError:
        return None


def _do(tell: Callable[[Work], None]) -> None:
    def work() -> None:
        with _at_home() as found:
            tell(found)

    raise typer.Exit(guarded(work))


@contextmanager
def _at_home() -> Iterator[Work]:
    """The home with its lake and registry, where what was moved without Outfitter has its row. Raises LakeError before the first ingest."""
    from outfitter.registry.production import settle
    from tasks.work import at_work

    with at_work(datetime.now(UTC)) as work:
        quieten()
        work.snapshot()
        settle(work.lake, work.registry, work.now)
        yield work


def _print(told: Any, as_json: bool, table: Callable[[Any], Any]) -> None:
    if as_json:
        typer.echo(json.dumps(told, default=str, ensure_ascii=False))
        return
    from rich.console import Console

    Console().print(table(told))
