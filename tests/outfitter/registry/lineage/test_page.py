"""The pages open anywhere: well-formed pictures, every word escaped, nothing from the network."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from outfitter.registry.lineage.delivery import lineage_of_delivery
from outfitter.registry.lineage.drawing import BOX, TALL, drawn
from outfitter.registry.lineage.graph import Graph, graph_of_list
from outfitter.registry.lineage.page import page_of_delivery, page_of_list
from outfitter.registry.lineage.recommendation import lineage_of_list
from outfitter.registry.lineage.words import summed_up
from tests.outfitter.registry.lineage.conftest import LATE, Life, at_home

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


@pytest.fixture(scope="module")
def pages(born: Life) -> dict[str, str]:
    life = at_home(born)
    found = {"list": page_of_list(lineage_of_list(life.sources, life.user))}
    return found | {one: page_of_delivery(lineage_of_delivery(life.sources, one)) for one in (LATE, life.replaced)}


def test_a_page_has_its_graph_and_a_legend(pages: dict[str, str]) -> None:
    for text in pages.values():
        (svg,) = SVG.findall(text)
        assert len(ElementTree.fromstring(svg).findall("g/rect")) >= 4
        assert '<p class="legend"' in text


def test_a_page_needs_no_network_and_no_script(pages: dict[str, str]) -> None:
    for text in pages.values():
        assert not re.search(r"(src|href)\s*=|https?://|url\(|@import|<script", text)


def test_every_word_is_escaped(pages: dict[str, str]) -> None:
    """An object's name is whatever the source calls it."""
    for name in ("list", LATE):
        assert "late<b>" not in pages[name]
        assert "late&lt;b&gt;.csv" in pages[name]


def test_a_page_tells_what_the_graph_cannot(pages: dict[str, str], life: Life) -> None:
    told = lineage_of_list(life.sources, life.user)
    assert all(f"<td class='text'>{one['item_id']}</td>" in pages["list"] for one in told["list"])
    assert "days ago" in pages["list"]
    assert "it was replaced by" in pages[life.replaced]
    assert "no, its events are later" not in pages[life.replaced]


def test_what_is_missing_is_told(life: Life) -> None:
    told = {**lineage_of_list(life.sources, life.user), "missing": ["version <1> is gone"]}
    assert "Missing: version &lt;1&gt; is gone" in page_of_list(told)


def test_a_list_of_which_only_keys_are_known_is_drawn(life: Life) -> None:
    told = lineage_of_list(life.sources, life.user)
    bare = {**told, "list": [{"rank": 1, "item_key": 7, "score": 0.5}], "history": None, "sources": {}}
    assert "key 7" in page_of_list(bare)


def test_boxes_do_not_lie_on_each_other(life: Life) -> None:
    svg = ElementTree.fromstring(drawn(graph_of_list(lineage_of_list(life.sources, life.user)).folded()))
    corners = [(float(rect.attrib["x"]), float(rect.attrib["y"])) for rect in svg.iter("rect")]
    for at, (x, y) in enumerate(corners):
        assert all(abs(x - left) >= BOX or abs(y - top) >= TALL for left, top in corners[at + 1 :])
    width, height = (float(part) for part in svg.attrib["viewBox"].split()[2:])
    assert all(x + BOX <= width and y + TALL <= height for x, y in corners)


def test_an_edge_that_passes_a_layer_by_runs_beneath_it() -> None:
    graph = Graph()
    ends = [graph.add(kind, "one", kind) for kind in ("snapshot", "features", "batch")]
    for cause, effect in ((0, 1), (1, 2), (0, 2)):
        graph.join(ends[cause], ends[effect])
    svg = ElementTree.fromstring(drawn(graph))
    lane = next(re.search(r"([\d.]+)H", path.attrib["d"]) for path in svg.iter("path") if "H" in path.attrib["d"])
    bottom = max(float(rect.attrib["y"]) + TALL for rect in svg.iter("rect"))
    assert lane is not None
    assert bottom < float(lane[1]) < float(svg.attrib["viewBox"].split()[3])


def test_the_others_are_one_line(life: Life) -> None:
    told = lineage_of_list(life.sources, life.user)
    others = [row for row in told["deliveries"] if not row["told_of"]]
    assert summed_up(told).startswith(f"{len(others)} other deliver")
    one = {"rows_accepted": 7, "rows_quarantined": 2, "warnings": ["odd"], "now": "replaced", "told_of": []}
    assert summed_up({"deliveries": [one]}) == (
        "1 other delivery is in the snapshots: 7 rows accepted, 2 set aside; 1 with warnings, 1 that do not count any more."
    )
    assert summed_up({"deliveries": []}) == "No other delivery is in the snapshots."
