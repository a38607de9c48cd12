"""Drift is told when something moved, not when samples merely differ, and the report needs no network."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from outfitter.errors import NotEnoughData
from outfitter.monitoring.drift import Drift, drift_report

NUMBERS = ["price", "age"]
CATEGORIES = ["category", "item"]


def sales(seed: int, rows: int = 3000, price: float = 30.0, shares: tuple[float, ...] = (0.6, 0.3, 0.1)) -> pl.DataFrame:
    """Skewed prices, ages, three categories and an item column with hundreds of rare levels."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "price": price * rng.lognormal(0, 0.5, rows),
            "age": rng.normal(40, 12, rows),
            "category": rng.choice(["coat", "shirt", "shoe"], rows, p=shares),
            "item": rng.zipf(1.6, rows).astype(str),
        }
    )


def compare(reference: pl.DataFrame, current: pl.DataFrame, folder: Path, **changes: Any) -> Drift:
    settings: dict[str, Any] = {
        "numerical": NUMBERS,
        "categorical": CATEGORIES,
        "sample": 2000,
        "share": 0.25,
        "numerical_threshold": 0.1,
        "categorical_threshold": 0.1,
        "html": folder / "drift.html",
        "seed": 7,
    }
    return drift_report(reference, current, **(settings | changes))


@pytest.mark.parametrize("rows", [40, 3000])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_samples_of_one_distribution_do_not_drift(tmp_path: Path, seed: int, rows: int) -> None:
    drift = compare(sales(seed, rows), sales(seed + 100, rows), tmp_path)
    assert not drift.drifted
    assert drift.share == 0
    assert drift.reason == "0 of 4 columns moved (0%; drift is 25% or more)"
    assert set(drift.columns) == {*NUMBERS, *CATEGORIES}


def test_a_shifted_price_and_category_drift_and_are_named(tmp_path: Path) -> None:
    drift = compare(sales(1), sales(2, price=45.0, shares=(0.2, 0.3, 0.5)), tmp_path)
    assert drift.drifted
    assert drift.share == 0.5
    assert {name for name, column in drift.columns.items() if column.drifted} == {"price", "category"}
    assert drift.columns["price"].method == "wasserstein"
    assert drift.columns["category"].method == "jensenshannon"
    assert "price (wasserstein" in drift.reason
    assert "category (jensenshannon" in drift.reason


def test_fewer_columns_than_the_share_are_no_drift(tmp_path: Path) -> None:
    drift = compare(sales(1), sales(2, price=45.0), tmp_path, share=0.5)
    assert drift.share == 0.25
    assert not drift.drifted
    assert "price" in drift.reason


def test_the_seed_decides_the_sample(tmp_path: Path) -> None:
    one, again, other = (compare(sales(1), sales(2), tmp_path, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.columns != other.columns


def test_a_number_that_vanishes_drifts_and_one_that_never_was_says_nothing(tmp_path: Path) -> None:
    gone = sales(2).with_columns(price=pl.lit(None, pl.Float64), age=pl.lit(float("nan")))
    before = sales(1).with_columns(age=pl.lit(None, pl.Float64))
    columns = compare(before, gone, tmp_path).columns
    assert columns["price"].method == "presence"
    assert (columns["price"].score, columns["price"].drifted) == (1.0, True)
    assert "age" not in columns


def test_a_category_that_vanishes_drifts(tmp_path: Path) -> None:
    gone = sales(2).with_columns(category=pl.lit(None, pl.String))
    assert compare(sales(1), gone, tmp_path).columns["category"].drifted


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_constants_drift_only_when_they_change(tmp_path: Path) -> None:
    constant = {"numerical": ["price", "fee"], "categorical": ["market"]}
    before, now = (sales(seed).with_columns(fee=pl.lit(5.0), market=pl.lit("SE")) for seed in (1, 2))
    assert compare(before, now, tmp_path, **constant).share == 0
    changed = compare(before, now.with_columns(fee=pl.lit(6.0), market=pl.lit("NO")), tmp_path, **constant).columns
    assert changed["fee"].drifted
    assert changed["market"].drifted


def test_nothing_to_compare_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughData):
        compare(sales(1), sales(1).clear(), tmp_path)
    with pytest.raises(NotEnoughData):
        compare(sales(1).clear(), sales(1), tmp_path)
    void = sales(1).with_columns(price=pl.lit(None, pl.Float64))
    with pytest.raises(NotEnoughData):
        compare(void, sales(1), tmp_path, numerical=["price"], categorical=[])
    assert not (tmp_path / "drift.html").exists()


def test_the_report_stands_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError(f"something reached for the network: {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    drift = compare(sales(1), sales(2), tmp_path / "new" / "folder")
    text = drift.report.read_text(encoding="utf-8")
    assert "price" in text
    assert [path.name for path in drift.report.parent.iterdir()] == ["drift.html"]
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]*\s(?:src|href)=["']?(?:https?:)?//""", text)
    assert not re.search(r"""url\(["']?(?:https?:)?//""", text)
