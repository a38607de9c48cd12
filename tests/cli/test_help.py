"""The help is there at once, complete, and true."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from outfitter import __version__
from outfitter.cli.app import app
from tests.cli.names import every_command

COMMANDS = every_command()
HEAVY = (
    "prefect",
    "mlflow",
    "feast",
    "torch",
    "polars",
    "pandas",
    "numpy",
    "great_expectations",
    "evidently",
    "sklearn",
    "scipy",
    "pyarrow",
)
WIDE = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "NO_COLOR": "1"}


def said(*words: str) -> str:
    answer = CliRunner().invoke(app, list(words), env=WIDE, prog_name="outfitter")
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_the_help_shows_every_command_and_how_to_start() -> None:
    text = said("--help")
    stages = {"run", "ingest", "materialize", "train", "recommend", "monitor"}
    groups = {"source list", "source check", "quarantine list", "quarantine show", "quarantine release", "bench models"}
    groups |= {f"models {word}" for word in ("list", "show", "compare", "reproduce", "promote", "rollback")}
    groups |= {"lineage rec", "lineage delivery"}
    assert set(COMMANDS) == stages | groups | {"deliveries", "synth"}
    for name, command in COMMANDS.items():
        assert f" {name.split()[0]} " in text
        shown = text if name not in groups else said(name.split()[0], "--help")
        assert (command.help or "").split("\n")[0].rstrip(".")[:40] in " ".join(shown.replace("│", " ").split())
    for example in ("outfitter run ", "outfitter run --source vibrent --path DIR", "outfitter synth --out DIR --drift 1"):
        assert example in text
    assert "OUTFITTER_HOME" in text
    assert "Exit codes: 0 done, 2 something to mend" in " ".join(text.split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself_and_each_option(name: str) -> None:
    command, text = COMMANDS[name], said(*name.split(), "--help")
    sentence = (command.help or "").split("[bold]")[0].split("\n\n")[0].strip()
    assert sentence.endswith(".")
    assert len((command.help or "").split()) >= 8
    assert f"outfitter {name} [OPTIONS]" in text
    for option in command.params:
        help_text = getattr(option, "help", None) or ""
        assert len(help_text) > 10, f"{name} {option.name} has no help"
        assert option.opts[0] in text
        assert " ".join(help_text.split())[:40] in " ".join(text.replace("│", " ").split())


def test_no_command_is_a_question_for_help() -> None:
    answer = CliRunner().invoke(app, [], env=WIDE)
    assert "Start here" in answer.output


def test_the_version() -> None:
    assert said("--version") == f"outfitter {__version__}\n"


def test_a_misspelt_command_or_option_is_told() -> None:
    for words, expected in ((["ingset"], "ingest"), (["run", "--sorce", "x"], "--source")):
        answer = CliRunner().invoke(app, words, env=WIDE)
        assert answer.exit_code == 2
        assert expected in answer.output


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"]])
def test_the_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import json, sys\nfrom outfitter.cli.app import app\n"
        f"try: app({words!r}, prog_name='outfitter')\nexcept SystemExit: pass\n"
        "sys.stderr.write(json.dumps([name for name in sys.modules if '.' not in name]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "outfitter" in done.stdout
    imported = json.loads(done.stderr)
    assert "typer" in imported
    assert sorted(set(HEAVY) & set(imported)) == []
