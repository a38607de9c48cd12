"""constraints.txt pins what is installed, and infra/pins.py notices when it does not."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "infra" / "pins.py"


@pytest.fixture(scope="module")
def pins() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pins", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_installed_is_what_is_pinned() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_line_is_a_name_and_one_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    assert not [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.+!]+", line)]


def test_a_missing_and_a_differing_pin_are_named(pins: ModuleType, tmp_path: Path) -> None:
    known = pins.installed()
    kept = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith(("numpy==", "scipy=="))]
    (tmp_path / "constraints.txt").write_text("\n".join([*kept, "scipy==0.1"]))
    assert pins.complaints(ROOT / "pyproject.toml", tmp_path / "constraints.txt") == [
        f"numpy is needed and not pinned; installed is {known['numpy'][0]}",
        f"scipy is pinned to 0.1; installed is {known['scipy'][0]}",
    ]


def test_extras_and_markers_are_followed(pins: ModuleType) -> None:
    known = {
        "shop": ("1", ['cart>=2; extra == "buy"', 'till; sys_platform == "nowhere"', "shelf"]),
        "cart": ("2", ["wheel"]),
        "shelf": ("1", []),
    }
    assert set(pins.reachable([Requirement("shop")], known)) == {"shop", "shelf"}
    assert set(pins.reachable([Requirement("shop[buy]")], known)) == {"shop", "shelf", "cart", "wheel"}


def test_rewriting_drops_what_nothing_reaches_and_keeps_versions(pins: ModuleType, tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[build-system]\nrequires = []\n[project]\ndependencies = ["packaging"]\n')
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("packaging==1.2.3\nunheard-of==1\n")
    assert pins.rewrite(project, constraints) == {"packaging": "1.2.3"}
    assert constraints.read_text().splitlines()[1:] == ["packaging==1.2.3"]
