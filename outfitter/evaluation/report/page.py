"""The page of an error analysis: one file of HTML that asks the network for nothing. Every word of the data is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from outfitter.evaluation.bootstrap import Interval
from outfitter.evaluation.report.charts import Group, bars, legend, lines
from outfitter.evaluation.report.figures import Analysis, Breakdown
from outfitter.evaluation.report.summary import Line

METRICS = {"ndcg": "NDCG", "recall": "Recall", "precision": "Precision", "map": "MAP", "mrr": "MRR", "hit_rate": "Hit rate"}
LISTS = {
    "coverage": "Coverage",
    "diversity": "Diversity",
    "novelty": "Novelty (bits)",
    "popularity": "Popularity percentile",
    "gini": "Gini of exposure",
}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; max-width: 1200px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem } h3 { font-size: 1rem; margin: 1.4rem 0 0 }
p { margin: .3rem 0 } .note, small, .range { color: #5a6572 } .scroll { overflow-x: auto }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums } td, th { padding: .3rem .7rem; text-align: right }
th { font-weight: 600; border-bottom: 2px solid #ccd3db } td { border-bottom: 1px solid #e6e9ed; vertical-align: top }
td:first-child, th:first-child, .text { text-align: left } .range { display: block; font-size: .8rem; white-space: nowrap }
svg { width: 100%; max-width: 760px; height: auto; font: 11px system-ui, sans-serif } svg text { fill: #1c2430 }
svg .end { text-anchor: end } svg .middle { text-anchor: middle; fill: #5a6572 } svg .number { font-size: 9px; fill: #5a6572 }
svg .grid { stroke: #e6e9ed; fill: none } svg .whisker { stroke: #1c2430; fill: none }
.legend span { margin-right: 1.1rem; white-space: nowrap }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em }
"""


def page(title: str, note: str, analysis: Analysis) -> str:
    """The whole page."""
    about = f"{analysis.users:,} users took {analysis.taken:,} items; each model showed them {analysis.k}. Intervals are 95%, by bootstrap."
    parts = [
        f"<h1>{escape(title)}</h1><p class='note'>{escape(note)}</p><p>{about}</p>",
        _found(analysis),
        _shorter(analysis),
        _lists(analysis),
        _segments(analysis),
        _ranks(analysis),
        _popularity(analysis),
        _missed(analysis),
    ]
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"


def _found(analysis: Analysis) -> str:
    """What each model found, and how far each is behind the best one."""
    titles = [f"{name}@{analysis.k}" for name in METRICS.values()]
    rows = [[escape(one.model), *(_score(one.scores[name]) for name in METRICS), _behind(one)] for one in analysis.lines]
    told = "Full ranking. The last column is the paired difference in NDCG to the best model; in bold where the interval is below 0."
    return f"<h2>What was found</h2><p class='note'>{told}</p>" + table(["model", *titles, "behind the best"], rows)


def _behind(line: Line) -> str:
    if line.behind == Interval(0.0, 0.0, 0.0):
        return "best"
    told = _score(line.behind)
    return f"<b>{told}</b>" if line.behind.high < 0 else told


def _shorter(analysis: Analysis) -> str:
    """The same lists cut shorter; nothing where they are too short to cut."""
    names = list(analysis.lines[0].shorter)
    if not names:
        return ""
    titles = [f"{METRICS[name]}@{k}" for name, _, k in (name.partition("@") for name in names)]
    rows = [[escape(one.model), *(_score(one.shorter[name]) for name in names)] for one in analysis.lines]
    return "<h2>At the head of the list</h2>" + table(["model", *titles], rows)


