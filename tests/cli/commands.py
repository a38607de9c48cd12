"""Many commands in one process: each sees its own home, environment and streams, and the imports are paid for once."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.conftest import REPOSITORY, Outcome


@dataclass(frozen=True)
class Call:
    """``outfitter ARGUMENTS`` in a home, with further environment variables."""

    home: Path
    arguments: tuple[str | Path, ...]
    variables: dict[str, str] = field(default_factory=dict)


def call_all(calls: Sequence[Call], folder: Path, environment: Mapping[str, str], largest_file: int | None = None) -> list[Outcome]:
    """Run ``calls`` one after the other in one new process, with ``folder`` as its working folder.

    What a call writes to standard output and error is caught at the file descriptors, so that what libraries print there is seen
    too. ``largest_file``: bytes beyond which no file can be written, as on a disk that fills up.
    """
    asked = [{**asdict(call), "home": str(call.home), "arguments": [str(word) for word in call.arguments]} for call in calls]
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.commands", str(folder)],
        input=json.dumps(asked),
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        cwd=folder,
        preexec_fn=None if largest_file is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(**told) for told in json.loads((folder / "outcomes.json").read_text())]


def lake_files(home: Path) -> dict[str, bytes]:
    """Every file of the lake: the same files are the same tables in the same versions."""
    root = home / "lake"
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def one_clear_error(outcome: Outcome) -> str:
    """The message and its hint on one line; checks that the command ends with them, that there is one of each, and no traceback."""
    assert outcome.code == 2, outcome.stderr
    assert "Traceback" not in outcome.stderr
    told = outcome.stderr.splitlines()
    assert sum(line.startswith("error: ") for line in told) == 1, outcome.stderr
    message, hint = told[-2:]
    assert message.startswith("error: "), outcome.stderr
    assert hint.startswith("       "), outcome.stderr
    return f"{message.removeprefix('error: ')} {hint.strip()}"


def _answer_all(folder: Path) -> None:
    """The other side of ``call_all``."""
    before, told = dict(os.environ), []
    for asked in json.load(sys.stdin):
        os.environ.clear()
        os.environ.update(before, OUTFITTER_HOME=asked["home"], **asked["variables"])
        told.append(asdict(_answer(asked["arguments"], folder)))
    (folder / "outcomes.json").write_text(json.dumps(told))


def _answer(arguments: list[str], folder: Path) -> Outcome:
    names = ("stdout", "stderr")
    own = [os.dup(1), os.dup(2)]
    for number, name in enumerate(names, start=1):
        stream = os.open(folder / name, os.O_CREAT | os.O_TRUNC | os.O_RDWR)
        os.dup2(stream, number)
        os.close(stream)
    try:
        code = _code(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, stream in enumerate(own, start=1):
            os.dup2(stream, number)
            os.close(stream)
    return Outcome(code, *((folder / name).read_text() for name in names))


def _code(arguments: list[str]) -> int:
    from outfitter.cli.app import app

    try:
        app(arguments, prog_name="outfitter")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - as the interpreter does with what nobody caught
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _answer_all(Path(sys.argv[1]))
