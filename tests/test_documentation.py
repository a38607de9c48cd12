"""The documents say what is there: every setting, command and option, and none that is not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from models.families import FAMILIES
from outfitter.experiments.spaces import models_table
from outfitter.settings import Settings, settings_table
from tests.cli.names import every_command

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "adr" not in path.parts)]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in DOCUMENTS}
EVERYTHING = "\n".join(TEXTS.values())
COMMANDS = every_command()
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}
OPTIONS = {name: {option for parameter in command.params for option in parameter.opts} | {"--help"} for name, command in COMMANDS.items()}
SOURCES = [path for package in ("flows", "tasks", "models", "expectations", "outfitter") for path in (ROOT / package).rglob("*.py")]


def code(text: str) -> list[str]:
    """What a document shows as code: spans between backticks and the lines of fenced blocks."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [*spans, *(line for block in blocks for line in block.splitlines())]


def _command(words: str) -> tuple[str, str]:
    """The command that a line calls, of a group with the word after it, and the rest."""
    first, _, rest = words.partition(" ")
    if first not in GROUPS:
        return re.match(r"[a-z]+", first).group(), words[len(re.match(r"[a-z]+", first).group()) :]  # type: ignore[union-attr]
    second, _, rest = rest.partition(" ")
    return f"{first} {second}", rest


CALLS = [
    (name, *_command(match[1]))
    for name, text in TEXTS.items()
    for line in code(text)
    if (match := re.search(r"(?:^|[\s/])outfitter ([a-z]+\b.*)", line))
]


def test_the_table_of_settings_is_the_one_the_code_writes() -> None:
    found = re.findall(r"<!-- settings -->\n(.*?)<!-- /settings -->", TEXTS["docs/settings.md"], flags=re.DOTALL)
    assert found == [settings_table()], "write it anew: python -m outfitter.settings"


def test_the_table_of_models_is_the_one_the_code_writes() -> None:
    found = re.findall(r"<!-- models -->\n(.*?)<!-- /models -->", TEXTS["docs/models.md"], flags=re.DOTALL)
    assert found == [models_table()], "write it anew: python -m outfitter.experiments.spaces"


def test_every_model_is_recommended_for_something() -> None:
    when = TEXTS["docs/models.md"].partition("## Settings")[0]
    assert [name for name in FAMILIES if f"`{name}`" not in when] == []


def test_every_command_and_option_is_documented() -> None:
    assert {command for _, command, _ in CALLS} >= set(COMMANDS)
    lacking = {option for options in OPTIONS.values() for option in options - {"--help"} if option not in EVERYTHING}
    assert lacking == set()


@pytest.mark.parametrize("document", TEXTS)
def test_every_command_and_option_shown_exists(document: str) -> None:
    for _, command, rest in (call for call in CALLS if call[0] == document):
        assert command in COMMANDS, f"{document} shows 'outfitter {command}'"
        unknown = set(re.findall(r"--[a-z][a-z-]*", rest)) - OPTIONS[command]
        assert not unknown, f"{document} shows 'outfitter {command}{rest}'"


@pytest.mark.parametrize("document", TEXTS)
def test_every_variable_named_is_a_setting(document: str) -> None:
    named = {name.split("__")[0] for name in re.findall(r"\bOUTFITTER_([A-Z][A-Z0-9_]*)", TEXTS[document])}
    assert named <= {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("document", TEXTS)
def test_every_file_linked_to_exists(document: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", TEXTS[document]):
        if "://" not in target:
            assert (ROOT / document).parent.joinpath(target).exists(), f"{document} links to {target}"


def _read_from(tree: ast.AST, owner: str) -> set[str]:
    """The attributes read from something called ``owner``: ``settings.seed``, ``work.settings.seed``."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if getattr(node.value, "id", getattr(node.value, "attr", None)) == owner}


def _read_within_settings() -> dict[str, set[str]]:
    """What each method and property of the settings reads of them."""
    tree = ast.parse((ROOT / "outfitter" / "settings.py").read_text())
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings")
    return {node.name: _read_from(node, "self") for node in body if isinstance(node, ast.FunctionDef)}


def test_every_setting_is_read_by_the_code() -> None:
    """By its own name: to be listed in a fingerprint is not to be read."""
    read = set().union(*(_read_from(ast.parse(path.read_text()), "settings") for path in SOURCES if path.name != "settings.py"))
    within = _read_within_settings()
    while more := set().union(*(names for method, names in within.items() if method in read)) - read:
        read |= more
    assert set(Settings.model_fields) - read == set()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained(name: str) -> None:
    description = Settings.model_fields[name].description or ""
    assert description.endswith(".")
    assert len(description.split()) >= 4
