"""Who may import whom, who may read the environment, and who may read the clock: design decisions that a test can hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter import api
from importlinter.application import use_cases

ROOT = Path(__file__).parents[1]
PACKAGES = ("flows", "tasks", "models", "feature_repo", "expectations", "outfitter")
SOURCES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
WITH_PREFECT = ("flows/", "tasks/", "outfitter/cli/")
READS_ENVIRONMENT = ("outfitter/settings.py", "outfitter/cli/engine.py")  # the second hands the environment on to the server it starts
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time"), ("time", "time_ns")}
# time.perf_counter and time.monotonic tell durations, not what time it is: what is computed does not depend on the day.


def tree_of(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text(), filename=source)


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def environment_reads(tree: ast.AST) -> list[int]:
    """The lines that read the environment. Setting or deleting one variable is no reading; ``os.environ`` in any other use is."""
    written = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)}
    lines = []
    for node in ast.walk(tree):
        of_os = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
        if of_os and node.attr in ("environ", "getenv", "environb") and id(node) not in written:
            lines.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & {alias.name for alias in node.names}:
            lines.append(node.lineno)
    return lines


def clock_reads(tree: ast.AST) -> list[int]:
    """The lines that name a clock, as ``datetime.now`` or ``datetime.datetime.now``, or import one by name."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
            if (owner, node.attr) in CLOCKS:
                lines.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and node.module == "time" and {"time", "time_ns"} & {alias.name for alias in node.names}:
            lines.append(node.lineno)
    return lines


def test_imports_run_one_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert [contract["id"] for contract in api.read_configuration()["contracts_options"]] == ["layers"]
    kept = use_cases.lint_imports(cache_dir=None, no_logo=True)
    assert kept, capsys.readouterr().out


def test_every_package_of_outfitter_has_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    told = " ".join(api.read_configuration()["contracts_options"][0]["layers"])
    parts = {path.stem for path in (ROOT / "outfitter").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    unplaced = {
        part for part in parts - {"__init__", "__main__"} if f"outfitter.{part}" not in told.replace("(", " ").replace(")", " ").split()
    }
    assert not unplaced, f"no layer in pyproject.toml for {sorted(unplaced)}"


@pytest.mark.parametrize("source", [source for source in SOURCES if not source.startswith(WITH_PREFECT)])
def test_prefect_stays_in_flows_tasks_and_the_command_line(source: str) -> None:
    assert not [name for name in imported(tree_of(source)) if name.split(".")[0] == "prefect"]


@pytest.mark.parametrize("source", [source for source in SOURCES if source not in READS_ENVIRONMENT])
def test_only_the_settings_read_the_environment(source: str) -> None:
    assert not environment_reads(tree_of(source))


@pytest.mark.parametrize("source", [source for source in SOURCES if not source.startswith("outfitter/cli/")])
def test_no_clock_below_the_command_line(source: str) -> None:
    assert not clock_reads(tree_of(source))


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['A']",
        "import os\nos.getenv('A')",
        "import os\ndict(os.environ)",
        "from os import environ",
        "import os\nos.environ.get('A')",
    ],
)
def test_each_way_to_read_the_environment_is_seen(code: str) -> None:
    assert environment_reads(ast.parse(code))


def test_writing_the_environment_is_not_reading_it() -> None:
    assert not environment_reads(ast.parse("import os\nos.environ['A'] = 'b'\ndel os.environ['A']"))


@pytest.mark.parametrize("code", ["datetime.now(UTC)", "dt.datetime.utcnow()", "date.today()", "time.time()", "from time import time"])
def test_each_clock_is_seen(code: str) -> None:
    assert clock_reads(ast.parse(code))
