"""The tables and plots of docs/gate.md, made from docs/gate/figures.json, which ``gate.py`` wrote.

    python benchmarks/gate_page.py

Between ``<!-- NAME -->`` and ``<!-- /NAME -->`` stands the table of that part. A test holds the page and the plots against the figures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import sqrt
from pathlib import Path
from statistics import fmean
from typing import Any

import gate_plots

from tests.simulation.judging import TESTS, Counted, bound_by_spread, lower_bound, upper_bound
from tests.simulation.seasons import UNCONTESTED

DOCS = Path(__file__).parents[1] / "docs"
PAGE, FIGURES = DOCS / "gate.md", DOCS / "gate" / "figures.json"
BLOCK = re.compile(r"<!-- (\w+) -->\n.*?<!-- /\1 -->", flags=re.DOTALL)
ALPHA, STRICTER = 0.025, 0.01


def keep(name: str, figures: Any) -> None:
    """Put the figures of a part in the place of the old ones, and make page and plots anew."""
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps({**known, name: figures}, indent=1) + "\n", encoding="utf-8")
    write()


def write() -> None:
    for name, plot in gate_plots.plots(_figures()).items():
        (FIGURES.parent / name).write_text(plot, encoding="utf-8")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def filled(page: str) -> str:
    """The page with every table made anew. Raises KeyError for a name without figures."""
    figures = _figures()
    return BLOCK.sub(lambda found: f"<!-- {found[1]} -->\n{TABLES[found[1]](figures[found[1]])}\n<!-- /{found[1]} -->", page)


def _figures() -> Any:
    return json.loads(FIGURES.read_text(encoding="utf-8"))


def counted(row: dict[str, Any]) -> Counted:
    return Counted(row["users"], row["tries"], row["passed"], row["verdicts"])


def _sum(rows: Iterable[dict[str, Any]]) -> Counted:
    first, *rest = map(counted, rows)
    for one in rest:
        first = first + one
    return first


def errors_table(figures: Any) -> str:
    rows = figures["rows"]
    kinds, sizes = (list(dict.fromkeys(row[name] for row in rows)) for name in ("about", "users"))
    groups = [(about, _sum(row for row in rows if row["about"] == about)) for about in kinds]
    groups += [(f"{users:,} users", _sum(row for row in rows if row["users"] == users)) for users in sizes]
    groups.append(("**all**", _sum(rows)))
    head = ["models", "tries", "promoted", "95% bound", "bootstrap alone", "flips alone", "both"]
    body = [[about, f"{of.tries:,}", *_rate(of.passed["promoted"], of.tries), *_rates(of)] for about, of in groups]
    pairs = figures["fields"]
    means = [f"{one['about']}: {one['one']:.4f} and {one['other']:.4f}, not the same for {one['differ']:.0%}" for one in pairs]
    return f"{_table(head, body)}\n\nNDCG@12 of the pairs on the exam's {pairs[0]['users']:,} users: {'; '.join(means)}."


def _rates(of: Counted) -> list[str]:
    return [f"{of.rate(name):.2%}" for name in TESTS[:3]]


def _rate(times: int, tries: int) -> list[str]:
    return [f"{times} ({times / tries:.2%})", f"{upper_bound(times, tries):.2%}"]


def seasons_table(figures: Any) -> str:
    """A line a kind; what came to no contest is not among the tries."""
    kinds = list(dict.fromkeys(one["about"] for one in figures))
    body = [_seasons(about, [one for one in figures if one["about"] == about]) for about in kinds]
    models = dict.fromkeys(about.split(",")[0] for about in kinds)
    body += [_seasons(f"**{model}, both**", [one for one in figures if one["about"].startswith(model)]) for model in models]
    body.append(_seasons("**all**", figures))
    return _table(["challenger", "shops", "promoted", "95% bound", "deviation of z", "bound by it", "the same with an error of 1%"], body)


def _seasons(about: str, all_of_it: Sequence[Any]) -> list[str]:
    met = [one for one in all_of_it if one["verdict"] != UNCONTESTED]
    promoted = sum(one["verdict"] == "promoted" for one in met)
    z = [one["z"] for one in met]
    by_spread = [f"{bound_by_spread(z, alpha):.1%}" for alpha in (ALPHA, STRICTER)]
    return [about, str(len(met)), *_rate(promoted, len(met)), f"{sqrt(fmean(one * one for one in z)):.2f}", *by_spread]


def power_table(figures: Any) -> str:
    rows = figures["curve"]
    sizes = list(dict.fromkeys(row["users"] for row in rows))
    told = {(row["gain"], row["users"]): f"{counted(row).rate():.0%}" for row in rows}
    curve = [[f"{gain:.0%}", *(told.get((gain, size), "") for size in sizes)] for gain in dict.fromkeys(row["gain"] for row in rows)]
    plans = [[row["shop"], row["about"], f"{row['users']:,}", f"{row['tries']:,}", *_power(counted(row))] for row in figures["planned"]]
    users = list(dict.fromkeys(row["users"] for row in figures["seen"]))
    kinds = dict.fromkeys(row["about"] for row in figures["seen"])
    seen = [[about, *(f"{row['gain']:.0%}" for row in figures["seen"] if row["about"] == about)] for about in kinds]
    return "\n\n".join(
        [
            f"Promoted of {rows[0]['tries']:,} tries (`{figures['about']}`), by planted gain and users; "
            "nothing where fewer users saw it every time:",
            _table(["gain", *(f"{size:,}" for size in sizes)], curve),
            "A gain of 5% at the size that the planner names:",
            _table(["shop", "models", "planned", "tries", "promoted", "95% interval", "bootstrap alone", "both"], plans),
            "The smallest gain that is seen with a chance of 80%, by the planner:",
            _table(["models", *(f"{size:,} users" for size in users)], seen),
        ]
    )


def _power(of: Counted) -> list[str]:
    times = of.passed["promoted"]
    ends = f"{lower_bound(times, of.tries, 0.975):.1%} to {upper_bound(times, of.tries, 0.975):.1%}"
    return [f"{of.rate():.1%}", ends, f"{of.rate('bootstrap'):.1%}", f"{of.rate('both'):.1%}"]


def rejections_table(figures: Any) -> str:
    head = ["challenger", "against", "NDCG@12", "the gate alone", "the check of features before it"]
    return _table(head, [list(_rejected(one)) for one in figures])


def _rejected(one: dict[str, Any]) -> Iterator[str]:
    yield from (one["about"], one["against"], f"{one['ndcg']:.4f} against {one['champion']:.4f}")
    why = re.split(r"; |: (?=NDCG)|, difference", one["reason"])[0] if one["verdict"] in {"guardrail", "not better"} else ""
    yield f"**{one['verdict']}**" + (f": {why}" if why and not why.startswith("NDCG") else "")
    yield "" if one["leak"] is None else f"finds it: {one['leak'].split('; ')[-1]}" if one["leak"] else "finds nothing"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


TABLES: dict[str, Callable[[Any], str]] = {
    "errors": errors_table,
    "seasons": seasons_table,
    "power": power_table,
    "rejections": rejections_table,
}

if __name__ == "__main__":
    write()
