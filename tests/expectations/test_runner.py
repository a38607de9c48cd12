"""The runner: one id for one outcome, docs that open without a network, an import that costs nothing."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from expectations import users
from expectations.docs import build_docs
from expectations.repeats import SAME_USER, Repeats
from expectations.runner import Validation, validate

FETCHED = re.compile(r"""<script|@import|url\((?!data:)|(?:src|href)=["']?(?:https?:)?//""")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError(f"something reached for the network: {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def check(deliveries: Any, docs: Path | None, born: int = 1850, name: str = "2024/customers.csv") -> Validation:
    frame = Repeats(SAME_USER).mark(deliveries.spoiled(deliveries.users(), "birth_year", born))
    return validate(frame, users.suite(latest=deliveries.now, max_bad_share=0.2), name=name, docs=docs)


def test_the_id_depends_on_the_outcome_and_on_nothing_else(deliveries: Any, tmp_path: Path) -> None:
    first = check(deliveries, None)
    assert check(deliveries, tmp_path).validation_id == first.validation_id
    assert len(first.validation_id) == 32
    others = {check(deliveries, None, born=1950).validation_id, check(deliveries, None, name="other.csv").validation_id}
    assert len(others - {first.validation_id}) == 2


def test_one_suite_serves_several_validations(deliveries: Any, tmp_path: Path) -> None:
    suite = users.suite(latest=deliveries.now, max_bad_share=0.2)
    frame = Repeats(SAME_USER).mark(deliveries.users())
    ids = {validate(frame, suite, name="customers.csv", docs=docs).validation_id for docs in (None, tmp_path, tmp_path)}
    assert len(ids) == 1


def test_docs_accumulate_and_open_without_a_network(deliveries: Any, tmp_path: Path, offline: None) -> None:
    runs = [check(deliveries, tmp_path, name=name) for name in ("2024/customers.csv", "profiling.csv", "2024/customers.csv")]
    index = build_docs(tmp_path)
    assert index.is_file()
    text = index.read_text()
    assert text.count("2024_customers.csv</td>") == 2
    assert "profiling.csv</td>" in text
    for run in runs:
        assert run.page is not None
        assert run.page.is_file()
        assert run.page.relative_to(index.parent).as_posix() in text
        assert "users" in run.page.read_text()
    assert {page.name: FETCHED.findall(page.read_text()) for page in tmp_path.rglob("*.html")} == {
        page.name: [] for page in tmp_path.rglob("*.html")
    }


def test_every_link_of_the_docs_leads_somewhere(deliveries: Any, tmp_path: Path) -> None:
    check(deliveries, tmp_path)
    build_docs(tmp_path)
    for page in tmp_path.rglob("*.html"):
        links = [link for link in re.findall(r'href="([^"]+)"', page.read_text()) if not link.startswith(("data:", "#"))]
        assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_docs_show_a_few_failing_values_and_no_user_id(deliveries: Any, tmp_path: Path) -> None:
    frame = Repeats(SAME_USER).mark(deliveries.users().with_columns(birth_year=1850))
    suite = users.suite(latest=deliveries.now, max_bad_share=0.2)
    frame = deliveries.spoiled(frame, "user_id", None)
    assert validate(frame, suite, name="customers.csv", docs=tmp_path).failed_rows.height == 10
    (kept,) = (tmp_path / "results").rglob("*.json")
    told = [result["result"] for result in json.loads(kept.read_text())["results"]]
    assert all("unexpected_list" not in result and "unexpected_index_list" not in result for result in told)
    assert max(len(result.get("partial_unexpected_list", [])) for result in told) == 5
    assert not re.search(r"\bu\d+\b", kept.read_text())


def test_threads_take_turns(deliveries: Any) -> None:
    with ThreadPoolExecutor(3) as pool:
        ids = set(pool.map(lambda _: check(deliveries, None).validation_id, range(3)))
    assert len(ids) == 1


def test_importing_the_package_does_not_import_the_library() -> None:
    modules = "expectations.inspection, expectations.judging, expectations.recommendations, expectations.runner"
    code = f"import sys, {modules}; sys.exit('great_expectations' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