def _lists(analysis: Analysis) -> str:
    rows = [[escape(one.model), *(_score(one.lists[name]) for name in LISTS)] for one in analysis.lines]
    told = (
        "Coverage: share of the sellable items that somebody is shown. Diversity: how unlike the items of a list are, 0 to 1. Novelty: "
        "bits of surprise. Popularity percentile: .5 by chance, 1 the most popular. Gini: 0 when all items are shown alike, 1 when one is."
    )
    return f"<h2>What the lists are like</h2><p class='note'>{told}</p>" + table(["model", *LISTS.values()], rows)


def _segments(analysis: Analysis) -> str:
    told = (
        "Segments of users by NDCG; segments of what was taken by recall, the share of it that was found. How many users are in brackets."
    )
    parts = [_segment(one, analysis) for one in analysis.breakdowns]
    return f"<h2>Segments</h2><p class='note'>{told}</p>{legend(analysis.models)}" + "".join(parts)


def _segment(breakdown: Breakdown, analysis: Analysis) -> str:
    groups = [Group(f"{part.label} ({part.users:,})", part.scores) for part in breakdown.parts]
    return f"<h3>{escape(breakdown.name)}: {METRICS[breakdown.metric]}@{analysis.k}</h3>" + bars(groups, analysis.models)


def _ranks(analysis: Analysis) -> str:
    told = "The share of users who took what stood at each rank of their list. A good ranking falls from left to right."
    chart = lines(analysis.hits_by_rank, "rank")
    return f"<h2>Where the hits stand</h2><p class='note'>{told}</p>{legend(list(analysis.hits_by_rank))}{chart}"


def _popularity(analysis: Analysis) -> str:
    told = "How what is shown, and what was taken, falls on items by how many users had taken them before."
    series = list(analysis.shares_by_popularity)
    shares = {name: [Interval(share, math.nan, math.nan) for share in analysis.shares_by_popularity[name]] for name in series}
    groups = [Group(band, {name: shares[name][place] for name in series}) for place, band in enumerate(analysis.bands)]
    return f"<h2>Popularity of what is shown and taken</h2><p class='note'>{told}</p>{legend(series)}{bars(groups, series, '.1%')}"


def _missed(analysis: Analysis) -> str:
    best = escape(analysis.models[0])
    users = [
        [escape(one.user), f"{one.taken_before:,}", f"{one.ndcg:.4f}", f"{one.taken:,}", _names(one.took), _names(one.was_shown)]
        for one in analysis.missed_users
    ]
    titles = ["user", "taken before", "NDCG", "took", "what they took", "what they were shown"]
    items = [
        [escape(one.item), f"{one.taken_before:,}", f"{one.taken:,}", *(f"{one.found[model]:,}" for model in analysis.models)]
        for one in analysis.missed_items
    ]
    found = [f"found by {model}" for model in analysis.models]
    return (
        f"<h2>Worst served users</h2><p class='note'>The lowest NDCG of {best}; of equals those who took most.</p>"
        f"{table(titles, users, text=(4, 5))}"
        f"<h2>Most missed items</h2><p class='note'>Taken most often without being found by {best}.</p>"
        f"{table(['item', 'users before', 'taken by', *found], items)}"
    )


def _names(names: Sequence[str]) -> str:
    return "<br>".join(escape(name) for name in names)


def _score(value: Interval) -> str:
    if math.isnan(value.mean):
        return "-"
    ends = "" if math.isnan(value.low) else f"<span class='range'>{value.low:.4f} to {value.high:.4f}</span>"
    return f"{value.mean:.4f}{ends}"


def table(titles: Iterable[str], rows: Sequence[Sequence[str]], text: Sequence[int] = ()) -> str:
    """Cells are HTML; titles are not. text: the columns, besides the first, that hold words."""
    kinds: Mapping[int, str] = dict.fromkeys(text, " class='text'")
    head = "".join(f"<th{kinds.get(n, '')}>{escape(title)}</th>" for n, title in enumerate(titles))
    body = "".join("<tr>" + "".join(f"<td{kinds.get(n, '')}>{cell}</td>" for n, cell in enumerate(row)) + "</tr>" for row in rows)
    return f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"
