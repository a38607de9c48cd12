"""An environment as somebody else would install it: an interpreter of its own, what was asked for, what that needs, and no more."""

from __future__ import annotations

import os
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

OURS = ("flows", "tasks", "models", "feature_repo", "expectations", "outfitter")  # what our wheel installs


@dataclass(frozen=True)
class Environment:
    """``folder`` is a virtual environment; ``home`` an empty folder that its user calls home."""

    folder: Path
    home: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """All that is set in it: nothing of ours, and nothing of the caller's."""
        return {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.defpath}", "HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"}


def environment_with(requirements: Iterable[str], folder: Path) -> Environment:
    """Make it below ``folder``: Outfitter, and the distributions that ``requirements`` name and reach, linked from those installed here."""
    venv.create(folder / "env", symlinks=True)
    made = Environment(folder / "env", folder / "home")
    made.home.mkdir()
    site = made.folder / "lib" / "python3.11" / "site-packages"
    for name in OURS:
        (site / name).symlink_to(REPOSITORY / name)
    for distribution in _reached(requirements):
        _link(distribution, site)
        _scripts(distribution, made)
    return made


def _reached(requirements: Iterable[str]) -> list[metadata.Distribution]:
    queue, reached = [Requirement(line) for line in requirements], dict[str, metadata.Distribution]()
    seen: set[tuple[str, frozenset[str]]] = set()
    while queue:
        one = queue.pop()
        key = canonicalize_name(one.name), frozenset(one.extras)
        if key in seen:
            continue
        seen.add(key)
        distribution = reached.setdefault(key[0], metadata.distribution(one.name))
        assert one.specifier.contains(distribution.version, prereleases=True), f"{one} is not what is installed"
        needs = map(Requirement, distribution.requires or [])
        queue += [need for need in needs if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in (key[1] or {""}))]
    return list(reached.values())


def _link(distribution: metadata.Distribution, site: Path) -> None:
    """Its top-level folders and files; of those it shares with others (namespaces), what lies one below."""
    files = [file for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")]
    here = Path(str(distribution.locate_file("")))
    for top in {file.parts[0] for file in files}:
        namespace = (here / top).is_dir() and not (here / top / "__init__.py").exists() and not top.endswith((".dist-info", ".libs"))
        names = {"/".join(file.parts[:2]) for file in files if file.parts[0] == top} if namespace else {top}
        for name in names:
            (site / name).parent.mkdir(exist_ok=True)
            if not (site / name).exists():
                (site / name).symlink_to(here / name)


def _scripts(distribution: metadata.Distribution, made: Environment) -> None:
    """Its commands, as an installer writes them."""
    for command in distribution.entry_points.select(group="console_scripts"):
        script, function = made.folder / "bin" / command.name, command.attr
        script.write_text(f"#!{made.python}\nimport sys\nfrom {command.module} import {function}\nsys.exit({function}())\n")
        script.chmod(0o755)
