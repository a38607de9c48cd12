"""A lineage graph as inline SVG: layers from left to right, causes joined to effects by curves. No script, no font, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from outfitter.evaluation.report.charts import COLOURS
from outfitter.registry.lineage.graph import LAYERS, Graph, Node, names_of

BOX, TALL, GAP, APART = 152, 40, 46, 12  # width and height of a box, from layer to layer, from box to box
LANE, MARGIN, HEAD = 9, 6, 22
NOTE = ' class="note"'
LETTERS = 21  # that fit into a box at 11 pixels


@dataclass(frozen=True)
class Place:
    """The upper left corner of a box."""

    x: float
    y: float

    @property
    def middle(self) -> float:
        return self.y + TALL / 2


def legend_of(graph: Graph) -> str:
    """What the colours mean, and which boxes are dashed."""
    kinds = _kinds(graph)
    keys = [
        f'<span><i style="background:{_colour(kind)}"></i>{escape(name)}</span>' for kind, name in zip(kinds, names_of(kinds), strict=True)
    ]
    dashed = "<span>dashed: does not count, is not in production, or did not learn from it</span>"
    return f'<p class="legend">{"".join(keys)}{dashed if any(node.faint for node in graph.nodes.values()) else ""}</p>'


def drawn(graph: Graph) -> str:
    """The whole picture. Edges that pass a layer by run beneath its boxes."""
    kinds = _kinds(graph)
    columns = [graph.layer(kind) for kind in kinds]
    places = _places(columns)
    lanes = _lanes(graph, kinds, columns, places)
    marks = [_heading(kind, name, at) for at, (kind, name) in enumerate(zip(kinds, names_of(kinds), strict=True))]
    marks += [_curve(places[cause], places[effect], lanes.get((cause, effect))) for cause, effect in graph.edges]
    marks += [_box(node, places[node.id]) for node in graph.nodes.values()]
    width = len(kinds) * (BOX + GAP) - GAP + 2 * MARGIN
    height = max(*(place.y + TALL for place in places.values()), *lanes.values(), 0) + MARGIN
    return f'<svg class="lineage" viewBox="0 0 {width} {height:.0f}" width="{width}" role="img">{"".join(marks)}</svg>'


def _kinds(graph: Graph) -> list[str]:
    return [kind for kind in LAYERS if graph.layer(kind)]


def _places(columns: Sequence[Sequence[Node]]) -> Mapping[str, Place]:
    """Each layer one below the other, all of them centred."""
    tallest = max(len(column) for column in columns) * (TALL + APART)
    places = {}
    for at, column in enumerate(columns):
        first = HEAD + MARGIN + (tallest - len(column) * (TALL + APART)) / 2
        for row, node in enumerate(column):
            places[node.id] = Place(MARGIN + at * (BOX + GAP), first + row * (TALL + APART))
    return places


def _lanes(
    graph: Graph, kinds: Sequence[str], columns: Sequence[Sequence[Node]], places: Mapping[str, Place]
) -> dict[tuple[str, str], float]:
    """How deep an edge runs that passes layers by: beneath their boxes, each in a lane of its own."""
    lanes: dict[tuple[str, str], float] = {}
    for edge in graph.edges:
        start, end = (kinds.index(graph.nodes[one].kind) for one in edge)
        passed = [places[node.id].y + TALL for column in columns[start + 1 : end] for node in column]
        if passed:
            lanes[edge] = max(passed) + LANE * (len(lanes) + 2)
    return lanes


def _curve(cause: Place, effect: Place, lane: float | None) -> str:
    start, end, bend = cause.x + BOX, effect.x, GAP / 2
    if lane is None:
        path = f"M{start} {cause.middle:.1f}C{start + bend} {cause.middle:.1f} {end - bend} {effect.middle:.1f} {end} {effect.middle:.1f}"
    else:
        down = f"M{start} {cause.middle:.1f}C{start + bend} {cause.middle:.1f} {start} {lane:.1f} {start + GAP} {lane:.1f}"
        path = f"{down}H{end - GAP}C{end} {lane:.1f} {end - bend} {effect.middle:.1f} {end} {effect.middle:.1f}"
    return f'<path d="{path}" class="edge"/>'


def _heading(kind: str, name: str, at: int) -> str:
    return f'<text x="{MARGIN + at * (BOX + GAP)}" y="{HEAD - 8}" class="heading" style="fill:{_colour(kind)}">{escape(name)}</text>'


def _box(node: Node, place: Place) -> str:
    told = "\n".join((*node.lines, node.detail)).strip()
    lines = "".join(
        f'<text x="{place.x + 10}" y="{place.y + 17 + 14 * row:.1f}"{NOTE if row else ""}>{escape(_short(line))}</text>'
        for row, line in enumerate(node.lines)
    )
    dashed = ' stroke-dasharray="4 3"' if node.faint else ""
    rect = f'<rect x="{place.x}" y="{place.y:.1f}" width="{BOX}" height="{TALL}" rx="4" stroke="{_colour(node.kind)}"{dashed}/>'
    return f"<g><title>{escape(told)}</title>{rect}{lines}</g>"


def _short(line: str) -> str:
    """Names of files and ids tell themselves apart by their ends."""
    half = LETTERS // 2
    return line if len(line) <= LETTERS else f"{line[:half]}…{line[-half:]}"


def _colour(kind: str) -> str:
    return COLOURS[LAYERS.index(kind)]
