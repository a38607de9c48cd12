"""Two charts as inline SVG: bars with intervals, and lines over ranks. They need no script, no font and no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from outfitter.evaluation.bootstrap import Interval

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999933", "#555555")
"""Told apart with any colour vision (Okabe and Ito, Color Universal Design, 2008), but for its yellow and black, which make poor bars."""
WIDTH, LEFT, RIGHT = 760, 230, 70
BAR, GAP = 11, 12


@dataclass(frozen=True)
class Group:
    """Bars that stand together under one label."""

    label: str
    bars: Mapping[str, Interval]


def colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def legend(series: Sequence[str]) -> str:
    """What the colours mean."""
    keys = "".join(f'<span><i style="background:{colour(n)}"></i>{escape(name)}</span>' for n, name in enumerate(series))
    return f'<p class="legend">{keys}</p>'


def bars(groups: Sequence[Group], series: Sequence[str], form: str = ".4f") -> str:
    """Horizontal bars, one group below the other; a whisker spans the interval where there is one. form: how figures are written."""
    top = _round_up(max((_end(bar) for group in groups for bar in group.bars.values()), default=0.0))
    scale = (WIDTH - LEFT - RIGHT) / top
    height = len(series) * BAR + GAP
    marks = [_tick(LEFT + top * part / 4 * scale, len(groups) * height, format(top * part / 4, form)) for part in range(5)]
    for row, group in enumerate(groups):
        y = row * height + GAP / 2
        marks.append(f'<text x="{LEFT - 8}" y="{y + (height - GAP) / 2 + 4:.1f}" class="end">{escape(group.label)}</text>')
        marks += [_bar(group.bars[name], y + BAR * n, scale, n, name, form) for n, name in enumerate(series)]
    return _svg(len(groups) * height + 20, marks)


def _bar(value: Interval, y: float, scale: float, place: int, name: str, form: str) -> str:
    if math.isnan(value.mean):
        return ""
    has_interval = not math.isnan(value.low)
    told = f"{name}: {value.mean:{form}}" + (f" ({value.low:{form}} to {value.high:{form}})" if has_interval else "")
    whisker = ""
    if has_interval:
        low, high, middle = LEFT + value.low * scale, LEFT + value.high * scale, y + BAR / 2 - 0.5
        whisker = (
            f'<path d="M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {middle - 2:.1f}v4M{high:.1f} {middle - 2:.1f}v4" class="whisker"/>'
        )
    rect = f'<rect x="{LEFT}" y="{y:.1f}" width="{max(0.5, value.mean * scale):.1f}" height="{BAR - 1}" fill="{colour(place)}"/>'
    number = f'<text x="{LEFT + _end(value) * scale + 5:.1f}" y="{y + BAR - 2:.1f}" class="number">{value.mean:{form}}</text>'
    return f"<g><title>{escape(told)}</title>{rect}{whisker}{number}</g>"


def lines(values: Mapping[str, Sequence[float]], across: str, form: str = ".2%") -> str:
    """One line a series over 1, 2, 3, ...; ``across`` names what is counted there."""
    longest = max(len(line) for line in values.values())
    top = _round_up(max((value for line in values.values() for value in line), default=0.0))
    height, left, right = 220, 70, 20
    step = (WIDTH - left - right) / max(1, longest - 1)
    marks = []
    for part in range(5):
        y = 10 + height - height * part / 4
        marks.append(f'<path d="M{left} {y:.1f}H{WIDTH - right}" class="grid"/>')
        marks.append(f'<text x="{left - 8}" y="{y + 4:.1f}" class="end">{top * part / 4:{form}}</text>')
    every = max(1, math.ceil(longest / 20))
    marks += [f'<text x="{left + step * n:.1f}" y="{height + 28}" class="middle">{n + 1}</text>' for n in range(0, longest, every)]
    marks.append(f'<text x="{WIDTH - right}" y="{height + 46}" class="end">{escape(across)}</text>')
    for place, (name, line) in enumerate(values.items()):
        points = [(left + step * n, 10 + height - height * value / top) for n, value in enumerate(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        marks.append(f'<polyline points="{path}" fill="none" stroke="{colour(place)}" stroke-width="2"/>')
        marks += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour(place)}"><title>{escape(name)}, {n}: {value:{form}}</title></circle>'
            for n, ((x, y), value) in enumerate(zip(points, line, strict=True), start=1)
        ]
    return _svg(height + 52, marks)


def _svg(height: float, marks: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{"".join(marks)}</svg>'


def _tick(x: float, height: float, told: str) -> str:
    return f'<path d="M{x:.1f} 0V{height:.1f}" class="grid"/><text x="{x:.1f}" y="{height + 14:.1f}" class="middle">{told}</text>'


def _end(value: Interval) -> float:
    """How far a bar reaches, its whisker included."""
    return max((end for end in (value.mean, value.high) if not math.isnan(end)), default=0.0)


def _round_up(value: float) -> float:
    """The end of an axis: the next number whose quarters can be read."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10, 12) if power * step >= value)
