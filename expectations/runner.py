"""Runs a suite over a frame through a Great Expectations checkpoint.

A validation takes the process-wide lock, for the library keeps state in globals: threads may call it, and take turns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from expectations import docs as data_docs
from expectations.guard import quiet
from expectations.results import failed_rows, identity, shorten, stops

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import Checkpoint, ExpectationSuite
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier

SHOWN = 5
"""How many failing values a page quotes."""


@dataclass(frozen=True)
class Validation:
    """What came of one frame.

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
    """Holds ``frame`` to ``suite``.

    name: what is validated, for a person (it names the run in the docs). docs: the folder of the data docs, or None. row_label:
    the whole-number column that names a row in ``failed_rows``. The index of the docs is ``expectations.docs.build_docs``.
    """
    with quiet():
        key, outcome = _run(_pandas(frame, suite), suite, name)
        results = _in_suite_order(suite, outcome.results)
        failed, why = failed_rows(results, frame, row_label), stops(results)
        validation_id = identity(name, results)
        shorten(results)
        page = data_docs.add_page(docs, suite, key, outcome) if docs is not None else None
    return Validation(validation_id, not why, failed, why, _statistics(frame, failed, results), page)


def _run(frame: pd.DataFrame, suite: ExpectationSuite, name: str) -> tuple[ValidationResultIdentifier, ExpectationSuiteValidationResult]:
    from great_expectations import RunIdentifier

    ran = _checkpoint(suite).run(batch_parameters={"dataframe": frame}, run_id=RunIdentifier(run_name=_folder(name)))
    ((key, outcome),) = ran.run_results.items()
    return key, outcome


def _folder(name: str) -> str:
    """``name`` as part of a page's path: an object's name may hold slashes, and be longer than a folder's may."""
    return re.sub(r"[^\w.-]+", "_", name).strip(".")[-100:] or "unnamed"


def _checkpoint(suite: ExpectationSuite) -> Checkpoint:
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
            result_format={"result_format": "COMPLETE", "partial_unexpected_count": SHOWN, "return_unexpected_index_query": False},
        )
    )


def _pandas(frame: pl.DataFrame, suite: ExpectationSuite) -> pd.DataFrame:
    """``frame`` for the library, rows numbered from 0.

    Columns that no expectation reads become empty: text costs most of a conversion. Pandas cannot tell a NaN from an absent
    number; as infinity it still fails every bound.
    """
    read = {str(value) for one in suite.expectations for value in _columns(one.configuration.kwargs)}
    kept = [pl.col(name) if name in read else pl.lit(None).alias(name) for name in frame.columns]
    finite = pl.selectors.float().fill_nan(float("inf"))
    return frame.select(kept).with_columns(finite).to_pandas()


def _columns(kwargs: Mapping[str, Any]) -> Iterable[str]:
    """The columns that an expectation reads, those of its condition included."""
    condition = kwargs.get("row_condition")
    named = (kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs)
    return [*named, *([condition["column"]["name"]] if condition else [])]


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
