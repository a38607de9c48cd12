"""The results of one suite over all blocks of a table, added up to one result, as if the table had come in one piece.

A page a block would be dozens of pages for one file, none of which answers a question about it, and would change with the block size.
So every figure of every block goes into this sum, and the sum becomes the page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from expectations.profile import Check
from expectations.results import SHOWN, kwargs, meta, positions, problem, severity

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult, ExpectationValidationResult

    from expectations.runner import Outcome


@dataclass
class _Sum:
    """One expectation: rows that it was asked about, those of them without a value, those that failed, and the first of these."""

    rows: int = 0
    missing: int = 0
    failed: int = 0
    shown: list[Any] = field(default_factory=list)
    errors: set[str] = field(default_factory=set)
    failed_rows: Any = field(default_factory=hashlib.sha256)

    def add(self, result: ExpectationValidationResult, labels: pl.Series) -> None:
        error = problem(result)
        if error:
            self.errors.add(error)
            return
        told = result.result
        self.rows += told["element_count"]
        self.missing += told.get("missing_count") or 0
        self.failed += told["unexpected_count"]
        self.shown = [*self.shown, *told.get("partial_unexpected_list", ())][:SHOWN]
        self.failed_rows.update(labels.gather(positions(result)).cast(pl.Int64).to_numpy().tobytes())

    @property
    def asked(self) -> int:
        return self.rows - self.missing


class Tally:
    """The sums of one table's suite; ``outcome`` is the latest block's."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.rows = 0
        self._sums: list[_Sum] = []
        self.outcome: Outcome | None = None

    def add(self, outcome: Outcome, labels: pl.Series) -> None:
        """Add a block's results, in the suite's order. labels: the rows' numbers in their file, Int64."""
        self.outcome = outcome
        self._sums = self._sums or [_Sum() for _ in outcome.results]
        self.rows += len(labels)
        for total, result in zip(self._sums, outcome.results, strict=True):
            total.add(result, labels)

    @property
    def checks(self) -> tuple[Check, ...]:
        """One for each expectation, in the suite's order; none when there was no block."""
        return tuple(_check(self.table, result, total) for result, total in self._pairs())

    @property
    def digest(self) -> str:
        """What came out, with the number of every row that failed."""
        told: list[list[str | int]] = [[self.table, self.rows]]
        for one, total in self._pairs():
            told.append([meta(one)["reason"], total.rows, total.missing, total.failed, total.failed_rows.hexdigest()])
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def summed(self) -> ExpectationSuiteValidationResult:
        """The latest block's result with the sums in the place of its figures."""
        if self.outcome is None:
            raise ValueError(f"no block of {self.table} was checked, so there is nothing to sum")
        for result, total in self._pairs():
            _put(result, total)
        return _whole(self.outcome.suite_result, self.outcome.results)

    def _pairs(self) -> list[tuple[ExpectationValidationResult, _Sum]]:
        return list(zip(self.outcome.results, self._sums, strict=True)) if self.outcome else []


def _check(table: str, result: ExpectationValidationResult, total: _Sum) -> Check:
    said = meta(result)
    lack, errors = "lack" in said, tuple(sorted(total.errors))
    return Check(table, said["reason"], severity(result), said["among"], total.failed, total.asked, lack, errors)


def _put(result: ExpectationValidationResult, total: _Sum) -> None:
    """The figures that a page shows, named as the library names them. Success is by share over all rows, as the library would say."""
    passed = (total.asked - total.failed) / total.asked if total.asked else 1.0
    result.success = not total.errors and passed >= float(kwargs(result).get("mostly", 1.0))
    of_asked, of_all = (100 * total.failed / count if count else 0.0 for count in (total.asked, total.rows))
    result.result = {
        "element_count": total.rows,
        "unexpected_count": total.failed,
        "unexpected_percent": of_asked,
        "unexpected_percent_nonmissing": of_asked,
        "unexpected_percent_total": of_all,
        "missing_count": total.missing,
        "missing_percent": 100 * total.missing / total.rows if total.rows else 0.0,
        "partial_unexpected_list": total.shown,
    }


def _whole(outcome: ExpectationSuiteValidationResult, results: Sequence[ExpectationValidationResult]) -> ExpectationSuiteValidationResult:
    passed = sum(bool(result.success) for result in results)
    outcome.results = list(results)
    outcome.success = passed == len(results)
    outcome.statistics = {
        "evaluated_expectations": len(results),
        "successful_expectations": passed,
        "unsuccessful_expectations": len(results) - passed,
        "success_percent": 100 * passed / len(results) if results else None,
    }
    return outcome
