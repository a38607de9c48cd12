"""The tables of ``docs/results.md``, made from the JSON that ``outfitter bench models --json docs/results/NAME.json`` wrote.

    python benchmarks/results.py

Between ``<!-- NAME -->`` and ``<!-- /NAME -->`` stands the table of ``docs/results/NAME.json``, or of several, ``<!-- ONE OTHER -->``. A
test holds the page against the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "results.md"
BLOCK = re.compile(r"<!-- ((?!/)[\w -]+?) -->\n.*?<!-- /\1 -->", flags=re.DOTALL)
Row = Mapping[str, Any]


def filled(page: str) -> str:
    """The page with every table made anew. Raises FileNotFoundError for a name without a file."""
    return BLOCK.sub(lambda found: f"<!-- {found[1]} -->\n{block(found[1].split())}\n<!-- /{found[1]} -->", page)


def block(names: Sequence[str]) -> str:
    """One table over the files of ``names``, which must have asked the same users the same question."""
    tables = [json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8")) for name in names]
    first = tables[0]
    if any((table["data"], table["split"], table["k"]) != (first["data"], first["split"], first["k"]) for table in tables):
        raise ValueError(f"{', '.join(names)} are not of one data set, split and k")
    rows = list({row["model"]: row for table in tables for row in table["models"] if not row["error"]}.values())
    reference = _reference(tables) if len(rows) > 1 else None
    return "\n".join([_told(first, rows), "", *_rankings(first["k"], rows, reference), *_ratings(rows), *_settings(rows)]).rstrip()


def _reference(tables: Sequence[Row]) -> str | None:
    """The model that all of ``tables`` tell gains on, if it is one, fitted with the same settings."""
    names = {table["references"]["ranking"] for table in tables}
    settings = [row["settings"] for table in tables for row in table["models"] if row["model"] in names]
    return names.pop() if len(names) == 1 and all(one == settings[0] for one in settings) else None


def _told(table: Row, rows: Sequence[Row]) -> str:
    data, split, resampling = table["data"], table["split"], table["intervals"]
    asked = next((f"{row['ranking']['everyone']['users']:,} users asked" for row in rows if "ranking" in row), "ratings")
    how = ", ".join([split["name"], *(f"{name} {split[name]}" for name in ("days", "windows") if name in split)])
    return (
        f"`{data['source']}`: {data['interactions']:,} interactions, {data['users']:,} users, {data['items']:,} items. {how}; {asked}; "
        f"95% intervals over users ({resampling['samples']:,} resamples)."
    )


def _rankings(k: int, rows: Sequence[Row], reference: str | None) -> Iterator[str]:
    """A table for each group of users; with a ``reference`` it says what each model gains on that one."""
    ranked = [row for row in rows if "ranking" in row]
    gain = f" gain on `{reference}` |" if reference else ""
    for group in dict.fromkeys(group for row in ranked for group in row["ranking"]):
        users = next(row["ranking"][group]["users"] for row in ranked if group in row["ranking"])
        if group != "everyone":
            yield f"Users {group} ({users:,}):\n"
        yield f"| model | NDCG@{k} |{gain} HR@{k} | fits | a fit | answers | peak memory |"
        yield "|" + "---|" * (8 if gain else 7)
        for row in sorted(ranked, key=lambda row: -row["ranking"][group]["metrics"]["ndcg"]["mean"]):
            found = row["ranking"][group]["metrics"]
            costs = f"{row['fits']} | {_seconds(row['fit_seconds'])} | {_seconds(row['score_seconds'])} | {row['memory_peak']:,.0f} MiB"
            gained = f" {_gain(row, group, reference)} |" if reference else ""
            yield f"| `{row['model']}` | {_figure(found['ndcg'])} |{gained} {_figure(found['hit_rate'])} | {costs} |"
        yield ""


def _seconds(value: float) -> str:
    return "< .1 s" if value < 0.1 else f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def _gain(row: Row, group: str, reference: str | None) -> str:
    """In NDCG on the same users, in bold where the interval does not hold 0."""
    if row["model"] == reference:
        return ""
    found = row["ranking"][group]["against_reference"]["ndcg"]
    told = _figure(found)
    return f"**{told}**" if found["low"] > 0 or found["high"] < 0 else told


def _figure(found: Row, digits: int = 4) -> str:
    told = f"{found['mean']:.{digits}f} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"
    return re.sub(r"\b0\.", ".", told)


def _ratings(rows: Sequence[Row]) -> Iterator[str]:
    rated = [row for row in rows if "ratings" in row]
    if rated:
        yield "| model | RMSE | MAE |\n|---|---|---|"
        for row in rated:
            found = row["ratings"]["metrics"]
            yield f"| `{row['model']}` | {_figure(found['rmse'])} | {_figure(found['mae'])} |"
        yield ""


def _settings(rows: Sequence[Row]) -> Iterator[str]:
    searched = [row for row in rows if row["search"]]
    if searched:
        yield "Settings found on validation data:\n"
    for row in searched:
        search = row["search"]
        told = ", ".join(f"{name} {_short(value)}" for name, value in search["params"].items())
        yield f"- `{row['model']}`: {told} ({search['trials']} trials, {search['minutes']:.1f} minutes)"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
