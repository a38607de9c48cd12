"""From the results of Great Expectations to what the flows act on: rows to set aside, sentences that stop, one id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult as Result

SHOWN = 5
"""How many failing values a page quotes."""
FAILED_ROWS = {"position": pl.Int64(), "row": pl.Int64(), "reasons": pl.List(pl.String())}


def failed_rows(results: Sequence[Result], frame: pl.DataFrame, label: str) -> pl.DataFrame:
    """``FAILED_ROWS``, by position: the 0-based place in ``frame``, its ``label``, and every reason in the suite's order.

    What is only a warning fails no row. Without that column ``row`` is null: what lacks a column is stopped anyway, and says so.
    """
    parts = [_reasons(result, frame) for result in results if severity(result) == "critical" and positions(result)]
    if not parts:
        return pl.DataFrame(schema=FAILED_ROWS)
    reasons = pl.concat(parts).group_by("position", maintain_order=True).agg(pl.col("reason").alias("reasons")).sort("position")
    labels = pl.col(label) if label in frame.columns else pl.lit(None)
    rows = frame.select(labels.alias("row")).get_column("row")
    return reasons.with_columns(rows.gather(reasons.get_column("position"))).select(
        pl.col(name).cast(dtype) for name, dtype in FAILED_ROWS.items()
    )


def _reasons(result: Result, frame: pl.DataFrame) -> pl.DataFrame:
    """One row for every row that ``result`` fails: ``position`` and ``reason``, followed by the detail column's text."""
    said, places = meta(result), pl.Series("position", positions(result), dtype=pl.Int64)
    reason = pl.lit(said["reason"])
    if "detail" in said:
        reason = reason + ": " + pl.col("detail").cast(pl.String)
        return pl.DataFrame([places, frame.get_column(said["detail"]).gather(places).alias("detail")]).select(
            "position", reason.alias("reason")
        )
    return pl.DataFrame([places]).with_columns(reason.alias("reason"))


def positions(result: Result) -> list[int]:
    """The 0-based places of the rows that fail; none for an expectation on the whole table."""
    return list(result.result.get("unexpected_index_list") or ()) if meta(result)["scope"] == "row" else []


def stops(results: Sequence[Result]) -> tuple[str, ...]:
    """A sentence with figures for every expectation that failed as a whole.

    Where a column is missing, that is the sentence; what could not be computed for want of it says nothing more.
    """
    incomplete = any(_missing(result) for result in results)
    failed = [result for result in results if not result.success and severity(result) == "critical"]
    return tuple(_sentence(result) for result in failed if not (incomplete and problem(result)))


def _sentence(result: Result) -> str:
    said = meta(result)
    error = problem(result)
    if error:
        return f'could not check whether "{said["reason"]}": {error}'
    return _of_rows(result) if said["scope"] == "row" else _of_table(result)


def _of_rows(result: Result) -> str:
    said, found = meta(result), result.result
    failed, total = found["unexpected_count"], found["element_count"] - (found.get("missing_count") or 0)
    most = 1 - float(kwargs(result).get("mostly", 1.0))
    if not most:
        return f"{said['reason']} in {failed:,} of {total:,} {said['among']}; none may be"
    return f"{said['reason']} in {failed / total:.1%} of {total:,} {said['among']}; at most {100 * most:.4g}% may be"


def _of_table(result: Result) -> str:
    found = ", ".join(_missing(result)) or f"found {result.result['observed_value']:,}"
    return f"{meta(result)['reason']}: {found}"


def _missing(result: Result) -> list[str]:
    """The columns that the frame lacks, when that is what the expectation looks at."""
    return list(result.result.get("details", {}).get("mismatched", {}).get("missing", ()))


def problem(result: Result) -> str:
    """Why an expectation could not be computed, or nothing. One error is given flat, several by metric."""
    given = result.exception_info
    every = [given] if "raised_exception" in given else list(given.values())
    return "; ".join(sorted({str(one["exception_message"]) for one in every if one["raised_exception"]}))


def meta(result: Result) -> dict[str, str]:
    """The words that the expectation carries (``expectations.rules``)."""
    return dict(_config(result).meta or {})


def severity(result: Result) -> Literal["critical", "warning"]:
    """What a failure does: sets the row aside, or is only counted."""
    return "warning" if getattr(_config(result).severity, "value", None) == "warning" else "critical"


def kwargs(result: Result) -> dict[str, Any]:
    """The parameters of the expectation."""
    return dict(_config(result).kwargs)


def _config(result: Result) -> Any:
    if result.expectation_config is None:
        raise TypeError("a result without its expectation cannot be worded")
    return result.expectation_config


def identity(name: str, results: Sequence[Result]) -> str:
    """The hash (32 hex digits) of what was asked and what came out, and of no clock: the same data give the same id."""
    digest = hashlib.sha256(name.encode())
    for result in results:
        asked = {key: value for key, value in kwargs(result).items() if key != "batch_id"}
        outcome = [_config(result).type, asked, meta(result), result.success, result.result.get("element_count")]
        told = [*outcome, positions(result), result.result.get("observed_value"), problem(result)]
        digest.update(json.dumps(told, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:32]


def shorten(results: Sequence[Result]) -> None:
    """Drops the whole lists of failing rows and values, in place; a page shows the first few and needs no more."""
    for result in results:
        for key in ("unexpected_list", "unexpected_index_list"):
            result.result.pop(key, None)
