"""Two plots as SVG files that need no script, font or style sheet: how often equal models are promoted, and how often better ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from outfitter.evaluation.report.charts import colour
from tests.simulation.judging import lower_bound, upper_bound

WIDTH, HEIGHT, LEFT, TOP, RIGHT, FOOT = 820, 300, 60, 16, 240, 44
Row = dict[str, Any]


def plots(figures: Any) -> dict[str, str]:
    """SVG by the name of its file."""
    made = {}
    if "errors" in figures:
        made["errors.svg"] = errors(figures["errors"]["rows"])
    if "power" in figures:
        made["power.svg"] = power(figures["power"]["curve"])
    return made


def errors(rows: Sequence[Row]) -> str:
    """Each kind of pair at each size: the share that was promoted, from its lower to its upper 95% bound."""
    sizes, kinds = (list(dict.fromkeys(row[name] for row in rows)) for name in ("users", "about"))
    top, step = 0.10, (WIDTH - LEFT - RIGHT) / len(sizes)
    marks = [*_axis(top, 5), _level(0.05 / top, "5%"), _level(0.025 / top, "2.5%")]
    for row in rows:
        place, kind = sizes.index(row["users"]), kinds.index(row["about"])
        x = LEFT + step * (place + (kind + 1) / (len(kinds) + 1))
        times, tries = row["passed"]["promoted"], row["tries"]
        ends = [_y(bound(times, tries) / top) for bound in (lower_bound, upper_bound)]
        marks.append(f'<path d="M{x:.1f} {ends[0]:.1f}V{ends[1]:.1f}" stroke="{colour(kind)}" stroke-width="2"/>')
        marks.append(f'<circle cx="{x:.1f}" cy="{_y(times / tries / top):.1f}" r="4" fill="{colour(kind)}"/>')
    marks += [_text(LEFT + step * (place + 0.5), TOP + HEIGHT + 18, f"{users:,} users", "middle") for place, users in enumerate(sizes)]
    return _svg([*marks, *_legend(kinds)], "False promotions of equal models")


def power(rows: Sequence[Row]) -> str:
    """A line a planted gain over the number of users, which stands on a logarithmic axis."""
    sizes, gains = (list(dict.fromkeys(row[name] for row in rows)) for name in ("users", "gain"))
    first, last = math.log(sizes[0]), math.log(sizes[-1])
    across = {users: LEFT + (WIDTH - LEFT - RIGHT) * (math.log(users) - first) / (last - first) for users in sizes}
    marks = [*_axis(1.0, 5), _level(0.8, "80%")]
    for place, gain in enumerate(gains):
        points = [(across[row["users"]], _y(row["passed"]["promoted"] / row["tries"])) for row in rows if row["gain"] == gain]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        marks.append(f'<polyline points="{path}" fill="none" stroke="{colour(place)}" stroke-width="2"/>')
        marks += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour(place)}"/>' for x, y in points]
    marks += [_text(x, TOP + HEIGHT + 18, f"{users:,}", "middle") for users, x in across.items()]
    marks.append(_text(WIDTH - RIGHT, TOP + HEIGHT + 36, "users in the test window", "end"))
    return _svg([*marks, *_legend([f"gain of {gain:.0%}" for gain in gains])], "Chance of a promotion")


def _y(share: float) -> float:
    """Where a share of the axis stands; what is above it stands at its end."""
    return TOP + HEIGHT * (1 - min(share, 1.0))


def _axis(top: float, parts: int) -> Iterator[str]:
    for part in range(parts + 1):
        y = _y(part / parts)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e3e6ea"/>'
        yield _text(LEFT - 8, y + 4, f"{top * part / parts:.0%}", "end")


def _level(share: float, told: str) -> str:
    line = f'<path d="M{LEFT} {_y(share):.1f}H{WIDTH - RIGHT}" stroke="#1c2430" stroke-dasharray="5 4"/>'
    return line + _text(WIDTH - RIGHT + 6, _y(share) + 4, told, "start")


def _legend(names: Sequence[str]) -> Iterator[str]:
    for place, name in enumerate(names):
        y, (first, *rest) = TOP + 14 + 34 * place, name.split(", ")
        yield f'<rect x="{WIDTH - RIGHT + 40}" y="{y - 9}" width="10" height="10" fill="{colour(place)}"/>'
        yield _text(WIDTH - RIGHT + 56, y, first, "start") + _text(WIDTH - RIGHT + 56, y + 13, ", ".join(rest), "start")


def _text(x: float, y: float, told: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(told)}</text>'


def _svg(marks: Sequence[str], title: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {TOP + HEIGHT + FOOT}" width="{WIDTH}" height="{TOP + HEIGHT + FOOT}"'
    style = 'font-family="sans-serif" font-size="11" fill="#1c2430"'
    back = f'<rect width="{WIDTH}" height="{TOP + HEIGHT + FOOT}" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {style}><title>{title}</title>{back}{"".join(marks)}</svg>\n'
