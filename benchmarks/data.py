"""The data path at a retailer's size: from CSV in the H&M layout to a validated lake, features, joins and the online store.

    .venv/bin/python benchmarks/data.py --scale 0.01 0.1 1 [--folder DIR]

Scale 1 is the size of the H&M competition data: 1,371,980 customers, 105,542 articles, 31,788,324 transactions. The synthetic shop is
drawn into DIR when it is not there (at scale 1: 3.7 GB in a minute, not counted). Its last days lie in files of their own: the first ingest
sees the history without them, then they are delivered day by day. The stages are the commands that a team runs, or functions in a process
of their own; memory is the sum of the resident sets of the command and all its children (the Prefect server among them), sampled ten times
a second. ``growth`` is how the seconds grew against the scale before, divided by how the data grew: above 1 is worse than linear.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import online
from measuring import Cost, measure

OUTFITTER = [sys.executable, "-c", "from outfitter.cli.app import main; main()"]
USERS, ITEMS, TRANSACTIONS, DAYS = 1_371_980, 105_542, 31_788_324, 734
DAILY = 3
RUNS = 3  # of the features, whose seconds at the small scale are few: the median counts


@dataclass(frozen=True)
class Line:
    """One measured stage at one scale; ``size`` says what it worked on."""

    scale: float
    stage: str
    cost: Cost
    size: str


class Bench:
    """All stages at one scale, each in the home that the one before left."""

    def __init__(self, scale: float, folder: Path, home: Path) -> None:
        self.scale, self.home = scale, home
        self.shop = shop(scale, folder)
        self.source = home.parent / "source"
        self.lines: list[Line] = []

    def run(self) -> list[Line]:
        days = sorted(self.shop.glob("transactions_2*.csv"))
        self._deliver(*(path for path in self.shop.glob("*.csv") if path not in days))
        self._stage("ingest: CSV to validated lake", self._ingest())
        runs = sorted((online.measured(features, self.home) for _ in range(RUNS)), key=lambda cost: cost.seconds)
        self._note("features of one cut-off", runs[RUNS // 2])
        for name, cost in online.joins(self.home.parent / "joined", online.Size(self.scale)):
            self._note(f"historical {name}", cost)
        self._stage("materialize, first", self._materialize())
        for path in days[:DAILY]:
            self._deliver(path)
            self._stage(f"a day, {path.stem[-10:]}: all of it", [*self._ingest(), "--then-materialize"])
        return self.lines

    def _note(self, name: str, cost: online.Cost) -> None:
        told = ", ".join(f"{value:,} {key}" for key, value in cost.told.items())
        self._add(Line(self.scale, name, Cost(cost.seconds, float("nan"), cost.peak_mib, ""), told))

    def _add(self, line: Line) -> None:
        self.lines.append(line)
        sys.stderr.write(f"{line.scale:g}  {line.stage}: {line.cost.seconds:.1f} s, {line.cost.peak:,.0f} MiB  {line.size}\n")

    def _deliver(self, *files: Path) -> None:
        self.source.mkdir(exist_ok=True)
        for path in files:
            os.link(path, self.source / path.name)

    def _ingest(self) -> list[str]:
        return [*OUTFITTER, "ingest", "--source", "hm", "--path", str(self.source), "--json"]

    def _materialize(self) -> list[str]:
        return [*OUTFITTER, "materialize", "--newest-only", "--json"]

    def _stage(self, name: str, command: list[str]) -> Cost:
        cost = measure(command, {"OUTFITTER_HOME": str(self.home)})
        self._add(Line(self.scale, name, cost, _size(cost.stdout)))
        return cost


def features(home: Path) -> dict[str, Any]:
    """All user and item features of the newest cut-off, computed and let go."""
    from outfitter.features.compute import item_rows, user_rows
    from outfitter.features.prices import price_tables
    from outfitter.lake.snapshot import open_snapshot
    from outfitter.lake.tables import open_lake
    from outfitter.settings import Settings

    started = time.perf_counter()
    snapshot = open_snapshot(open_lake(Settings(home=home)))
    prices = price_tables(snapshot, snapshot.as_of, snapshot.as_of, ["purchase"])
    users = sum(rows.height for rows in user_rows(snapshot, snapshot.as_of, ["purchase"], prices=prices))
    items = item_rows(snapshot, snapshot.as_of, ["purchase"], prices).height
    return {"users": users, "items": items, "seconds": time.perf_counter() - started}


def _size(stdout: str) -> str:
    """What a stage says it worked on."""
    told = json.loads(stdout)
    told |= told.get("materialized", {})
    if told.get("stopped") or told.get("held"):
        raise SystemExit(f"a delivery did not get in: {told.get('stopped') or told.get('held')}")
    known = ("rows_accepted", "users_sent", "items_sent", "read_back")
    return ", ".join(f"{told[name]:,} {name.replace('_', ' ')}" for name in known if name in told)


def shop(scale: float, folder: Path) -> Path:
    """The folder of the synthetic shop at a scale, drawn when it is not there."""
    from outfitter.datasets.synthetic import Shop, write_hm_shop

    out = folder / f"hm-{scale:g}"
    if not out.exists():
        started = time.perf_counter()
        knobs = Shop(round(USERS * scale), round(ITEMS * scale), round(TRANSACTIONS * scale), DAYS)
        write_hm_shop(knobs, out, daily_files=DAILY)
        sys.stderr.write(f"drew {out} in {time.perf_counter() - started:.0f} s\n")
    return out


def table(lines: list[Line]) -> str:
    rows = [f"{'stage':<34} {'scale':>6} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'growth':>7}  size"]
    for line in lines:
        before = [one for one in lines if one.stage == line.stage and one.scale < line.scale]
        ratio = (line.cost.seconds / before[-1].cost.seconds) / (line.scale / before[-1].scale) if before else None
        grown = "" if ratio is None else f"{ratio:.2f}"
        cost = line.cost
        rows.append(f"{line.stage:<34} {line.scale:>6g} {cost.seconds:>8.1f} {cost.cpu:>8.1f} {cost.peak:>9,.0f} {grown:>7}  {line.size}")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, nargs="+", default=[0.01], help="1 is the size of the H&M competition data")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "outfitter-benchmark", help="where shops are kept")
    asked = parser.parse_args()
    lines: list[Line] = []
    for scale in sorted(asked.scale):
        asked.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=asked.folder) as work:
            lines += Bench(scale, asked.folder, Path(work) / "home").run()
    sys.stdout.write(table(lines))


if __name__ == "__main__":
    main()
