#!/usr/bin/env python3
"""Keeps constraints.txt to the packages that the project reaches, each at one version.

    .venv/bin/python infra/pins.py           rewrite constraints.txt: drop what nothing needs, pin what is new
    .venv/bin/python infra/pins.py --check   ask no index, change nothing; exit 1 naming what is not pinned as it is installed

Reached is whatever the dependencies, the extras and the build requirements of pyproject.toml ask for, however indirectly, on this
platform. A version that is pinned stays as it is; a new package gets the version that is installed, or that pip would install.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
HEADER = "# One version of every package that the project reaches, extras included. Written and checked by infra/pins.py.\n"
Packages = Mapping[str, tuple[str, list[str]]]  # name -> version, requirements


def asked_for(pyproject: Path) -> list[Requirement]:
    """What the project asks for itself: dependencies, every extra, the build."""
    told = tomllib.loads(pyproject.read_text())
    project = told["project"]
    extras = [text for group in project.get("optional-dependencies", {}).values() for text in group]
    return [Requirement(text) for text in (*project["dependencies"], *extras, *told["build-system"]["requires"])]


def installed() -> Packages:
    return {canonicalize_name(d.name): (d.version, list(d.requires or [])) for d in metadata.distributions()}


def reachable(asked: Iterable[Requirement], known: Packages) -> dict[str, list[Requirement]]:
    """Every package reached, each with the requirements that name it; what ``known`` lacks is named but not looked into."""
    reached: dict[str, list[Requirement]] = {}
    queue, seen = list(asked), set()
    while queue:
        requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        reached.setdefault(name, []).append(requirement)
        if (name, extras) not in seen and name in known:
            seen.add((name, extras))
            queue += [one for one in map(Requirement, known[name][1]) if _applies(one, extras)]
    return reached


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""}))


def would_install(asked: Iterable[Requirement], constraints: Path) -> Packages:
    """What pip would add to this environment for these requirements, without adding it."""
    texts = sorted({str(one).partition(";")[0].strip() for one in asked})
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report", str(report), "-c", str(constraints)]
        subprocess.run([*pip, *texts], check=True)  # noqa: S603
        found = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    return {canonicalize_name(one["name"]): (one["version"], one.get("requires_dist", [])) for one in found}


def read_pins(path: Path) -> dict[str, str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, _, version in pairs}


def rewrite(pyproject: Path, constraints: Path) -> dict[str, str]:
    """Write the pins of everything reached; returns them."""
    asked, pins, known = asked_for(pyproject), read_pins(constraints), dict(installed())
    absent = [one for name, named in reachable(asked, known).items() if name not in known for one in named]
    if absent:
        known |= would_install(absent, constraints)
    new = {name: pins.get(name) or known[name][0] for name in sorted(reachable(asked, known))}
    constraints.write_text(HEADER + "".join(f"{name}=={version}\n" for name, version in new.items()))
    return new


def complaints(pyproject: Path, constraints: Path) -> list[str]:
    """A sentence for each package that is reached and not pinned, or installed in another version than the one pinned."""
    pins, known = read_pins(constraints), installed()
    found = []
    for name in sorted(reachable(asked_for(pyproject), known)):
        version = known[name][0] if name in known else None
        if name not in pins:
            found.append(f"{name} is needed and not pinned" + (f"; installed is {version}" if version else ""))
        elif version not in (None, pins[name]):
            found.append(f"{name} is pinned to {pins[name]}; installed is {version}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say what is wrong; exit 1 when something is")
    if not parser.parse_args().check:
        print(f"{len(rewrite(ROOT / 'pyproject.toml', CONSTRAINTS))} packages pinned in {CONSTRAINTS.name}")
        return 0
    found = complaints(ROOT / "pyproject.toml", CONSTRAINTS)
    print("\n".join(found) or f"{CONSTRAINTS.name} agrees with what is installed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
