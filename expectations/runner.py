"""Runs a suite over a frame through a Great Expectations checkpoint.

A validation takes the process-wide lock, for the library keeps state in globals: threads may call it, and take turns.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from expectations import docs as data_docs
from expectations.columns import for_pandas
from expectations.guard import quiet
from expectations.results import SHOWN, failed_rows, identity, severity, shorten, stops

if TYPE_CHECKING:
    from great_expectations import Checkpoint, ExpectationSuite
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier

MANY_ROWS = 100_000
"""The library's objects refer to each other in circles and to the frame: unless they are collected, a dozen blocks stay in memory."""
Detail = Literal["BASIC", "COMPLETE"]


@dataclass(frozen=True)
class Outcome:
    """What a checkpoint said: under which key its page goes, its whole result, and the results in the order of the suite."""

    key: ValidationResultIdentifier
    suite_result: ExpectationSuiteValidationResult
    results: list[ExpectationValidationResult]


@dataclass(frozen=True)
class Validation:
    """What came of a frame that is judged in one piece.

    validation_id: the same for the same name, suite and data. failed_rows: ``position`` (0-based, in the frame), ``row`` (the
    label column), ``reasons``. stops: why nothing of the frame may be used; empty when it passed. statistics: counts, by name.
    page: the validation's page, when docs were asked for.
    """

    validation_id: str
    passed: bool
    failed_rows: pl.DataFrame
    stops: tuple[str, ...]
    statistics: Mapping[str, int]
    page: Path | None


def validate(frame: pl.DataFrame, suite: ExpectationSuite, *, name: str, docs: Path | None, row_label: str = "sequence") -> Validation:
    """Holds ``frame`` to ``suite``, as a whole.

    name: what is validated, for a person (it names the run in the docs). docs: the folder of the data docs, or None. row_label:
    the whole-number column that names a row in ``failed_rows``. The index of the docs is ``expectations.docs.build_docs``.
    """
    with quiet():
        outcome = check(frame, suite, name)
        results = outcome.results
        failed, why = failed_rows(results, frame, row_label), stops(results)
        validation_id = identity(name, results)
        shorten(results)
        page = data_docs.add_page(docs, suite, outcome.key, outcome.suite_result) if docs is not None else None
    return Validation(validation_id, not why, failed, why, _statistics(frame, failed, results), page)


def check(frame: pl.DataFrame, suite: ExpectationSuite, name: str, *, detail: Detail = "COMPLETE") -> Outcome:
    """One run of a checkpoint over ``frame``; no page is written. detail: BASIC counts the rows that fail, COMPLETE numbers them too."""
    from great_expectations import RunIdentifier

    with quiet():
        read = for_pandas(frame, suite)
        ran = _checkpoint(suite, detail).run(batch_parameters={"dataframe": read}, run_id=RunIdentifier(run_name=_folder(name)))
    ((key, outcome),) = ran.run_results.items()
    if frame.height > MANY_ROWS:
        gc.collect()
    return Outcome(key, outcome, _in_suite_order(suite, outcome.results))


def check_rows(frame: pl.DataFrame, suite: ExpectationSuite, name: str) -> Outcome:
    """``check`` of a block by a row-level suite: everything is counted, and rows are numbered only where they are to be set aside.

    Numbers come as Python lists: a block whose prices are all missing would take ten times as long to be told so row by row.
    """
    import great_expectations as gx

    outcome = check(frame, suite, name, detail="BASIC")
    found = [n for n, one in enumerate(outcome.results) if severity(one) == "critical" and one.result.get("unexpected_count")]
    if found:
        some = gx.ExpectationSuite(name=suite.name, expectations=[data_docs.copy_of(suite).expectations[n] for n in found])
        for number, numbered in zip(found, check(frame, some, name).results, strict=True):
            outcome.results[number].result["unexpected_index_list"] = numbered.result["unexpected_index_list"]
    return outcome


def _folder(name: str) -> str:
    """``name`` as part of a page's path: an object's name may hold slashes, and be longer than a folder's may."""
    return re.sub(r"[^\w.-]+", "_", name).strip(".")[-100:] or "unnamed"


def _checkpoint(suite: ExpectationSuite, detail: Detail) -> Checkpoint:
    """One definition: the whole of a data frame, held to a copy of ``suite``."""
    import great_expectations as gx

    context = data_docs.context(None)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset(suite.name)
    batch, held_to = asset.add_batch_definition_whole_dataframe("whole"), context.suites.add(data_docs.copy_of(suite))
    definition = gx.ValidationDefinition(name=suite.name, data=batch, suite=held_to)
    return context.checkpoints.add(
        gx.Checkpoint(
            name=suite.name,
            validation_definitions=[context.validation_definitions.add(definition)],
            result_format={"result_format": detail, "partial_unexpected_count": SHOWN, "return_unexpected_index_query": False},
        )
    )


def _in_suite_order(suite: ExpectationSuite, results: Iterable[ExpectationValidationResult]) -> list[ExpectationValidationResult]:
    """The library groups results by column; reasons read in the order in which the suite states them."""
    order = [one.meta["reason"] for one in suite.expectations if one.meta]
    return sorted(
        results,
        key=lambda result: order.index((result.expectation_config.meta or {})["reason"]) if result.expectation_config else -1,
    )


def _statistics(frame: pl.DataFrame, failed: pl.DataFrame, results: list[ExpectationValidationResult]) -> dict[str, int]:
    return {
        "rows": frame.height,
        "rows_failed": failed.height,
        "expectations": len(results),
        "expectations_failed": sum(not result.success for result in results),
    }
