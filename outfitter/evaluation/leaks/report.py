"""What the leak checks found: one ``Check`` each, kept as JSON and told in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from outfitter.errors import LeakError

Figure = float | int | str | None


@dataclass(frozen=True)
class Check:
    """One question and its answer. ``remedy`` says what to do when it failed; ``tried`` is false where there was nothing to ask."""

    name: str
    passed: bool
    finding: str
    figures: Mapping[str, Figure]
    remedy: str = ""
    tried: bool = True

    def sign(self) -> str:
        return "LEAK" if not self.passed else "passed" if self.tried else "not tried"


@dataclass(frozen=True)
class LeakReport:
    """All checks of one training."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def line(self) -> str:
        """The report in one line: what leaks, or what was checked."""
        leaks = [check.name for check in self.checks if not check.passed]
        if leaks:
            return f"LEAK: {', '.join(leaks)}"
        tried = [check.name for check in self.checks if check.tried]
        rest = [check.name for check in self.checks if not check.tried]
        return f"none found ({', '.join(tried)})" + (f"; not tried: {', '.join(rest)}" if rest else "")

    def record(self) -> dict[str, Any]:
        """The report as JSON will hold it."""
        return {"passed": self.passed, "line": self.line, "checks": [asdict(check) for check in self.checks]}

    def json(self) -> str:
        return json.dumps(self.record(), indent=1)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> LeakReport:
        """The report of a ``record``."""
        return cls(tuple(Check(**check) for check in record["checks"]))

    def metrics(self) -> dict[str, float]:
        """Every number of the report by name, for MLflow."""
        numbers = {f"leak_{name}": value for check in self.checks for name, value in check.figures.items()}
        return {name: float(value) for name, value in numbers.items() if isinstance(value, int | float)}

    def markdown(self) -> str:
        """A table of the checks, one row each."""
        rows = "\n".join(f"| {check.name} | {check.sign()} | {check.finding.replace('|', '/')} |" for check in self.checks)
        return f"| check | result | what was found |\n|---|---|---|\n{rows}\n"

    def stop_on_leak(self) -> None:
        """Raises LeakError, naming the first check that failed and what it found."""
        failed = [check for check in self.checks if not check.passed]
        if failed:
            more = f" (and {', '.join(check.name for check in failed[1:])})" if failed[1:] else ""
            raise LeakError(f"leak found by the check '{failed[0].name}'{more}: {failed[0].finding}", failed[0].remedy)
