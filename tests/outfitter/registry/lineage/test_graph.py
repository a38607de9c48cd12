"""The graph: causes to the left of effects, nothing dangling, and many nodes of a layer folded into one."""

from __future__ import annotations

from outfitter.registry.lineage.delivery import lineage_of_delivery
from outfitter.registry.lineage.graph import LAYERS, MOST, Graph, graph_of_delivery, graph_of_list
from outfitter.registry.lineage.recommendation import lineage_of_list
from tests.outfitter.registry.conftest import MADE
from tests.outfitter.registry.lineage.conftest import LATE, LATER, Life


def paths(graph: Graph, start: str) -> set[str]:
    """All that can be reached from a node."""
    found: set[str] = set()
    todo = [start]
    while todo:
        node = todo.pop()
        found.add(node)
        todo += [effect for cause, effect in graph.edges if cause == node and effect not in found]
    return found


def test_every_edge_leads_to_the_right(life: Life) -> None:
    for graph in (
        graph_of_list(lineage_of_list(life.sources, life.user)),
        graph_of_delivery(lineage_of_delivery(life.sources, life.replaced)),
    ):
        assert graph.edges
        for cause, effect in graph.edges:
            assert LAYERS.index(graph.nodes[cause].kind) < LAYERS.index(graph.nodes[effect].kind)
        joined = {end for edge in graph.edges for end in edge}
        assert joined == set(graph.nodes)


def test_a_list_is_reached_through_its_model_and_through_its_data(life: Life) -> None:
    graph = graph_of_list(lineage_of_list(life.sources, life.user))
    shown, batch = f"list:{life.user}", f"batch:{life.second['batch_id']}"
    through_model, through_data = paths(graph, f"delivery:{life.replaced}"), paths(graph, f"delivery:{LATE}")
    assert {f"features:{MADE}", f"model:{life.second['run_id']}", batch, shown} <= through_model
    assert {f"features:{LATER}", batch, shown} <= through_data
    assert f"model:{life.second['run_id']}" not in through_data
    assert f"features:{LATER}" not in through_model


def test_a_delivery_reaches_every_batch_it_touched(life: Life) -> None:
    graph = graph_of_delivery(lineage_of_delivery(life.sources, life.replaced))
    assert {f"batch:{life.first['batch_id']}", f"batch:{life.second['batch_id']}"} <= paths(graph, f"delivery:{life.replaced}")
    assert graph.nodes[f"delivery:{life.replaced}"].faint
    late = graph_of_delivery(lineage_of_delivery(life.sources, LATE))
    assert (f"features:{LATER}", f"batch:{life.second['batch_id']}") in late.edges
    candidates = [node for node in graph.layer("model") if node.lines[0] == "candidate"]
    assert len(candidates) == 3
    assert all(node.faint for node in candidates)


def many(number: int) -> Graph:
    graph = Graph()
    snapshot = graph.add("snapshot", "s", "s")
    for one in range(number):
        graph.join(graph.add("delivery", str(one), f"file {one}"), snapshot)
    return graph


def test_up_to_a_dozen_are_all_shown() -> None:
    assert (many(MOST).folded().nodes, many(MOST).folded().edges) == (many(MOST).nodes, many(MOST).edges)


def test_more_are_one_node_that_says_how_many() -> None:
    graph = many(5000).folded()
    nodes = graph.layer("delivery")
    assert len(nodes) == MOST
    assert nodes[-1].lines == ("and 4,989 more", "deliveries")
    assert len(graph.edges) == MOST
    assert (nodes[-1].id, "snapshot:s") in graph.edges


def test_an_edge_to_nothing_is_none() -> None:
    graph = many(1)
    graph.join("delivery:0", "model:gone")
    graph.join("", "snapshot:s")
    assert list(graph.edges) == [("delivery:0", "snapshot:s")]
